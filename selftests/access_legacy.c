// SPDX-License-Identifier: GPL-2.0
/*
 * Page tables, segments and interrupt gates of the access test in 32-bit mode:
 * PAE paging, and 32-bit paging with two levels.
 */
#include "access.h"

#define PAGE_SIZE	4096
#define FIRST		0xc0000000UL	/* the tested page is this much further */
#define STUBS		0x80000000UL
#define IDENTITY	0x800000	/* memory that is mapped to itself */
#define IDT_GATE(dpl)	(0x8e00 | (dpl) << 13)
#define CR4_PAE		(1UL << 5)
#define CR0_PG		(1UL << 31)

const unsigned long access_page = FIRST + ACCESS_PAGE;
const unsigned long access_user_text = STUBS;

/* For PAE paging; the last level of both. */
static volatile u64 pdpt[4] ACCESS_ALIGNED(32);
static volatile u64 pd[512] ACCESS_ALIGNED(PAGE_SIZE);
static volatile u64 identity_pd[512] ACCESS_ALIGNED(PAGE_SIZE);
static volatile u64 user_pd[512] ACCESS_ALIGNED(PAGE_SIZE);
static volatile u64 pt[512] ACCESS_ALIGNED(PAGE_SIZE);
static volatile u64 user_pt[512] ACCESS_ALIGNED(PAGE_SIZE);

/* For 32-bit paging. */
static volatile u32 directory[1024] ACCESS_ALIGNED(PAGE_SIZE);
static volatile u32 identity_pts[2][1024] ACCESS_ALIGNED(PAGE_SIZE);

static bool pae;

static u64 gdt[8] = {
	[ACCESS_CS >> 3]	= 0x00cf9b000000ffff,
	[ACCESS_DS >> 3]	= 0x00cf93000000ffff,
	[ACCESS_USER_DS >> 3]	= 0x00cff3000000ffff,
	[ACCESS_USER_CS >> 3]	= 0x00cffb000000ffff,
};

static u64 idt[ACCESS_GATE + 1];
static u8 fault_stack[1024] ACCESS_ALIGNED(16);

/* SDM Vol. 3A, "32-Bit Task-State Segment": the stack of CPL 0. */
static u32 tss[26];

bool access_offers(u32 shape, const struct access_features *features)
{
	switch (shape) {
	case ACCESS_PAE_4K:
	case ACCESS_PAE_2M:
	case ACCESS_LEGACY_4K:
		return true;
	default:
		return shape == ACCESS_LEGACY_4M && (features->modes & ACCESS_PSE);
	}
}

static volatile u64 *pae_entry(u32 level)
{
	return level == 1 ? &pt[ACCESS_PAGE >> 12 & 511] : &pd[ACCESS_PAGE >> 21];
}

static volatile u32 *legacy_entry(u32 level)
{
	volatile u32 *last = (volatile u32 *)pt;

	return level == 1 ? &last[ACCESS_PAGE >> 12] : &directory[FIRST >> 22];
}

u64 access_entry(u32 level)
{
	return pae ? *pae_entry(level) : *legacy_entry(level);
}

void access_set_entry(u32 level, u64 entry)
{
	if (pae)
		*pae_entry(level) = entry;
	else
		*legacy_entry(level) = entry;
}

/* There is one table that varies. */
u64 access_table(u32 level)
{
	(void)level;
	return (unsigned long)pt;
}

static void build_pae(void)
{
	pdpt[0] = (unsigned long)identity_pd | PTE_P;
	pdpt[STUBS >> 30] = (unsigned long)user_pd | PTE_P;
	pdpt[FIRST >> 30] = (unsigned long)pd | PTE_P;
	for (u32 at = 0; at < IDENTITY; at += 1 << 21)
		identity_pd[at >> 21] = at | PTE_P | PTE_W | PTE_PS;
	user_pd[0] = (unsigned long)user_pt | PTE_P | PTE_U;
	user_pt[0] = (unsigned long)access_stubs | PTE_P | PTE_U;
}

static void build_legacy(void)
{
	volatile u32 *last = (volatile u32 *)user_pt;

	for (u32 at = 0; at < IDENTITY; at += PAGE_SIZE) {
		volatile u32 *table = identity_pts[at >> 22];

		directory[at >> 22] = (unsigned long)table | PTE_P | PTE_W;
		table[at >> 12 & 1023] = at | PTE_P | PTE_W;
	}
	directory[STUBS >> 22] = (unsigned long)last | PTE_P | PTE_U;
	last[0] = (unsigned long)access_stubs | PTE_P | PTE_U;
}

static void turn_paging_on(void)
{
	unsigned long root = pae ? (unsigned long)pdpt : (unsigned long)directory;
	unsigned long cr;

	if (pae) {
		asm volatile("mov %%cr4, %0" : "=r"(cr));
		asm volatile("mov %0, %%cr4" : : "r"(cr | CR4_PAE));
	}
	asm volatile("mov %0, %%cr3" : : "r"(root));
	asm volatile("mov %%cr0, %0" : "=r"(cr));
	asm volatile("mov %0, %%cr0" : : "r"(cr | CR0_PG) : "memory");
}

static void set_gate(u32 vector, const u8 *code, u32 dpl)
{
	u32 offset = (unsigned long)code;

	idt[vector] = (offset & 0xffff) | ACCESS_CS << 16 |
		      (u64)((offset & 0xffff0000) | IDT_GATE(dpl)) << 32;
}

static u64 system_descriptor(unsigned long base, u32 limit, u32 type)
{
	return limit | (u64)(base & 0xffffff) << 16 | (u64)type << 40 |
	       (u64)(base >> 24) << 56;
}

static void load_table_register(bool interrupts, const void *base, u32 size)
{
	const struct __attribute__((packed)) {
		u16 limit;
		const void *base;
	} table = { size - 1, base };

	if (interrupts)
		asm volatile("lidt %0" : : "m"(table));
	else
		asm volatile("lgdt %0" : : "m"(table));
}

static void set_segments(void)
{
	tss[1] = (unsigned long)(fault_stack + sizeof(fault_stack));
	tss[2] = ACCESS_DS;
	gdt[ACCESS_LDT >> 3] =
		system_descriptor(access_page + ACCESS_DESCRIPTORS, 15, 0x82);
	gdt[ACCESS_TSS >> 3] =
		system_descriptor((unsigned long)tss, sizeof(tss) - 1, 0x89);
	load_table_register(false, gdt, sizeof(gdt));
	load_table_register(true, idt, sizeof(idt));
	asm volatile("lldt %%ax" : : "a"(ACCESS_LDT));
	asm volatile("ltr %%ax" : : "a"(ACCESS_TSS));
	/* CPL 3 uses them as CPL 0 left them. */
	asm volatile("mov %0, %%ds; mov %0, %%es" : : "r"(ACCESS_USER_DS));
	asm volatile("mov %0, %%ss" : : "r"(ACCESS_DS));
	asm volatile("ljmp %0, $1f; 1:" : : "i"(ACCESS_CS));
}

void access_setup(u32 shape)
{
	pae = shape == ACCESS_PAE_4K || shape == ACCESS_PAE_2M;
	if (pae)
		build_pae();
	else
		build_legacy();
	turn_paging_on();
	set_gate(13, access_fault_gp, 0);
	set_gate(14, access_fault_pf, 0);
	set_gate(ACCESS_GATE, access_gate, 3);
	set_segments();
}
