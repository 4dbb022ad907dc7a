// SPDX-License-Identifier: GPL-2.0
/*
 * MOV to control registers: what it takes, what it ignores, and that nothing has
 * changed where it faults (SDM Vol. 2, "MOV - Move to/from Control Registers").
 */
#include <cpuid.h>

#include "minivmx_harness.h"
#include "registers.h"
#include "user.h"

#define CR0_PE		BIT(0)
#define CR0_MP		BIT(1)
#define CR0_TS		BIT(3)
#define CR0_ET		BIT(4)
#define CR0_NE		BIT(5)
#define CR0_WP		BIT(16)
#define CR0_NW		BIT(29)
#define CR0_CD		BIT(30)
#define CR0_PG		BIT(31)
#define CR4_DE		BIT(3)
#define CR4_PSE		BIT(4)
#define CR4_PAE		BIT(5)
#define CR4_MCE		BIT(6)
#define CR4_PGE		BIT(7)
#define CR4_OSFXSR	BIT(9)
#define CR4_OSXSAVE	BIT(18)
#define CR4_SMEP	BIT(20)
#define EFER_LME	BIT(8)
#define EFER_LMA	BIT(10)

/* Bits of the low half of CR0 that mean nothing. */
#define CR0_UNDEFINED	(0xffffffffUL & ~0xe005003fUL)

/* ---------------------------------------------------------- what is ignored */

/* ET is 1 whatever is written; bits that mean nothing read as 0. */
static void guest_writes_undefined_bits(void)
{
	const u64 cr0 = read_cr0();

	GUEST_ASSERT(cr0 & CR0_ET);
	GUEST_ASSERT(try_cr0(cr0 & ~CR0_ET) == NO_FAULT);
	GUEST_ASSERT(read_cr0() == cr0);
	for (int bit = 0; bit < 32; bit++) {
		if (!(CR0_UNDEFINED & BIT(bit)))
			continue;
		GUEST_ASSERT(try_cr0(cr0 | BIT(bit)) == NO_FAULT);
		GUEST_ASSERT(read_cr0() == cr0);
	}
	/* Together with those that the host keeps. */
	GUEST_ASSERT(try_cr0((cr0 | CR0_UNDEFINED | CR0_CD) & ~(CR0_ET | CR0_NE)) ==
		     NO_FAULT);
	GUEST_ASSERT(read_cr0() == ((cr0 | CR0_CD) & ~CR0_NE));
	GUEST_ASSERT(try_cr0(cr0) == NO_FAULT);
	GUEST_ASSERT(read_cr0() == cr0);
}

MINIVMX_TEST(undefined_bits_of_cr0, guest_writes_undefined_bits)
{
	run_to_done(vcpu);
	EXPECT_EQ(0, get_sregs(vcpu).cr0 & CR0_UNDEFINED);
}

GUEST_BLOB(real_mode_cr0, 16,
	   "	mov	%eax, %cr0\n"
	   "	mov	%cr0, %ebx\n"
	   "	hlt\n");

TEST_F(vm, cr0_in_real_mode)
{
	static const struct {
		u64 write, read;
	} values[] = {
		{ 0, CR0_ET },
		{ CR0_PE, CR0_PE | CR0_ET },
		{ CR0_UNDEFINED, CR0_ET },
		{ CR0_CD | CR0_NW, CR0_CD | CR0_NW | CR0_ET },
		{ CR0_NE | CR0_WP, CR0_NE | CR0_WP | CR0_ET },
		/* The operand has 32 bits. */
		{ 0xdeadbeefUL << 32 | CR0_CD, CR0_CD | CR0_ET },
	};
	struct vm *vm = &self->vm;
	struct vcpu *vcpu = &vm->vcpu;
	struct minivmx_sregs sregs;

	if (!uses_ept(vm))
		SKIP(return, NEEDS_REAL_MODE);
	start_real(vm, real_mode_cr0);
	sregs = get_sregs(vcpu);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		set_sregs(vcpu, &sregs);
		vcpu->run->regs.rip = GUEST_BLOB_BASE;
		vcpu->run->regs.rax = values[i].write;
		run_to_exit(vcpu, EXIT_HLT);
		EXPECT_EQ(values[i].read, vcpu->run->regs.rbx);
		EXPECT_EQ(values[i].read, get_sregs(vcpu).cr0);
	}
}

/* ---------------------------------------------------------- what faults */

static void guest_writes_what_faults(void)
{
	const u64 cr0 = read_cr0(), cr4 = read_cr4();
	const u64 bad_cr0[] = {
		/* Paging cannot go in 64-bit mode, whatever else is to change. */
		(cr0 & ~CR0_PG) | CR0_CD | CR0_NW,
		(cr0 & ~CR0_PG) | CR0_CD,
		(cr0 & ~(CR0_PG | CR0_NE)),
		(cr0 & ~CR0_PE) | CR0_CD,
		cr0 | CR0_NW,
		cr0 | CR0_CD | BIT(32),
		cr0 | CR0_CD | BIT(63),
	};
	const u64 bad_cr4[] = {
		(cr4 & ~CR4_PAE) ^ CR4_MCE,
		(cr4 & ~CR4_PAE) ^ CR4_PGE,
		(cr4 ^ CR4_MCE) | BIT(15),
		(cr4 ^ CR4_MCE) | BIT(32),
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad_cr0); i++) {
		GUEST_ASSERT(try_cr0(bad_cr0[i]) == VECTOR_GP);
		GUEST_ASSERT(guest_fault.error == 0);
		GUEST_ASSERT(read_cr0() == cr0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad_cr4); i++) {
		GUEST_ASSERT(try_cr4(bad_cr4[i]) == VECTOR_GP);
		GUEST_ASSERT(guest_fault.error == 0);
		GUEST_ASSERT(read_cr4() == cr4);
	}
}

MINIVMX_TEST(nothing_changes_where_it_faults, guest_writes_what_faults)
{
	struct minivmx_sregs before = get_sregs(vcpu), after;

	run_to_done(vcpu);
	after = get_sregs(vcpu);
	EXPECT_EQ(before.cr0, after.cr0);
	EXPECT_EQ(before.cr3, after.cr3);
	EXPECT_EQ(before.cr4, after.cr4);
	EXPECT_EQ(before.efer, after.efer);
}

/* ------------------------------------------- 32 bits outside 64-bit mode */

/* Each takes four bytes. */
GUEST_BLOB(moves, 32,
	   "	mov	%eax, %cr0\n"
	   "	hlt\n"
	   "	mov	%eax, %cr3\n"
	   "	hlt\n"
	   "	mov	%eax, %cr4\n"
	   "	hlt\n"
	   "	mov	%eax, %dr2\n"
	   "	hlt\n"
	   "	mov	%eax, %dr6\n"
	   "	hlt\n"
	   "	mov	%eax, %dr7\n"
	   "	hlt\n"
	   "	mov	%cr0, %eax\n"
	   "	hlt\n"
	   "	mov	%cr3, %eax\n"
	   "	hlt\n"
	   "	mov	%cr4, %eax\n"
	   "	hlt\n"
	   "	mov	%dr2, %eax\n"
	   "	hlt\n"
	   "	mov	%dr7, %eax\n"
	   "	hlt\n");

enum move {
	TO_CR0, TO_CR3, TO_CR4, TO_DR2, TO_DR6, TO_DR7,
	FROM_CR0, FROM_CR3, FROM_CR4, FROM_DR2, FROM_DR7,
};

static u64 move(const struct vcpu *vcpu, enum move move, u64 value)
{
	vcpu->run->regs.rip = GUEST_BLOB_BASE + 4 * move;
	vcpu->run->regs.rax = value;
	run_to_exit(vcpu, EXIT_HLT);
	return vcpu->run->regs.rax;
}

TEST_F(vm, upper_halves_of_operands)
{
	const u64 high = 0xdeadbeefUL << 32;
	struct vm *vm = &self->vm;
	struct vcpu *vcpu = &vm->vcpu;
	struct minivmx_sregs sregs;

	start_protected(vm, moves);
	/* Also where a bit changes that the host keeps. */
	move(vcpu, TO_CR0, high | CR0_PE | CR0_ET | CR0_CD | CR0_WP);
	move(vcpu, TO_CR4, high | CR4_PSE | CR4_MCE);
	move(vcpu, TO_CR3, high | 0x20000);
	move(vcpu, TO_DR2, high | 0x30000);
	move(vcpu, TO_DR6, high | 0xffff0ff1);
	move(vcpu, TO_DR7, high | 0x450);
	sregs = get_sregs(vcpu);
	EXPECT_EQ(CR0_PE | CR0_ET | CR0_CD | CR0_WP, sregs.cr0);
	EXPECT_EQ(0x20000, sregs.cr3);
	EXPECT_EQ(CR4_PSE | CR4_MCE, sregs.cr4);
	EXPECT_EQ(0x30000, sregs.dr[2]);
	EXPECT_EQ(0xffff0ff1, sregs.dr[4]);
	EXPECT_EQ(0x450, sregs.dr[5]);

	sregs.cr3 = BIT(33) | 0x21000;
	sregs.dr[2] = BIT(33) | 0x31000;
	set_sregs(vcpu, &sregs);
	EXPECT_EQ(sregs.cr0, move(vcpu, FROM_CR0, high));
	EXPECT_EQ(0x21000, move(vcpu, FROM_CR3, high));
	EXPECT_EQ(sregs.cr4, move(vcpu, FROM_CR4, high));
	EXPECT_EQ(0x31000, move(vcpu, FROM_DR2, high));
	EXPECT_EQ(0x450, move(vcpu, FROM_DR7, high));
}

/*
 * The tables are where the low half says. EDI at entry: the page directory; it maps
 * 4 MiB to themselves, and the next 4 MiB to the first half of memory, then to the
 * second.
 */
GUEST_BLOB(high_cr3, 32,
	   "	movl	$0x83, (%edi)\n"
	   "	movl	$0x83, 4(%edi)\n"
	   "	mov	%ecx, %cr3\n"
	   "	mov	%cr4, %eax\n"
	   "	or	$0x10, %eax\n"		/* PSE */
	   "	mov	%eax, %cr4\n"
	   "	mov	%cr0, %eax\n"
	   "	or	$0x80000000, %eax\n"	/* PG */
	   "	mov	%eax, %cr0\n"
	   "	mov	%ecx, %cr3\n"
	   "	mov	0x430000, %ebx\n"
	   "	movl	$0x400083, 4(%edi)\n"
	   "	mov	%ecx, %cr3\n"
	   "	mov	0x430000, %edx\n"
	   "	hlt\n");

TEST_F(vm, high_half_of_cr3)
{
	const u64 high[] = { 0, BIT(32), BIT(32) | 0xabcd00000000, BIT(63) };
	struct vm *vm = &self->vm;
	struct minivmx_run *run = vm->vcpu.run;

	for (size_t i = 0; i < ARRAY_SIZE(high); i++) {
		start_protected(vm, high_cr3);
		*(u32 *)(vm->memory + 0x30000) = 0x1111;
		*(u32 *)(vm->memory + 0x430000) = 0x2222;
		run->regs.rdi = 0x20000;
		run->regs.rcx = high[i] | 0x20000;
		run_to_exit(&vm->vcpu, EXIT_HLT);
		EXPECT_EQ(0x1111, run->regs.rbx) TH_LOG("case %zu", i);
		EXPECT_EQ(0x2222, run->regs.rdx) TH_LOG("case %zu", i);
	}
}

/* --------------------------------------------------------------- PAE */

/*
 * With PAE paging the four entries at the top are registers, which are loaded with
 * CR3, and where MOV changes CR0.CD, NW or PG, or CR4.PAE, PGE, PSE or SMEP (SDM
 * Vol. 3A, "PDPTE Registers"). The second one maps 1 GiB by one of two page
 * directories; the guest changes which, then control registers, then looks. In CPU
 * caches nothing is left from one look to the next: each is at another address.
 */
#define PDPT		0x20000
#define PD(n)		(0x21000 + (n) * PAGE_4K)
#define GIB		BIT(30)
#define MARK(n)		(0x5100 + (n))
#define HOLE		(64 * MIB)
#define RFLAGS_RF	BIT(16)

GUEST_BLOB(pae, 32,
	   "	mov	%edx, 0x20008\n"
	   "	mov	%eax, %cr0\n"
	   "	mov	%ecx, %cr4\n"
	   "	mov	(%esi), %ebx\n"
	   "	hlt\n"
	   "	nop\n"
	   "	mov	%edx, 0x20008\n"
	   "	outsw\n"
	   "	hlt\n"
	   "	mov	%ecx, %cr3\n"
	   "	hlt\n");

#define PAE_LOOK	(GUEST_BLOB_BASE + 12)
#define PAE_OUTS	(GUEST_BLOB_BASE + 16)
#define PAE_CR3		(GUEST_BLOB_BASE + 25)

static void start_pae(const struct vm *vm)
{
	u64 *pdpt = (u64 *)(vm->memory + PDPT);
	struct minivmx_sregs sregs;

	start_protected(vm, pae);
	memset(pdpt, 0, PAGE_4K);
	pdpt[0] = PD(0) | 1;
	pdpt[1] = PD(1) | 1;
	for (u64 n = 0; n < 3; n++) {
		u64 *pd = (u64 *)(vm->memory + PD(n));
		/* The first 2 MiB to themselves; page n of 2 MiB everywhere. */
		const u64 page = n * PAGE_2M | 0x83;

		for (int i = 0; i < 512; i++)
			pd[i] = page;
		*(u32 *)(vm->memory + n * PAGE_2M + 0x50000) = MARK(n);
	}
	sregs = get_sregs(&vm->vcpu);
	sregs.cr3 = PDPT;
	sregs.cr4 = CR4_PAE;
	sregs.cr0 |= CR0_PG;
	set_sregs(&vm->vcpu, &sregs);
}

static bool has_smep(void)
{
	u32 a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && b & BIT(7);
}

/* What the guest sees at a fresh address after it changed these bits. */
static u64 look(const struct vcpu *vcpu, u64 pdpte, u64 cr0, u64 cr4)
{
	static u64 n;
	struct minivmx_run *run = vcpu->run;

	run->regs.rip = GUEST_BLOB_BASE;
	run->regs.rax = cr0;
	run->regs.rcx = cr4;
	run->regs.rdx = pdpte;
	run->regs.rsi = GIB + n++ % 512 * PAGE_2M + 0x50000;
	run_to_exit(vcpu, EXIT_HLT);
	return run->regs.rbx;
}

TEST_F(vm, pdptes_are_registers)
{
	static const struct {
		u64 cr0, cr4;
		bool loads;
	} changes[] = {
		{ 0, 0, false },
		{ CR0_WP, 0, false },
		{ CR0_MP, 0, false },
		{ CR0_NE, 0, false },
		{ CR0_CD, 0, true },
		{ CR0_CD | CR0_NW, 0, true },
		{ 0, CR4_DE, false },
		{ 0, CR4_MCE, false },
		{ 0, CR4_OSFXSR, false },
		{ 0, CR4_PGE, true },
		{ 0, CR4_PSE, true },
		{ 0, CR4_SMEP, true },
	};
	struct vm *vm = &self->vm;
	struct vcpu *vcpu = &vm->vcpu;

	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		struct minivmx_sregs sregs;
		u64 seen;

		if (changes[i].cr4 & CR4_SMEP && !has_smep())
			continue;
		start_pae(vm);
		sregs = get_sregs(vcpu);
		EXPECT_EQ(MARK(1), look(vcpu, PD(1) | 1, sregs.cr0, sregs.cr4));
		seen = look(vcpu, PD(2) | 1, sregs.cr0 ^ changes[i].cr0,
			    sregs.cr4 ^ changes[i].cr4);
		/* By itself, Bochs 3.0 loads them at each MOV to CR0 or CR4. */
		if (changes[i].loads || !uses_ept(vm))
			EXPECT_EQ(changes[i].loads ? MARK(2) : MARK(1), seen)
				TH_LOG("CR0 ^ %#llx, CR4 ^ %#llx",
				       changes[i].cr0, changes[i].cr4);
		/* And back. */
		EXPECT_EQ(MARK(1), look(vcpu, PD(1) | 1, sregs.cr0, sregs.cr4));
		/* What cannot be in the register faults, and nothing has changed. */
		if (!changes[i].loads)
			continue;
		start_pae(vm);
		vcpu->run->regs.rax = sregs.cr0 ^ changes[i].cr0;
		vcpu->run->regs.rcx = sregs.cr4 ^ changes[i].cr4;
		vcpu->run->regs.rdx = PD(2) | 3;
		run_to_exit(vcpu, EXIT_TRIPLE_FAULT);
		if (!uses_ept(vm))
			EXPECT_EQ(GUEST_BLOB_BASE + (changes[i].cr0 ? 6 : 9),
				  vcpu->run->regs.rip);
		EXPECT_EQ(sregs.cr0, get_sregs(vcpu).cr0);
		EXPECT_EQ(sregs.cr4, get_sregs(vcpu).cr4);
	}
}

/*
 * The load ends by an access to memory that is not there, whoever makes it: RF keeps a
 * breakpoint from being met once more when the instruction is tried again.
 */
TEST_F(vm, pdptes_in_a_hole)
{
	struct vm *vm = &self->vm;
	struct minivmx_run *run = vm->vcpu.run;

	start_pae(vm);
	run->regs.rip = PAE_CR3;
	run->regs.rcx = HOLE;
	run_to_exit(&vm->vcpu, MINIVMX_EXIT_MEMORY);
	EXPECT_EQ(PAE_CR3, run->regs.rip);
	EXPECT_EQ(HOLE, run->memory.gpa);
	EXPECT_TRUE(run->regs.rflags & RFLAGS_RF);
	map_memory(vm, HOLE, PAGE_4K, 0);
	*(u64 *)mmap_memory(vm, HOLE, PAGE_4K) = PD(0) | 1;
	run_to_exit(&vm->vcpu, EXIT_HLT);
	EXPECT_EQ(HOLE, get_sregs(&vm->vcpu).cr3);
}

/* An entry of 32-bit paging is where it is, not where the 8 bytes are that it is in. */
TEST_F(vm, table_of_32_bits_in_a_hole)
{
	struct vm *vm = &self->vm;
	struct minivmx_run *run = vm->vcpu.run;
	u32 *directory = (u32 *)(vm->memory + PDPT);
	struct minivmx_sregs sregs;

	start_protected(vm, pae);
	directory[0] = 0x83;
	directory[1] = HOLE | 3;
	sregs = get_sregs(&vm->vcpu);
	sregs.cr3 = PDPT;
	sregs.cr4 = CR4_PSE;
	sregs.cr0 |= CR0_PG;
	set_sregs(&vm->vcpu, &sregs);
	run->regs.rip = PAE_LOOK;
	for (u32 entry = 4; entry < 6; entry++) {
		run->regs.rsi = 2 * PAGE_2M + entry * PAGE_4K;
		run_to_exit(&vm->vcpu, MINIVMX_EXIT_MEMORY);
		EXPECT_EQ(HOLE + 4 * entry, run->memory.gpa);
		EXPECT_EQ(HOLE + 4 * entry, run->physical_address);
	}
}

/* String I/O that the driver carries out goes by the registers, too. */
TEST_F(vm, string_output_by_pdptes)
{
	struct vm *vm = &self->vm;
	struct minivmx_run *run = vm->vcpu.run;

	start_pae(vm);
	run->regs.rip = PAE_OUTS;
	run->regs.rdx = PD(2) | 1;
	run->regs.rsi = GIB + 0x50000;
	run_to_exit(&vm->vcpu, EXIT_IO);
	EXPECT_EQ(MARK(1), run->io.data);
	run_to_exit(&vm->vcpu, EXIT_HLT);
}

/* --------------------------------------------- states that no CPU can be in */

static void guest_syncs(void)
{
	for (;;)
		GUEST_SYNC(7);
}

/* SDM Vol. 3C, "Checks on Guest Control Registers, Debug Registers, and MSRs". */
MINIVMX_TEST(modes_that_do_not_exist, guest_syncs)
{
	static const struct {
		const char *what;
		u64 cr0, cr4, efer;	/* bits that are changed */
	} modes[] = {
		{ "LMA without LME", 0, 0, EFER_LME },
		{ "LME and PG without LMA", 0, 0, EFER_LMA },
		{ "LMA without PAE", 0, CR4_PAE, 0 },
		{ "LMA without PG", CR0_PG, 0, 0 },
		{ "LMA without PG and LME", CR0_PG, 0, EFER_LME },
		{ "LMA without PE and PG", CR0_PE | CR0_PG, 0, 0 },
	};
	const struct minivmx_sregs good = get_sregs(vcpu);

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct minivmx_sregs bad = good;

		bad.cr0 ^= modes[i].cr0;
		bad.cr4 ^= modes[i].cr4;
		bad.efer ^= modes[i].efer;
		set_sregs(vcpu, &bad);
		expect_failed_entry(_metadata, vcpu, modes[i].what);
		bad = good;
		set_sregs(vcpu, &bad);
		vcpu->run->regs.rip = (uintptr_t)guest_syncs;
		run_to_sync(vcpu, 7);
	}
}

/* Of the CPU. */
static u32 physical_bits(void)
{
	u32 eax, ebx, ecx, edx;

	__cpuid(0x80000008, eax, ebx, ecx, edx);
	return eax & 0xff;
}

TEST_F(vm, cr3_beyond_physical_addresses)
{
	struct vm *vm = &self->vm;
	struct vcpu *vcpu = &vm->vcpu;
	const u64 high = BIT(physical_bits());
	const u64 modes[][3] = {
		{ 0, 0, 0 },
		{ CR0_PG, 0, 0 },
		{ CR0_PG, CR4_PAE, 0 },
		{ CR0_PG, CR4_PAE, EFER_LME | EFER_LMA },
	};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct minivmx_sregs sregs;

		start_pae(vm);
		sregs = get_sregs(vcpu);
		sregs.cr0 = CR0_PE | CR0_ET | CR0_NE | modes[i][0];
		sregs.cr4 = modes[i][1];
		sregs.efer = modes[i][2];
		sregs.cr3 = high | PDPT;
		set_sregs(vcpu, &sregs);
		expect_failed_entry(_metadata, vcpu, "CR3");
	}
}

/* --------------------------------------------------------- accesses that are trapped */

/* Each accesses a control register in a way that exits, if it does, as the table says. */
static void guest_accesses_control_registers(void)
{
	const u64 cr0 = read_cr0(), cr4 = read_cr4();
	u64 cr3, cr8;

	asm volatile("movq %%cr3, %0" : "=a"(cr3));
	asm volatile("movq %0, %%cr3" : : "a"(cr3) : "memory");
	asm volatile("movq %0, %%cr0" : : "a"(cr0));
	asm volatile("movq %0, %%cr0" : : "a"(cr0 ^ CR0_WP));
	GUEST_ASSERT(read_cr0() == (cr0 ^ CR0_WP));
	asm volatile("clts");
	asm volatile("lmsw %w0" : : "a"(CR0_TS | CR0_MP));
	GUEST_ASSERT(read_cr0() == ((cr0 ^ CR0_WP) | CR0_TS | CR0_MP));
	asm volatile("lmsw %w0" : : "a"(CR0_PE | CR0_TS | CR0_MP));
	asm volatile("clts");
	GUEST_ASSERT(read_cr0() == ((cr0 ^ CR0_WP) | CR0_MP));
	asm volatile("movq %0, %%cr0" : : "a"(cr0));
	GUEST_ASSERT(read_cr0() == cr0);
	asm volatile("movq %0, %%cr4" : : "a"(cr4));
	asm volatile("movq %0, %%cr4" : : "a"(cr4 ^ CR4_PGE));
	GUEST_ASSERT(read_cr4() == (cr4 ^ CR4_PGE));
	asm volatile("movq %0, %%cr4" : : "a"(cr4 ^ CR4_DE));
	GUEST_ASSERT(read_cr4() == (cr4 ^ CR4_DE));
	asm volatile("movq %0, %%cr4" : : "a"(cr4));
	asm volatile("movq %0, %%cr8" : : "a"(9UL));
	asm volatile("movq %%cr8, %0" : "=a"(cr8));
	GUEST_ASSERT(cr8 == 9);
	GUEST_SYNC(1);
}

/* Exit qualifications: the register, the kind of access, and what LMSW loads. */
#define MOV_TO			0
#define MOV_FROM		0x10
#define CLTS			0x20
#define LMSW(value)		(0x30 | (value) << 16)

static const u64 trapped_accesses[] = {
	3 | MOV_FROM, 3 | MOV_TO, 0 | MOV_TO, LMSW(CR0_TS | CR0_MP), CLTS, 0 | MOV_TO,
	4 | MOV_TO, 4 | MOV_TO, 4 | MOV_TO, 8 | MOV_TO, 8 | MOV_FROM,
};

/* The same ones under every MMU: what changes something, and CR3 and CR8 always. */
MINIVMX_TEST(trapped_alike, guest_accesses_control_registers)
{
	set_traps(vcpu, 0, 1, EXIT_CR_ACCESS);
	for (size_t i = 0; i < ARRAY_SIZE(trapped_accesses); i++) {
		run_to_exit(vcpu, EXIT_CR_ACCESS);
		EXPECT_EQ(trapped_accesses[i], run->qualification)
			TH_LOG("access %zu", i);
		run->answer = MINIVMX_ANSWER_DEFAULT;
	}
	run_to_sync(vcpu, 1);
}

/* Trapped from the middle on, and not any more: the guest sees no difference. */
static void guest_changes_cr0_between_syncs(void)
{
	const u64 cr0 = read_cr0(), cr4 = read_cr4();
	const u64 bits[] = { CR0_TS, CR0_WP, CR0_TS, CR0_WP };

	for (u64 i = 0; i < ARRAY_SIZE(bits); i++) {
		asm volatile("movq %0, %%cr0" : : "a"(read_cr0() ^ bits[i]));
		asm volatile("movq %0, %%cr4" : : "a"(read_cr4() ^ CR4_DE));
		GUEST_SYNC(i);
		GUEST_ASSERT(read_cr0() == (i < 1 ? cr0 ^ CR0_TS :
					    i < 2 ? cr0 ^ CR0_TS ^ CR0_WP :
					    i < 3 ? cr0 ^ CR0_WP : cr0));
		GUEST_ASSERT(read_cr4() == (i & 1 ? cr4 : cr4 ^ CR4_DE));
	}
	GUEST_DONE();
}

MINIVMX_TEST(trapped_for_a_while, guest_changes_cr0_between_syncs)
{
	run_to_sync(vcpu, 0);
	set_traps(vcpu, 0, 1, EXIT_CR_ACCESS);
	for (u64 i = 0; i < 2; i++) {
		run_to_exit(vcpu, EXIT_CR_ACCESS);
		EXPECT_EQ(i ? 4 | MOV_TO : 0 | MOV_TO, run->qualification & 0xff);
		run->answer = MINIVMX_ANSWER_DEFAULT;
	}
	run_to_sync(vcpu, 1);
	set_traps(vcpu, 0, 0);
	run_to_sync(vcpu, 2);
	run_to_sync(vcpu, 3);
	run_to_done(vcpu);
}

/* ---------------------------------------------------- who may do it at all */

/* Each is for CPL 0 (SDM Vol. 3A, "Privileged Instructions"). */
#define PRIVILEGED(vector, instruction, gprs)				\
	GUEST_ASSERT(GUEST_TRY(instruction, gprs) == (vector))

static volatile u64 has_xsave;

static void guest_tries_all(void)
{
	struct gprs gprs = { .c = 0x174 };

	PRIVILEGED(VECTOR_GP, "movq %%rax, %%cr0", &gprs);
	PRIVILEGED(VECTOR_GP, "movq %%rax, %%cr3", &gprs);
	PRIVILEGED(VECTOR_GP, "movq %%rax, %%cr4", &gprs);
	PRIVILEGED(VECTOR_GP, "movq %%rax, %%cr8", &gprs);
	PRIVILEGED(VECTOR_GP, "movq %%cr0, %%rax", &gprs);
	PRIVILEGED(VECTOR_GP, "movq %%cr3, %%rax", &gprs);
	PRIVILEGED(VECTOR_GP, "movq %%cr8, %%rax", &gprs);
	PRIVILEGED(VECTOR_GP, "clts", &gprs);
	PRIVILEGED(VECTOR_GP, "lmsw %%ax", &gprs);
	PRIVILEGED(VECTOR_GP, "rdmsr", &gprs);
	PRIVILEGED(VECTOR_GP, "wrmsr", &gprs);
	PRIVILEGED(VECTOR_GP, "hlt", &gprs);
	PRIVILEGED(VECTOR_GP, "invd", &gprs);
	PRIVILEGED(VECTOR_GP, "wbinvd", &gprs);
	PRIVILEGED(VECTOR_GP, "invlpg (%%rsp)", &gprs);
	PRIVILEGED(VECTOR_GP, "rdpmc", &gprs);
	PRIVILEGED(VECTOR_UD, "vmxoff", &gprs);
	gprs = (struct gprs) { .a = 3 };
	PRIVILEGED(has_xsave ? VECTOR_GP : VECTOR_UD, "xsetbv", &gprs);
}

static void guest_tries_at_each_level(void)
{
	u32 a, b, c = 0, d;

	open_program_to_users();
	__get_cpuid(1, &a, &b, &c, &d);
	has_xsave = c & bit_XSAVE;
	if (has_xsave)
		GUEST_ASSERT(try_cr4(read_cr4() | CR4_OSXSAVE) == NO_FAULT);
	for (u64 cpl = 1; cpl < 4; cpl++)
		run_at_cpl(cpl, guest_tries_all);
}

MINIVMX_TEST(privileged_instructions, guest_tries_at_each_level)
{
	struct minivmx_sregs before = get_sregs(vcpu), after;

	run_to_done(vcpu);
	after = get_sregs(vcpu);
	EXPECT_EQ(before.cr0, after.cr0);
	EXPECT_EQ(before.cr3, after.cr3);
	EXPECT_EQ(before.cr4, after.cr4 & ~CR4_OSXSAVE);
	EXPECT_EQ(before.xcr0, after.xcr0);
}

TEST_HARNESS_MAIN
