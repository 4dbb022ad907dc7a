// SPDX-License-Identifier: GPL-2.0

#include "address_space.h"
#include "fault.h"
#include "report.h"

#define VECTOR		14
#define CODE_SELECTOR	8	/* the tool's GDT */
#define INTERRUPT_GATE	0x8e00ull

struct gate {
	u64 low;
	u64 high;
};

struct __attribute__((packed)) table_register {
	u16 limit;
	u64 base;
};

static struct gate gates[VECTOR + 1];
static fault_handler_t *handle;

void page_fault(u64 address, u64 error)
{
	report->faults++;
	if (!handle || address < USER || address >= USER + ENTRIES * PAGE)
		fail("there was a page fault outside of the workload's pages");
	handle((address - USER) / PAGE, error);
}

void fault_init(fault_handler_t *handler)
{
	const struct table_register idtr = { sizeof(gates) - 1, (u64)gates };
	u64 entry = (u64)page_fault_entry;

	handle = handler;
	gates[VECTOR].low = (entry & 0xffff) | CODE_SELECTOR << 16 |
			    INTERRUPT_GATE << 32 | (entry & 0xffff0000) << 32;
	gates[VECTOR].high = entry >> 32;
	asm volatile("lidt %0" : : "m"(idtr));
}
