// SPDX-License-Identifier: GPL-2.0
/*
 * Random instructions: opcodes from a list, with any operands; sequences that load a
 * register and then use it; and bytes that are nothing in particular.
 */
#include "world.h"

struct code {
	struct dice *dice;
	u32 width;
	bool tame;
	u8 *at, *end;
};

static void byte(struct code *code, u8 value)
{
	if (code->at < code->end)
		*code->at++ = value;
}

static void bytes(struct code *code, u64 value, u32 number)
{
	for (u32 i = 0; i < number; i++)
		byte(code, value >> 8 * i);
}

static void put(struct code *code, const char *opcode, u32 length)
{
	for (u32 i = 0; i < length; i++)
		byte(code, opcode[i]);
}

#define PUT(code, opcode)	put(code, opcode, sizeof(opcode) - 1)

/* ------------------------------------------------------------------- operands */

enum operands {
	NONE,
	MODRM,
	MEMORY,		/* MODRM, but no register */
	MODRM_8,	/* and 8 bits */
	MODRM_Z,	/* and 16 or 32 bits */
	IMM_8,
	IMM_Z,
	IMM_16,
	IMM_24,		/* ENTER */
	FAR,
};

/* Size of an operand: 32 bits, or 16 in 16-bit code. */
static u32 operand_bytes(const struct code *code)
{
	return code->width == 16 ? 2 : 4;
}

/* Mostly a register as the address, near which there is something. */
static void modrm(struct code *code, bool memory)
{
	u8 value = memory ? roll(code->dice) % 0xc0 : roll(code->dice);
	u8 mod = value >> 6, rm = value & 7;

	byte(code, value);
	if (code->width != 16 && mod != 3 && rm == 4)
		byte(code, roll(code->dice));
	if (mod == 1)
		byte(code, roll(code->dice));
	else if (mod == 2 || (mod == 0 && rm == (code->width == 16 ? 6 : 5)))
		bytes(code, world_address(code->dice), operand_bytes(code));
}

static void far_pointer(struct code *code)
{
	static const u16 selectors[] = {
		SEL_CODE, SEL_CONFORMING, SEL_CODE16, SEL_CALL_GATE, SEL_TASK_GATE,
		SEL_OTHER_TSS, SEL_TSS, SEL_USER_CODE, SEL_DATA, 0,
	};

	bytes(code, WORLD_CODE + below(code->dice, WORLD_CODE_SIZE), operand_bytes(code));
	bytes(code, pick(code->dice, selectors), 2);
}

static void operands(struct code *code, enum operands kind)
{
	if (kind == MODRM || kind == MODRM_8 || kind == MODRM_Z)
		modrm(code, false);
	if (kind == MEMORY)
		modrm(code, true);
	if (kind == IMM_8 || kind == MODRM_8 || kind == IMM_24)
		byte(code, roll(code->dice));
	if (kind == IMM_16 || kind == IMM_24)
		bytes(code, roll(code->dice), 2);
	if (kind == IMM_Z || kind == MODRM_Z)
		bytes(code, world_address(code->dice), operand_bytes(code));
	if (kind == FAR)
		far_pointer(code);
}

/* --------------------------------------------------------- instructions by list */

struct form {
	const char *opcode;
	u8 length;
	u8 operands;
	bool wild;	/* tame code has none */
};

#define FORM(opcode, operands)	{ opcode, sizeof(opcode) - 1, operands, false }
#define WILD(opcode, operands)	{ opcode, sizeof(opcode) - 1, operands, true }

/* What exits, or traps, or changes what the CPU is doing. */
static const struct form system_forms[] = {
	FORM("\x0f\x00", MODRM),	/* SLDT STR LLDT LTR VERR VERW */
	FORM("\x0f\x01", MEMORY),	/* SGDT … INVLPG */
	WILD("\x0f\x01", MODRM),	/* VMCALL … and their neighbours */
	WILD("\x0f\x01\xc1", NONE),	/* VMCALL */
	FORM("\x0f\x01\xc2", NONE),	/* VMLAUNCH */
	FORM("\x0f\x01\xc3", NONE),	/* VMRESUME */
	FORM("\x0f\x01\xc4", NONE),	/* VMXOFF */
	FORM("\x0f\x01\xc8", NONE),	/* MONITOR */
	FORM("\x0f\x01\xc9", NONE),	/* MWAIT */
	FORM("\x0f\x01\xd0", NONE),	/* XGETBV */
	FORM("\x0f\x01\xd1", NONE),	/* XSETBV */
	FORM("\x0f\x01\xd4", NONE),	/* VMFUNC */
	FORM("\x0f\x01\xf8", NONE),	/* SWAPGS */
	FORM("\x0f\x01\xf9", NONE),	/* RDTSCP */
	FORM("\x0f\x02", MODRM),	/* LAR */
	FORM("\x0f\x03", MODRM),	/* LSL */
	FORM("\x0f\x05", NONE),		/* SYSCALL */
	FORM("\x0f\x06", NONE),		/* CLTS */
	FORM("\x0f\x07", NONE),		/* SYSRET */
	FORM("\x0f\x08", NONE),		/* INVD */
	FORM("\x0f\x09", NONE),		/* WBINVD */
	FORM("\x0f\x0b", NONE),		/* UD2 */
	FORM("\x0f\x20", MODRM),	/* MOV from CR */
	FORM("\x0f\x21", MODRM),	/* MOV from DR */
	WILD("\x0f\x22", MODRM),	/* MOV to CR */
	FORM("\x0f\x23", MODRM),	/* MOV to DR */
	FORM("\x0f\x30", NONE),		/* WRMSR */
	FORM("\x0f\x31", NONE),		/* RDTSC */
	FORM("\x0f\x32", NONE),		/* RDMSR */
	FORM("\x0f\x33", NONE),		/* RDPMC */
	FORM("\x0f\x34", NONE),		/* SYSENTER */
	FORM("\x0f\x35", NONE),		/* SYSEXIT */
	FORM("\x0f\x37", NONE),		/* GETSEC */
	FORM("\x66\x0f\x38\x80", MODRM),	/* INVEPT */
	FORM("\x66\x0f\x38\x81", MODRM),	/* INVVPID */
	WILD("\x66\x0f\x38\x82", MODRM),	/* INVPCID */
	FORM("\x0f\x78", MODRM),	/* VMREAD */
	FORM("\x0f\x79", MODRM),	/* VMWRITE */
	FORM("\x0f\xa1", NONE),		/* POP FS */
	FORM("\x0f\xa2", NONE),		/* CPUID */
	FORM("\x0f\xa9", NONE),		/* POP GS */
	FORM("\x0f\xaa", NONE),		/* RSM */
	FORM("\x0f\xae", MODRM),	/* FXSAVE … XSAVE, fences */
	FORM("\xf3\x0f\xae", MODRM),	/* RDFSBASE … */
	FORM("\x0f\xb2", MODRM),	/* LSS */
	WILD("\x0f\xc7", MODRM),	/* CMPXCHG8B, VMPTRLD, RDRAND … */
	WILD("\x66\x0f\xc7", MODRM),	/* VMCLEAR */
	WILD("\xf3\x0f\xc7", MODRM),	/* VMXON */
	FORM("\x07", NONE),		/* POP ES */
	FORM("\x17", NONE),		/* POP SS */
	FORM("\x1f", NONE),		/* POP DS */
	FORM("\x62", MODRM),		/* BOUND */
	FORM("\x63", MODRM),		/* ARPL */
	FORM("\x6c", NONE), FORM("\x6d", NONE),	/* INS */
	FORM("\x6e", NONE), FORM("\x6f", NONE),	/* OUTS */
	FORM("\x8e", MODRM),		/* MOV to a segment register */
	FORM("\x9a", FAR),		/* CALL */
	FORM("\x9c", NONE),		/* PUSHF */
	FORM("\x9d", NONE),		/* POPF */
	FORM("\xc5", MODRM),		/* LDS */
	FORM("\xca", IMM_16), FORM("\xcb", NONE),	/* RETF */
	FORM("\xcc", NONE),		/* INT3 */
	FORM("\xcd", IMM_8),		/* INT n */
	FORM("\xce", NONE),		/* INTO */
	FORM("\xcf", NONE),		/* IRET */
	FORM("\x48\xcf", NONE),		/* IRETQ */
	FORM("\xe4", IMM_8), FORM("\xe5", IMM_8),	/* IN */
	FORM("\xe6", IMM_8), FORM("\xe7", IMM_8),	/* OUT */
	FORM("\xea", FAR),		/* JMP */
	FORM("\xec", NONE), FORM("\xed", NONE),	/* IN */
	FORM("\xee", NONE), FORM("\xef", NONE),	/* OUT */
	FORM("\xf1", NONE),		/* INT1 */
	FORM("\xf3\x90", NONE),		/* PAUSE */
	FORM("\xf4", NONE),		/* HLT */
	FORM("\xfa", NONE), FORM("\xfb", NONE),	/* CLI, STI */
	FORM("\xff", MODRM),		/* far CALL and JMP among them */
};

static const struct form ordinary_forms[] = {
	FORM("\x01", MODRM), FORM("\x03", MODRM), FORM("\x29", MODRM), FORM("\x31", MODRM),
	FORM("\x50", NONE), FORM("\x53", NONE), FORM("\x58", NONE), FORM("\x5f", NONE),
	FORM("\x60", NONE), FORM("\x61", NONE), FORM("\x68", IMM_Z), FORM("\x6a", IMM_8),
	FORM("\x74", IMM_8), FORM("\x75", IMM_8), FORM("\xeb", IMM_8), FORM("\xe2", IMM_8),
	FORM("\x80", MODRM_8), FORM("\x81", MODRM_Z), FORM("\x86", MODRM), FORM("\x87", MODRM),
	FORM("\x88", MODRM), FORM("\x89", MODRM), FORM("\x8a", MODRM), FORM("\x8b", MODRM),
	FORM("\x8c", MODRM), FORM("\x8d", MODRM), FORM("\x8f", MODRM), FORM("\x98", NONE),
	FORM("\xa4", NONE), FORM("\xa5", NONE), FORM("\xaa", NONE), FORM("\xab", NONE),
	FORM("\xac", NONE), FORM("\xc3", NONE), FORM("\xc6", MODRM_8), FORM("\xc7", MODRM_Z),
	FORM("\xc8", IMM_24), FORM("\xc9", NONE), FORM("\xd3", MODRM), FORM("\xd9", MODRM),
	FORM("\xdd", MODRM), FORM("\xf0\x0f\xb1", MODRM), FORM("\xf6", MODRM), FORM("\xfe", MODRM),
	FORM("\xf3\xab", NONE), FORM("\xf3\xa4", NONE), FORM("\x0f\x10", MODRM),
	FORM("\x0f\x11", MODRM), FORM("\x0f\x18", MODRM), FORM("\xfc", NONE), FORM("\xfd", NONE),
};

static void prefix(struct code *code)
{
	static const u8 prefixes[] = {
		0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, 0x48, 0x41, 0x4f,
	};

	byte(code, pick(code->dice, prefixes));
}

static void from_list(struct code *code, const struct form *form)
{
	if (form->wild && code->tame)
		return;
	while (one_in(code->dice, 8))
		prefix(code);
	put(code, form->opcode, form->length);
	operands(code, form->operands);
}

static void system_instruction(struct code *code)
{
	from_list(code, &pick(code->dice, system_forms));
}

static void ordinary_instruction(struct code *code)
{
	from_list(code, &pick(code->dice, ordinary_forms));
}

static void anything(struct code *code)
{
	for (u32 i = 1 + below(code->dice, 8); i; i--)
		byte(code, roll(code->dice));
}

/* ------------------------------------------------------------------ sequences */

enum { AX, CX, DX, BX, SP, BP, SI, DI };

/* MOV of all that fits into the register. */
static void load(struct code *code, u8 reg, u64 value)
{
	if (code->width == 16)
		byte(code, 0x66);
	if (code->width == 64 && value >> 32)
		byte(code, 0x48);
	byte(code, 0xb8 + reg);
	bytes(code, value, code->width == 64 && value >> 32 ? 8 : 4);
}

static u32 some_msr(struct dice *dice)
{
	static const u32 known[] = {
		0x1b, 0x3a, 0x48, 0x8b, 0xfe, 0x174, 0x175, 0x176, 0x179, 0x1a0, 0x1d9, 0x277,
		0x38f, 0x480, 0x6e0, 0x802, 0xda0, 0xc0000080, 0xc0000081, 0xc0000082,
		0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103,
	};

	return one_in(dice, 8) ? odd_value(dice) & ~0x10ULL : pick(dice, known);
}

static void access_msr(struct code *code)
{
	load(code, CX, some_msr(code->dice));
	if (one_in(code->dice, 3)) {
		PUT(code, "\x0f\x32");
		return;
	}
	load(code, AX, (u32)odd_value(code->dice));
	load(code, DX, one_in(code->dice, 2) ? 0 : (u32)odd_value(code->dice));
	PUT(code, "\x0f\x30");
}

/* MOV EAX, CRn; XOR EAX, a bit; MOV CRn, EAX, for CR0 and CR4. */
static void toggle_bit_of_cr(struct code *code)
{
	u8 number = below(code->dice, 2) * 4;

	PUT(code, "\x0f\x20");
	byte(code, 0xc0 | number << 3);
	if (code->width == 16)
		byte(code, 0x66);
	byte(code, 0x35);
	bytes(code, BIT(below(code->dice, 32)), 4);
	PUT(code, "\x0f\x22");
	byte(code, 0xc0 | number << 3);
}

static void load_cr(struct code *code)
{
	static const u8 numbers[] = { 0, 2, 3, 3, 3, 4, 8 };
	u64 value = one_in(code->dice, 2) ? odd_value(code->dice) :
		    WORLD_TABLES + below(code->dice, 8) * PAGE_4K;

	load(code, AX, value);
	PUT(code, "\x0f\x22");
	byte(code, 0xc0 | (pick(code->dice, numbers) & 7) << 3);
}

/* MOV EAX, CR4; OR EAX, OSXSAVE; MOV CR4, EAX; and with that, XSETBV of XCR0, mostly. */
static void set_xcr0(struct code *code)
{
	PUT(code, "\x0f\x20\xe0");
	if (code->width == 16)
		byte(code, 0x66);
	byte(code, 0x0d);
	bytes(code, BIT(18), 4);
	PUT(code, "\x0f\x22\xe0");
	load(code, CX, one_in(code->dice, 8) ? odd_value(code->dice) : 0);
	load(code, AX, one_in(code->dice, 2) ? below(code->dice, 8) : (u32)odd_value(code->dice));
	load(code, DX, one_in(code->dice, 4) ? (u32)odd_value(code->dice) : 0);
	PUT(code, "\x0f\x01\xd1");
}

static void load_dr(struct code *code)
{
	load(code, AX, one_in(code->dice, 2) ? world_address(code->dice) : odd_value(code->dice));
	PUT(code, "\x0f\x23");
	byte(code, 0xc0 | below(code->dice, 8) << 3);
}

/* MOV [an entry of a page table], EAX, and perhaps INVLPG of some page. */
static void write_table(struct code *code)
{
	u64 entry = WORLD_TABLES + (below(code->dice, 7 * 512) << 3);

	load(code, DI, entry);
	load(code, AX, (world_address(code->dice) & -PAGE_4K) | (roll(code->dice) & 0xff));
	if (code->width == 16)
		PUT(code, "\x67\x66");
	PUT(code, "\x89\x07");
	if (one_in(code->dice, 2)) {
		load(code, DI, world_address(code->dice));
		if (code->width == 16)
			byte(code, 0x67);
		PUT(code, "\x0f\x01\x3f");
	}
}

/* With a count, and at an address, that make sense. */
static void string_instruction(struct code *code)
{
	static const u8 opcodes[] = { 0x6c, 0x6d, 0x6e, 0x6f, 0xa4, 0xa5, 0xaa, 0xab, 0xa6, 0xae };

	load(code, CX, one_in(code->dice, 16) ? odd_value(code->dice) : below(code->dice, 20));
	load(code, DI, world_address(code->dice));
	load(code, SI, world_address(code->dice));
	byte(code, one_in(code->dice, 2) ? 0xf3 : 0xf2);
	byte(code, pick(code->dice, opcodes));
}

static void load_segment(struct code *code)
{
	load(code, AX, one_in(code->dice, 4) ? roll(code->dice) & 0xffff :
	     below(code->dice, 20) * 8 | below(code->dice, 2) * 3);
	byte(code, 0x8e);
	byte(code, 0xc0 | below(code->dice, 6) << 3);
}

/* Where a shadow has something, and where it has nothing yet. */
static void access_memory(struct code *code)
{
	load(code, BX, world_address(code->dice));
	if (code->width == 16)
		byte(code, 0x67);
	byte(code, one_in(code->dice, 2) ? 0x89 : 0x8b);
	byte(code, 0x03);
}

static void call_hypervisor(struct code *code)
{
	load(code, AX, below(code->dice, 4));
	load(code, BX, world_address(code->dice));
	load(code, CX, below(code->dice, 10));
	PUT(code, "\x0f\x01\xc1");
}

/*
 * As a guest must: with the translations dropped that the entry was used for. And no register
 * has its address, as REP STOS would write on from there. That happened (SEED=5 ROUND=19): once
 * three tables were full of rubbish, the CPU had to walk them for the fourth page under EPT,
 * and triple-faulted; vtlb still had the translations of two more. Both may be: what the guest
 * does not invalidate may be used, and need not (SDM Vol. 3A, "Details of TLB Use", "Delayed
 * Invalidation").
 */
static void write_table_tamely(struct code *code)
{
	u64 entry = below(code->dice, 2) * 4 + (below(code->dice, 7 * 512) << 3);

	load(code, AX, world_entry(code->dice) & 0xffffffff);
	if (code->width == 16)
		PUT(code, "\x67\x66");
	/* MOV [entry], EAX, in the form that is the same in 64-bit mode */
	PUT(code, "\x89\x04\x25");
	bytes(code, WORLD_WINDOW + entry, 4);
	/* MOV EAX, CR3; MOV CR3, EAX */
	PUT(code, "\x0f\x20\xd8\x0f\x22\xd8");
}

typedef void kind(struct code *code);

static kind *const all_kinds[] = {
	system_instruction, system_instruction, system_instruction, ordinary_instruction,
	ordinary_instruction, ordinary_instruction, ordinary_instruction, anything, access_msr,
	toggle_bit_of_cr, load_cr, set_xcr0, load_dr, write_table, write_table,
	string_instruction, load_segment, access_memory, access_memory, call_hypervisor,
};

static kind *const tame_kinds[] = {
	system_instruction, system_instruction, ordinary_instruction, ordinary_instruction,
	ordinary_instruction, ordinary_instruction, access_msr, load_dr, write_table_tamely,
	write_table_tamely, write_table_tamely, string_instruction, load_segment, access_memory,
	access_memory, access_memory,
};

/* ------------------------------------------------------- what ends the emulator */

static bool is_prefix(u8 byte)
{
	static const u8 legacy[] = {
		0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65,
	};

	return (byte & 0xf0) == 0x40 || memchr(legacy, byte, sizeof(legacy));
}

/* INS, OUTS, MOVS, STOS. */
static bool is_fast_string(u8 opcode)
{
	return (opcode & 0xfc) == 0x6c || (opcode & 0xfe) == 0xa4 || (opcode & 0xfe) == 0xaa;
}

/*
 * In 64-bit mode these instructions end Bochs (3.0) if REP comes with an address size of 32
 * bits: "failed assertion … cpu_mode != BX_MODE_LONG_64", faststring.cc, whoever executes them.
 */
static void spare_addr32_rep(u8 *from, const u8 *end)
{
	for (; from < end; from++) {
		const u8 *at = from;

		while (at < end && is_prefix(*at))
			at++;
		if (*from == 0x67 && at < end && is_fast_string(*at))
			*from = 0x90;
	}
}

void code_fill(struct dice *dice, const struct world *world, u8 *to, u32 size)
{
	struct code code = {
		.dice = dice, .width = code_width(world->mode), .tame = world->tame,
		.at = to, .end = to + size,
	};

	while (code.at < code.end) {
		if (code.tame)
			pick(dice, tame_kinds)(&code);
		else
			pick(dice, all_kinds)(&code);
	}
	if (is_long(world->mode))
		spare_addr32_rep(to, to + size);
}
