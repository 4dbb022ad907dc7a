// SPDX-License-Identifier: GPL-2.0
/* Page tables, segments and interrupt gates of the access test in 64-bit mode. */
#include "access.h"
#include "guest.h"

#define PML4		((volatile u64 *)GUEST_PML4)
#define SLOT		5UL	/* of the PML4, for the tested page */
#define USER_SLOT	6UL	/* and for the stubs */
#define GIB_INDEX	7UL
#define IDT_GATE(dpl)	(0x8e00 | (dpl) << 13)

const unsigned long access_page = SLOT << 39 | GIB_INDEX << 30 | ACCESS_PAGE;
const unsigned long access_user_text = USER_SLOT << 39;

static volatile u64 pdpt[512] __aligned(4096);
static volatile u64 pd[512] __aligned(4096);
static volatile u64 pt[512] __aligned(4096);
static volatile u64 user_pdpt[512] __aligned(4096);
static volatile u64 user_pd[512] __aligned(4096);
static volatile u64 user_pt[512] __aligned(4096);

static volatile u64 *const entries[] = {
	&pt[ACCESS_PAGE >> 12 & 511], &pd[ACCESS_PAGE >> 21],
	&pdpt[GIB_INDEX], &PML4[SLOT],
};

static u64 gdt[8] = {
	[ACCESS_CS >> 3]	= 0x00af9b000000ffff,
	[ACCESS_DS >> 3]	= 0x00cf93000000ffff,
	[ACCESS_USER_DS >> 3]	= 0x00cff3000000ffff,
	[ACCESS_USER_CS >> 3]	= 0x00affb000000ffff,
};

bool access_offers(u32 shape, const struct access_features *features)
{
	switch (shape) {
	case ACCESS_LONG_4K:
	case ACCESS_LONG_2M:
		return true;
	default:
		return shape == ACCESS_LONG_1G && features->huge;
	}
}

u64 access_entry(u32 level)
{
	return *entries[level - 1];
}

void access_set_entry(u32 level, u64 entry)
{
	*entries[level - 1] = entry;
}

u64 access_table(u32 level)
{
	const volatile u64 *const below[] = { pt, pd, pdpt };

	return (uintptr_t)below[level - 2];
}

static void set_gate(u32 vector, const u8 *code, u32 dpl)
{
	volatile u64 *gate = (u64 *)GUEST_IDT + 2 * vector;
	u64 offset = (uintptr_t)code;

	/* On the first interrupt stack. */
	gate[0] = (offset & 0xffff) | ACCESS_CS << 16 | 1UL << 32 |
		  (u64)IDT_GATE(dpl) << 32 | (offset & 0xffff0000) << 32;
	gate[1] = offset >> 32;
}

static void set_segments(void)
{
	const u64 ldt = access_page + ACCESS_DESCRIPTORS;
	const struct __packed {
		u16 limit;
		u64 base;
	} gdtr = { sizeof(gdt) - 1, (uintptr_t)gdt };

	gdt[ACCESS_LDT >> 3] = 15 | (ldt & 0xffffff) << 16 | 0x82UL << 40 |
			       (ldt >> 24 & 0xff) << 56;
	gdt[(ACCESS_LDT >> 3) + 1] = ldt >> 32;
	asm volatile("lgdt %0" : : "m"(gdtr));
	asm volatile("lldt %%ax" : : "a"(ACCESS_LDT));
}

void access_setup(u32 shape)
{
	(void)shape;
	PML4[USER_SLOT] = (uintptr_t)user_pdpt | PTE_P | PTE_U;
	user_pdpt[0] = (uintptr_t)user_pd | PTE_P | PTE_U;
	user_pd[0] = (uintptr_t)user_pt | PTE_P | PTE_U;
	user_pt[0] = (uintptr_t)access_stubs | PTE_P | PTE_U;
	set_gate(13, access_fault_gp, 0);
	set_gate(14, access_fault_pf, 0);
	set_gate(ACCESS_GATE, access_gate, 3);
	set_segments();
}
