/* SPDX-License-Identifier: GPL-2.0 */
/* The guests of the fuzzers: where things are in their memory, and how they begin. */
#ifndef WORLD_H
#define WORLD_H

#include "fuzz.h"

#define WORLD_RAM		(4 * MIB)	/* from address 0 */
#define WORLD_ROM		(8 * MIB)
#define WORLD_ROM_SIZE		(64UL << 10)
#define WORLD_HOLE		(16 * MIB)	/* and all around */

#define WORLD_GDT		0x1000UL
#define WORLD_IDT		0x2000UL
#define WORLD_TSS		0x3000UL
#define WORLD_HANDLERS		0x5000UL
#define WORLD_CODE		0x8000UL
#define WORLD_CODE_SIZE		0x2000UL
#define WORLD_STACK		0x1f000UL	/* it grows downwards */
#define WORLD_DATA		0x20000UL
#define WORLD_DATA_SIZE		0x10000UL
#define WORLD_TABLES		0x100000UL

enum mode {
	MODE_REAL,
	MODE_PROTECTED,		/* without paging */
	MODE_PAGED,		/* 32-bit paging */
	MODE_PAE,
	MODE_V86,
	MODE_COMPATIBILITY,
	MODE_LONG,
	MODES,
};

extern const char *const mode_names[MODES];

static inline bool is_long(enum mode mode)
{
	return mode >= MODE_COMPATIBILITY;
}

/* Width of operands and of addresses unless an instruction says otherwise. */
static inline u32 code_width(enum mode mode)
{
	if (mode == MODE_LONG)
		return 64;
	return mode == MODE_REAL || mode == MODE_V86 ? 16 : 32;
}

/* Selectors; those of CPL 3 with their RPL. */
enum selector {
	SEL_CODE	= 0x08,
	SEL_DATA	= 0x10,
	SEL_USER_CODE	= 0x1b,
	SEL_USER_DATA	= 0x23,
	SEL_CONFORMING	= 0x28,
	SEL_CODE16	= 0x30,
	SEL_TSS		= 0x38,	/* of 16 bytes in long mode */
	SEL_LDT		= 0x48,
	SEL_CALL_GATE	= 0x58,
	SEL_TASK_GATE	= 0x68,
	SEL_OTHER_TSS	= 0x70,
};

/* An address of the guest's that something is at. */
u64 world_address(struct dice *dice);

/*
 * A guest. A tame one writes to its page tables at WORLD_WINDOW only and drops what a CPU
 * may remember of them, and asks nothing of which the answer may depend on the MMU, or
 * on the time.
 */
struct world {
	enum mode mode;
	bool user;
	bool tame;
};

/* Where the supervisor of a tame guest finds its page tables. */
#define WORLD_WINDOW		0x3a5000UL

/* An entry of a page table that a tame guest can have, too. */
u64 world_entry(struct dice *dice);
/* Tables of all kinds, and what the mode needs of them, with some entries that are odd. */
void world_build(struct dice *dice, const struct world *world, u8 *memory);
/* The registers to begin with: mostly such as a CPU can have. */
void world_registers(struct dice *dice, const struct world *world, struct minivmx_sregs *sregs,
		     struct minivmx_regs *regs);

/* A VM with one vCPU. */
struct guest {
	int device, vm, vcpu;
	u8 *memory, *rom;
	struct minivmx_run *run;
};

void guest_make(struct guest *guest, u32 mmu);
void guest_close(struct guest *guest);
/* Tables in ROM: their flags cannot be set. */
void guest_fill_rom(struct dice *dice, const struct guest *guest);

/* code.c: random instructions, @size bytes. */
void code_fill(struct dice *dice, const struct world *world, u8 *to, u32 size);

#endif /* WORLD_H */
