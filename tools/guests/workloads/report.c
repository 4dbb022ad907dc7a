// SPDX-License-Identifier: GPL-2.0

#include "report.h"

#define PORT	0x6d76
#define BEGIN	1
#define END	2
#define FAILED	3

struct report *report;

static u64 started;

static u64 time_stamp(void)
{
	u32 low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high));
	return (u64)high << 32 | low;
}

static void tell(u32 what)
{
	asm volatile("outl %0, %w1" : : "a"(what), "d"(PORT) : "memory");
}

void report_begin(void)
{
	report->entries = 0;
	report->base_loads = 0;
	report->page_flushes = 0;
	report->faults = 0;
	report->hypercalls = 0;
	tell(BEGIN);
	started = time_stamp();
}

void report_end(u64 checksum)
{
	report->ticks = time_stamp() - started;
	report->checksum = checksum;
	tell(END);
}

void fail(const char *sentence)
{
	report->failure = (u64)sentence;
	tell(FAILED);
	for (;;)
		asm volatile("cli; hlt");
}
