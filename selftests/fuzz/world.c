// SPDX-License-Identifier: GPL-2.0
#include <sys/mman.h>
#include <unistd.h>

#include "world.h"

#define PTE_P		BIT(0)
#define PTE_W		BIT(1)
#define PTE_U		BIT(2)
#define PTE_PS		BIT(7)
#define USUAL		(PTE_P | PTE_W | PTE_U)

#define PML4		WORLD_TABLES
#define PDPT		(WORLD_TABLES + 1 * PAGE_4K)
#define DIRECTORY	(WORLD_TABLES + 2 * PAGE_4K)
#define TABLE(n)	(WORLD_TABLES + (3 + (n)) * PAGE_4K)
#define DIRECTORY_32	(WORLD_TABLES + 5 * PAGE_4K)
#define TABLE_32	(WORLD_TABLES + 6 * PAGE_4K)
#define TABLES		7

#define CR0_PE		BIT(0)
#define CR0_USUAL	0x30	/* ET NE */
#define CR0_WP		BIT(16)
#define CR0_AM		BIT(18)
#define CR0_PG		BIT(31)
#define CR4_PAE		BIT(5)
#define CR4_USUAL	0x600	/* OSFXSR OSXMMEXCPT */
#define EFER_LONG	0x500	/* LME LMA */
#define EFER_SCE	BIT(0)
#define EFER_NXE	BIT(11)
#define RFLAGS_VM	BIT(17)

#define AR_UNUSABLE	0x10000

const char *const mode_names[MODES] = {
	[MODE_REAL] = "real", [MODE_PROTECTED] = "protected", [MODE_PAGED] = "paged",
	[MODE_PAE] = "PAE", [MODE_V86] = "virtual-8086",
	[MODE_COMPATIBILITY] = "compatibility", [MODE_LONG] = "64-bit",
};

u64 world_address(struct dice *dice)
{
	static const u64 places[] = {
		WORLD_GDT, WORLD_IDT, WORLD_TSS, WORLD_CODE, WORLD_STACK - PAGE_4K, WORLD_ROM,
		WORLD_HOLE, WORLD_RAM - PAGE_4K, WORLD_ROM + WORLD_ROM_SIZE - PAGE_4K,
	};

	switch (below(dice, 8)) {
	case 0:
		return pick(dice, places) + below(dice, PAGE_4K);
	case 1:
		return WORLD_TABLES + below(dice, TABLES * PAGE_4K);
	case 2:
		return odd_value(dice);
	default:
		return WORLD_DATA + below(dice, WORLD_DATA_SIZE);
	}
}

/* --------------------------------------------------------------------- paging */

static bool is_table(u64 entry)
{
	u64 frame = entry & 0x000ffffffffff000;

	return frame >= WORLD_TABLES && frame < WORLD_TABLES + TABLES * PAGE_4K;
}

static u64 odd_entry(struct dice *dice)
{
	static const u64 frames[] = {
		PML4, PDPT, DIRECTORY, TABLE(0), DIRECTORY_32, TABLE_32, WORLD_CODE, WORLD_DATA,
		WORLD_ROM, WORLD_HOLE, 0, WORLD_GDT, WORLD_RAM - PAGE_4K, 1UL << 35,
	};
	u64 flags = one_in(dice, 4) ? roll(dice) & 0x8000000000000fff : roll(dice) & 0xff;

	return pick(dice, frames) | flags | (one_in(dice, 2) ? USUAL : 0);
}

/* No global pages, no large ones, and no way to write to a table. */
u64 world_entry(struct dice *dice)
{
	u64 entry = odd_entry(dice) & ~(BIT(8) | PTE_PS);

	return is_table(entry) ? entry & ~PTE_W : entry;
}

static void make_odd_entries(struct dice *dice, const struct world *world, u8 *memory)
{
	for (u32 i = one_in(dice, 2) ? 0 : below(dice, 12); i; i--) {
		u64 entry = world->tame ? world_entry(dice) : odd_entry(dice);
		u32 slot = one_in(dice, 2) ? below(dice, 512) : below(dice, 40);

		memcpy(memory + WORLD_TABLES + below(dice, TABLES) * PAGE_4K + 8 * slot, &entry,
		       sizeof(entry));
	}
}

/* Identity, for RAM, in all formats at a time. */
static void build_tables(u8 *memory)
{
	u64 *pml4 = (void *)(memory + PML4), *pdpt = (void *)(memory + PDPT);
	u64 *directory = (void *)(memory + DIRECTORY), *table = (void *)(memory + TABLE(0));
	u32 *directory_32 = (void *)(memory + DIRECTORY_32);
	u32 *table_32 = (void *)(memory + TABLE_32);

	pml4[0] = PDPT | USUAL;
	/* What PDPTEs of PAE paging may have (SDM Vol. 3A, "PDPTE Registers"). */
	pdpt[0] = DIRECTORY | PTE_P;
	directory[0] = TABLE(0) | USUAL;
	directory[1] = TABLE(1) | USUAL;
	directory_32[0] = TABLE_32 | USUAL;
	for (u64 i = 0; i < WORLD_RAM / PAGE_4K; i++) {
		table[i] = i * PAGE_4K | USUAL;
		table_32[i] = i * PAGE_4K | USUAL;
	}
	for (u64 i = 2; i < 16; i++)
		directory[i] = i * PAGE_2M | USUAL | PTE_PS;
	for (u64 i = 1; i < 8; i++)
		directory_32[i] = i * 2 * PAGE_2M | USUAL | PTE_PS;
}

/*
 * Of a tame guest, tables are reached in one place only, and by none that passes by: a
 * string instruction with a random count ends at the pages around.
 */
static void move_tables_to_window(u8 *memory)
{
	u64 *table = (void *)(memory + TABLE(0));
	u32 *table_32 = (void *)(memory + TABLE_32);
	const u32 from = WORLD_TABLES / PAGE_4K, to = WORLD_WINDOW / PAGE_4K;

	for (u32 i = 0; i < TABLES; i++) {
		table[to + i] = table[from + i] & ~PTE_U;
		table_32[to + i] = table_32[from + i] & ~PTE_U;
		table[from + i] = 0;
		table_32[from + i] = 0;
	}
	table[to - 1] = 0;
	table[to + TABLES] = 0;
	table_32[to - 1] = 0;
	table_32[to + TABLES] = 0;
}

/* In 64-bit mode an entry of the PDPT has rights. */
static void finish_tables(u8 *memory, const struct world *world)
{
	u64 *pdpt = (void *)(memory + PDPT);

	if (is_long(world->mode))
		pdpt[0] |= USUAL;
	if (world->tame)
		move_tables_to_window(memory);
}

/* ---------------------------------------------------------------- descriptors */

static void set_descriptor(u8 *memory, u32 selector, u64 value)
{
	memcpy(memory + WORLD_GDT + (selector & ~7), &value, sizeof(value));
}

static u64 system_descriptor(u64 type, u64 base, u64 limit)
{
	return (limit & 0xffff) | (base & 0xffffff) << 16 | (0x80 | type) << 40 |
	       (base >> 24) << 56;
}

/* To an offset below 64 KiB. */
static u64 gate(u64 type, u64 dpl, u64 selector, u64 offset, u64 ist)
{
	return offset | selector << 16 | ist << 32 | (0x80 | dpl << 5 | type) << 40;
}

static void build_gdt(struct dice *dice, u8 *memory, enum mode mode)
{
	const u64 code = mode == MODE_LONG ? 0x00af9b000000ffff : 0x00cf9b000000ffff;
	u64 *gdt = (void *)(memory + WORLD_GDT);

	for (u32 i = SEL_OTHER_TSS / 8 + 1; i < 64; i++)
		gdt[i] = roll(dice);
	set_descriptor(memory, SEL_CODE, code);
	set_descriptor(memory, SEL_DATA, 0x00cf93000000ffff);
	set_descriptor(memory, SEL_USER_CODE, code | 3ULL << 45);
	set_descriptor(memory, SEL_USER_DATA, 0x00cff3000000ffff);
	set_descriptor(memory, SEL_CONFORMING, code | BIT(42));
	set_descriptor(memory, SEL_CODE16, 0x00009b000000ffff);
	set_descriptor(memory, SEL_TSS, system_descriptor(0xb, WORLD_TSS, 0x1fff));
	set_descriptor(memory, SEL_LDT, system_descriptor(0x2, WORLD_GDT, 0xfff));
	set_descriptor(memory, SEL_CALL_GATE, gate(0xc, 3, SEL_CODE, WORLD_HANDLERS, 0));
	set_descriptor(memory, SEL_TASK_GATE, gate(0x5, 3, SEL_OTHER_TSS, 0, 0));
	set_descriptor(memory, SEL_OTHER_TSS,
		       system_descriptor(0x9, WORLD_TSS + 0x800, 0x67));
	for (u32 i = one_in(dice, 2) ? 0 : below(dice, 8); i; i--)
		gdt[1 + below(dice, 16)] ^= BIT(below(dice, 64));
}

static u64 some_gate(struct dice *dice, enum mode mode)
{
	static const u16 selectors[] = {
		SEL_CODE, SEL_CODE, SEL_CODE, SEL_USER_CODE, SEL_USER_CODE, SEL_CONFORMING,
	};
	u64 offset = one_in(dice, 8) ? WORLD_CODE + below(dice, 0x100) :
		     WORLD_HANDLERS + 16 * below(dice, 16);
	u64 type = 0xe | below(dice, 2);

	if (one_in(dice, 16))
		return roll(dice);
	if (one_in(dice, 16) && !is_long(mode))
		return gate(0x5, 3, SEL_OTHER_TSS, 0, 0);
	return gate(type, below(dice, 2) * 3, pick(dice, selectors), offset,
		    is_long(mode) ? below(dice, 4) : 0);
}

static void build_idt(struct dice *dice, u8 *memory, enum mode mode)
{
	u64 *idt = (void *)(memory + WORLD_IDT);
	const u32 stride = is_long(mode) ? 2 : 1;

	for (u32 i = 0; i < 256; i++) {
		idt[stride * i] = some_gate(dice, mode);
		if (stride == 2)
			idt[stride * i + 1] = 0;
	}
}

/* Stacks for CPL 0 to 2 and the seven of interrupts; bits of ports; all may be odd. */
static void build_tss(struct dice *dice, u8 *memory)
{
	u64 *words = (void *)(memory + WORLD_TSS + 4);
	const u16 bitmap = 0x68;

	for (u32 i = 0; i < 13; i++)
		words[i] = one_in(dice, 16) ? world_address(dice) :
			   WORLD_STACK - 0x1000 - below(dice, 64) * 64;
	memcpy(memory + WORLD_TSS + 0x66, &bitmap, sizeof(bitmap));
	memset(memory + WORLD_TSS + bitmap, one_in(dice, 2) ? 0 : 0xff, 0x1800);
}

/* Of 16 bytes each: what handlers do, and mostly they return in some way. */
static void build_handlers(struct dice *dice, const struct world *world, u8 *memory)
{
	static const u8 handlers[][8] = {
		{ 0xcf },				/* iret */
		{ 0x48, 0xcf },				/* iretq, or dec eax; iret */
		{ 0x83, 0xc4, 0x04, 0xcf },		/* add esp, 4; iret */
		{ 0x48, 0x83, 0xc4, 0x08, 0x48, 0xcf },	/* add rsp, 8; iretq */
		{ 0xf4, 0xcf },				/* hlt; iret */
		{ 0xeb, 0xfe },				/* jmp . */
		{ 0x0f, 0x0b },				/* ud2 */
		{ 0xe6, 0x80, 0xcf },			/* out 0x80, al; iret */
		{ 0x0f, 0xa2, 0xeb, 0xfc },		/* cpuid; jmp */
		{ 0xff, 0x04, 0x24, 0x48, 0xcf },	/* inc [rsp]; iretq */
		{ 0x8b, 0x44, 0x24, 0x01, 0xeb, 0xfa },	/* mov eax, [esp + 1]; jmp */
	};

	for (u32 i = 0; i < 16; i++) {
		u8 *to = memory + WORLD_HANDLERS + 16 * i;

		if (i < ARRAY_SIZE(handlers))
			memcpy(to, handlers[i], sizeof(handlers[i]));
		else
			code_fill(dice, world, to, 16);
	}
}

/* Real mode has its vectors at 0. */
static void build_vectors(struct dice *dice, u8 *memory)
{
	u32 *vectors = (u32 *)memory;

	for (u32 i = 0; i < 256; i++)
		vectors[i] = one_in(dice, 16) ? roll(dice) :
			     WORLD_HANDLERS + 16 * below(dice, 16);
}

/*
 * No instruction of a tame guest reads the time-stamp counter, which no exit tells of:
 * RDTSC becomes UD2, even where a jump into an instruction would find it.
 */
static void take_the_clock_away(u8 *from, const u8 *end)
{
	for (; from + 1 < end; from++) {
		if (from[0] == 0x0f && from[1] == 0x31)
			from[1] = 0x0b;
	}
}

void world_build(struct dice *dice, const struct world *world, u8 *memory)
{
	memset(memory, 0, WORLD_STACK);
	build_vectors(dice, memory);
	build_tables(memory);
	finish_tables(memory, world);
	make_odd_entries(dice, world, memory);
	build_gdt(dice, memory, world->mode);
	build_idt(dice, memory, world->mode);
	build_tss(dice, memory);
	build_handlers(dice, world, memory);
	code_fill(dice, world, memory + WORLD_CODE, WORLD_CODE_SIZE);
	if (world->tame)
		take_the_clock_away(memory + WORLD_HANDLERS,
				    memory + WORLD_CODE + WORLD_CODE_SIZE);
}

/* ------------------------------------------------------------------ registers */

static struct minivmx_segment segment(u16 selector, u64 base, u32 limit, u32 rights)
{
	return (struct minivmx_segment) {
		.selector = selector, .base = base, .limit = limit, .access_rights = rights,
	};
}

static void set_data(struct minivmx_sregs *sregs, struct minivmx_segment data)
{
	sregs->ds = data;
	sregs->es = data;
	sregs->fs = data;
	sregs->gs = data;
	sregs->ss = data;
}

/* In virtual-8086 mode a base is 16 times the selector, and rights are fixed. */
static void set_8086_segments(struct minivmx_sregs *sregs, u32 code, u32 data)
{
	sregs->cs = segment(0, 0, 0xffff, code);
	set_data(sregs, segment(0x1000, 0x10000, 0xffff, data));
}

static void set_segments(struct minivmx_sregs *sregs, enum mode mode, bool user)
{
	const u32 dpl = user ? 0x60 : 0;

	if (mode == MODE_REAL)
		return set_8086_segments(sregs, 0x9b, 0x93);
	sregs->tr = segment(SEL_TSS, WORLD_TSS, 0x1fff, 0x8b);
	sregs->ldtr = segment(SEL_LDT, WORLD_GDT, 0xfff, 0x82);
	if (mode == MODE_V86)
		return set_8086_segments(sregs, 0xf3, 0xf3);
	sregs->cs = segment(user ? SEL_USER_CODE : SEL_CODE, 0, ~0U,
			    (mode == MODE_LONG ? 0xa09b : 0xc09b) | dpl);
	set_data(sregs, segment(user ? SEL_USER_DATA : SEL_DATA, 0, ~0U, 0xc093 | dpl));
}

static void set_control_registers(struct dice *dice, struct minivmx_sregs *sregs, enum mode mode)
{
	static const u64 roots[MODES] = {
		[MODE_PAGED] = DIRECTORY_32, [MODE_PAE] = PDPT, [MODE_V86] = DIRECTORY_32,
		[MODE_COMPATIBILITY] = PML4, [MODE_LONG] = PML4,
	};
	/* VME PVI TSD DE PSE MCE PGE PCE */
	static const u64 free_in_cr4 = 0x1df;

	sregs->cr0 = CR0_USUAL | (mode == MODE_REAL ? 0 : CR0_PE);
	sregs->cr0 |= below(dice, 2) * CR0_WP | below(dice, 2) * CR0_AM;
	sregs->cr3 = roots[mode];
	if (roots[mode])
		sregs->cr0 |= CR0_PG;
	sregs->cr4 = CR4_USUAL | (roll(dice) & roll(dice) & free_in_cr4);
	if (mode == MODE_PAE || is_long(mode))
		sregs->cr4 |= CR4_PAE;
	sregs->efer = is_long(mode) ? EFER_LONG : 0;
	sregs->efer |= below(dice, 2) * EFER_SCE | below(dice, 2) * EFER_NXE;
}

static void set_debug_registers(struct dice *dice, struct minivmx_sregs *sregs)
{
	for (int i = 0; i < 4; i++)
		sregs->dr[i] = one_in(dice, 2) ? WORLD_CODE + below(dice, 64) :
			       WORLD_STACK - 0x1000 - below(dice, 64) * 64;
	sregs->dr[5] = (roll(dice) & 0xffff03ff) | 0x400;
}

static void set_general_registers(struct dice *dice, struct minivmx_regs *regs)
{
	u64 *registers = &regs->rax;

	for (u32 i = 0; i < 16; i++)
		registers[i] = world_address(dice);
}

void world_registers(struct dice *dice, const struct world *world, struct minivmx_sregs *sregs,
		     struct minivmx_regs *regs)
{
	const enum mode mode = world->mode;
	/* CF PF AF ZF SF TF DF OF IOPL NT AC VIF VIP ID */
	static const u64 free_flags = 0x3c7dd5;

	set_segments(sregs, mode, world->user);
	set_control_registers(dice, sregs, mode);
	/* Read-only tables are. */
	if (world->tame)
		sregs->cr0 |= CR0_WP;
	sregs->interruptibility = 0;
	sregs->pending_debug = 0;
	sregs->activity = 0;
	sregs->flags = 0;
	sregs->gdtr = (struct minivmx_table) { .base = WORLD_GDT, .limit = 0x1ff };
	sregs->idtr = (struct minivmx_table) {
		.base = mode == MODE_REAL ? 0 : WORLD_IDT,
		.limit = one_in(dice, 8) ? below(dice, 0x1000) : 0xfff,
	};
	if (one_in(dice, 4))
		set_debug_registers(dice, sregs);
	set_general_registers(dice, regs);
	regs->rip = WORLD_CODE;
	regs->rsp = mode == MODE_REAL || mode == MODE_V86 ? 0xf000 : WORLD_STACK;
	regs->rsp -= below(dice, 64);
	regs->rflags = 2 | (roll(dice) & roll(dice) & free_flags & ~(BIT(19) | BIT(20)));
	if (!one_in(dice, 4))
		regs->rflags |= 0x200;
	if (mode == MODE_V86)
		regs->rflags |= RFLAGS_VM;
}

/* ------------------------------------------------------------------------ a VM */

static void *map_guest(int vm, u64 gpa, u64 length, u32 flags)
{
	void *memory;

	test_cmd(vm, MINIVMX_MAP_MEMORY,
		 ARG(map_memory, .flags = flags, .gpa = gpa, .length = length));
	memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, vm, gpa);
	require(memory != MAP_FAILED, "mmap: %s", strerrorname_np(errno));
	return memory;
}

void guest_make(struct guest *guest, u32 mmu)
{
	const char *reason = open_device(&guest->device);

	require(!reason, "%s", reason);
	guest->vm = test_cmd(guest->device, MINIVMX_CREATE_VM, ARG(create_vm, .mmu = mmu));
	guest->memory = map_guest(guest->vm, 0, WORLD_RAM, 0);
	guest->rom = map_guest(guest->vm, WORLD_ROM, WORLD_ROM_SIZE, MINIVMX_MAP_READONLY);
	guest->vcpu = test_cmd(guest->vm, MINIVMX_CREATE_VCPU, ARG(create_vcpu));
	guest->run = mmap(NULL, MINIVMX_RUN_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, guest->vcpu,
			  0);
	require(guest->run != MAP_FAILED, "mmap: %s", strerrorname_np(errno));
}

void guest_close(struct guest *guest)
{
	munmap(guest->run, MINIVMX_RUN_SIZE);
	munmap(guest->rom, WORLD_ROM_SIZE);
	munmap(guest->memory, WORLD_RAM);
	close(guest->vcpu);
	close(guest->vm);
	close(guest->device);
}

void guest_fill_rom(struct dice *dice, const struct guest *guest)
{
	for (u32 i = 0; i < WORLD_ROM_SIZE / 8; i++) {
		u64 entry = world_address(dice) & -PAGE_4K;

		entry |= roll(dice) & 0xff;
		memcpy(guest->rom + 8 * i, &entry, sizeof(entry));
	}
}
