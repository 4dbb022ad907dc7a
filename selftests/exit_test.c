// SPDX-License-Identifier: GPL-2.0
/*
 * Every instruction that exits, and what becomes of it: in the program, in the
 * driver, and in the guest.
 */
#include <cpuid.h>

#include "minivmx_harness.h"
#include "registers.h"

/* What <cpuid.h> lacks of CPUID.1:ECX. */
#define bit_MONITOR	BIT(3)
#define bit_VMX		BIT(5)

#define HOLE		(96 * MIB)
#define NOT_MAPPED	(5UL << 30)	/* linear: not in the guest's tables */
#define NOT_CANONICAL	(1UL << 63)

#define CR0_PE		BIT(0)
#define CR0_MP		BIT(1)
#define CR0_EM		BIT(2)
#define CR0_TS		BIT(3)
#define CR0_NE		BIT(5)
#define CR0_WP		BIT(16)
#define CR0_AM		BIT(18)
#define CR0_NW		BIT(29)
#define CR0_CD		BIT(30)
#define CR0_PG		BIT(31)
#define CR4_TSD		BIT(2)
#define CR4_DE		BIT(3)
#define CR4_PAE		BIT(5)
#define CR4_PGE		BIT(7)
#define CR4_VMXE	BIT(13)
#define CR4_OSXSAVE	BIT(18)

#define RFLAGS_TF	BIT(8)
#define DR6_BS		BIT(14)

#define IA32_TSC_AUX		0xc0000103
#define IA32_SYSENTER_CS	0x174
#define IA32_SYSENTER_ESP	0x175
#define IA32_PAT		0x277
#define IA32_EFER		0xc0000080
#define IA32_STAR		0xc0000081
#define IA32_LSTAR		0xc0000082
#define IA32_FMASK		0xc0000084
#define IA32_FS_BASE		0xc0000100
#define IA32_KERNEL_GS_BASE	0xc0000102
#define UNKNOWN_MSR		0x12345678

/* Interruption information: valid, hardware exception. */
#define INFO_EXCEPTION	0x80000300
#define INFO_ERROR	0x00000800
#define INFO_SOFTWARE	0x80000600

static struct gprs cpuid(u32 leaf, u32 subleaf)
{
	struct gprs gprs = { .a = leaf, .c = subleaf };

	asm volatile("cpuid"
		     : "+a"(gprs.a), "=b"(gprs.b), "+c"(gprs.c), "=d"(gprs.d));
	return gprs;
}

/* ------------------------------------------------------------------- CPUID */

static struct gprs answers[8];

static void guest_default_cpuid(void)
{
	answers[0] = cpuid(0, 0);
	answers[1] = cpuid(1, 0);
	answers[2] = cpuid(0x80000001, 0);
	answers[3] = cpuid(0x80000008, 0);
}

MINIVMX_TEST(cpuid_default, guest_default_cpuid)
{
	struct gprs *guest = *guest_copy(vm, answers);
	struct gprs host;

	run_to_done(vcpu);
	host = cpuid(0, 0);
	EXPECT_EQ(host.b, guest[0].b);
	EXPECT_EQ(host.c, guest[0].c);
	EXPECT_EQ(host.d, guest[0].d);
	EXPECT_GE(host.a, guest[0].a);

	host = cpuid(1, 0);
	EXPECT_EQ(host.a, guest[1].a);
	/* The initial APIC ID is the vCPU's number; no VMX, no OSXSAVE yet. */
	EXPECT_EQ(0, guest[1].b >> 24);
	EXPECT_EQ(0, guest[1].c & bit_VMX);
	EXPECT_EQ(0, guest[1].c & bit_OSXSAVE);
	EXPECT_EQ(host.d & bit_SSE2, guest[1].d & bit_SSE2);

	host = cpuid(0x80000001, 0);
	EXPECT_EQ(host.d & bit_LM, guest[2].d & bit_LM);
	EXPECT_EQ(get_info(vm->device).out_physical_bits, guest[3].a & 0xff);
}

/* CPUID.1:ECX.OSXSAVE mirrors the guest's own CR4. */
static void guest_osxsave_mirror(void)
{
	GUEST_ASSERT(!(cpuid(1, 0).c & bit_OSXSAVE));
	GUEST_ASSERT(try_cr4(read_cr4() | CR4_OSXSAVE) == NO_FAULT);
	GUEST_ASSERT(cpuid(1, 0).c & bit_OSXSAVE);
	GUEST_ASSERT(try_cr4(read_cr4() & ~CR4_OSXSAVE) == NO_FAULT);
	GUEST_ASSERT(!(cpuid(1, 0).c & bit_OSXSAVE));
}

MINIVMX_TEST(cpuid_osxsave, guest_osxsave_mirror)
{
	if (!(get_info(vm->device).out_capabilities & MINIVMX_CAP_XSAVE))
		SKIP(return, "this CPU has no XSAVE");
	run_to_done(vcpu);
}

static void guest_own_cpuid(void)
{
	for (;;) {
		for (int i = 0; i < 4; i++)
			answers[i] = cpuid(0x40000000, i);
		GUEST_SYNC(0);
	}
}

MINIVMX_TEST(cpuid_of_the_program, guest_own_cpuid)
{
	const struct minivmx_cpuid_entry entries[] = {
		{ .leaf = 0x40000000, .subleaf = 2,
		  .flags = MINIVMX_CPUID_SUBLEAF, .eax = 20, .edx = ~0U },
		{ .leaf = 0x40000000, .eax = 1, .ebx = 2, .ecx = 3, .edx = 4 },
	};
	struct gprs *guest = *guest_copy(vm, answers);

	test_cmd(vcpu->fd, MINIVMX_SET_CPUID,
		 ARG(cpuid, .count = 2, .entries = (uintptr_t)entries));
	run_to_sync(vcpu, 0);
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(i == 2 ? 20 : 1, guest[i].a);
		EXPECT_EQ(i == 2 ? 0 : 2, guest[i].b);
		EXPECT_EQ(i == 2 ? 0 : 3, guest[i].c);
		EXPECT_EQ(i == 2 ? ~0U : 4, guest[i].d);
	}
	/* The next call replaces all of that. */
	test_cmd(vcpu->fd, MINIVMX_SET_CPUID,
		 ARG(cpuid, .count = 1, .entries = (uintptr_t)entries));
	run_to_sync(vcpu, 0);
	EXPECT_EQ(20, guest[2].a);
	EXPECT_NE(1, guest[1].a);
}

static void guest_three_cpuids(void)
{
	for (int i = 0; i < 3; i++)
		answers[i] = cpuid(0, 0);
}

/* The three answers to a trapped exit. */
MINIVMX_TEST(cpuid_trapped, guest_three_cpuids)
{
	struct gprs *guest = *guest_copy(vm, answers);

	set_trap(vcpu, EXIT_CPUID);
	run_to_exit(vcpu, EXIT_CPUID);
	EXPECT_EQ(2, run->instruction_length);
	EXPECT_EQ(0, memcmp((void *)(uintptr_t)run->regs.rip, "\x0f\xa2", 2));
	run->answer = MINIVMX_ANSWER_DEFAULT;

	run_to_exit(vcpu, EXIT_CPUID);
	EXPECT_EQ(0, run->answer);
	run->regs.rax = 0x1111;
	run->answer = MINIVMX_ANSWER_SKIP;

	run_to_exit(vcpu, EXIT_CPUID);
	run->regs.rax = 0x2222;
	run->regs.rip += run->instruction_length;
	run_to_done(vcpu);
	EXPECT_EQ(cpuid(0, 0).b, guest[0].b);
	EXPECT_EQ(0x1111, guest[1].a);
	EXPECT_EQ(0x2222, guest[2].a);
}

/* FINISH with everything untouched executes the instruction again. */
MINIVMX_TEST(cpuid_trapped_again, guest_three_cpuids)
{
	u64 rip;

	set_trap(vcpu, EXIT_CPUID);
	run_to_exit(vcpu, EXIT_CPUID);
	rip = run->regs.rip;
	run_to_exit(vcpu, EXIT_CPUID);
	EXPECT_EQ(rip, run->regs.rip);
	set_traps(vcpu, 0, 0);
	run_to_done(vcpu);
}

/* --------------------------------------------------------------------- HLT */

static void guest_halts(void)
{
	asm volatile("hlt");
	asm volatile("hlt");
}

MINIVMX_TEST(hlt, guest_halts)
{
	run_to_exit(vcpu, EXIT_HLT);
	EXPECT_EQ(1, run->instruction_length);
	EXPECT_EQ(0xf4, ((u8 *)(uintptr_t)run->regs.rip)[-1]);
	run_to_exit(vcpu, EXIT_HLT);
	run_to_done(vcpu);
}

/* --------------------------------------------------------------------- I/O */

static void guest_outs(void)
{
	asm volatile("outb %%al, $0x11" : : "a"(0x123456789abcdef0));
	asm volatile("outw %%ax, $0x12" : : "a"(0x123456789abcdef0));
	asm volatile("outl %%eax, $0x13" : : "a"(0x123456789abcdef0));
	asm volatile("outb %%al, %%dx" : : "a"(0x77), "d"(0xffff1234));
	asm volatile("outw %%ax, %%dx" : : "a"(0x7777), "d"(0xffff));
	asm volatile("outl %%eax, %%dx" : : "a"(-1L), "d"(0));
}

MINIVMX_TEST(out, guest_outs)
{
	const struct minivmx_io expected[] = {
		{ 0x11, 1, 0, 0xf0 }, { 0x12, 2, 0, 0xdef0 },
		{ 0x13, 4, 0, 0x9abcdef0 }, { 0x1234, 1, 0, 0x77 },
		{ 0xffff, 2, 0, 0x7777 }, { 0, 4, 0, ~0U },
	};

	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		run_to_exit(vcpu, EXIT_IO);
		EXPECT_EQ(expected[i].port, run->io.port);
		EXPECT_EQ(expected[i].width, run->io.width);
		EXPECT_EQ(0, run->io.flags);
		EXPECT_EQ(expected[i].data, run->io.data);
		/* SDM Vol. 3C, "Exit Qualification for I/O Instructions". */
		EXPECT_EQ(expected[i].width - 1, run->qualification & 7);
		EXPECT_EQ(expected[i].port, run->qualification >> 16 & 0xffff);
	}
	run_to_done(vcpu);
}

static u64 inputs[4];

static void guest_ins(void)
{
	const u64 before = 0x1122334455667788;

	asm volatile("inb $0x21, %%al" : "=a"(inputs[0]) : "0"(before));
	asm volatile("inw $0x22, %%ax" : "=a"(inputs[1]) : "0"(before));
	asm volatile("inl $0x23, %%eax" : "=a"(inputs[2]) : "0"(before));
	asm volatile("inb %%dx, %%al" : "=a"(inputs[3]) : "0"(before), "d"(0x9999));
}

MINIVMX_TEST(in, guest_ins)
{
	const u8 widths[] = { 1, 2, 4, 1 };
	u64 *seen = *guest_copy(vm, inputs);

	for (size_t i = 0; i < ARRAY_SIZE(widths); i++) {
		run_to_exit(vcpu, EXIT_IO);
		EXPECT_EQ(MINIVMX_IO_IN, run->io.flags);
		EXPECT_EQ(widths[i], run->io.width);
		run->io.data = 0xaabbccdd;
	}
	EXPECT_EQ(0x9999, run->io.port);
	run_to_done(vcpu);
	EXPECT_EQ(0x11223344556677dd, seen[0]);
	EXPECT_EQ(0x112233445566ccdd, seen[1]);
	EXPECT_EQ(0xaabbccdd, seen[2]);
	EXPECT_EQ(0x11223344556677dd, seen[3]);
}

/* A program may answer an IN by registers of its own, or leave it out. */
MINIVMX_TEST(in_answered_by_registers, guest_ins)
{
	u64 *seen = *guest_copy(vm, inputs);

	run_to_exit(vcpu, EXIT_IO);
	run->io.data = 1;
	run->regs.rax = 0x4444;
	run->regs.rip += run->instruction_length;
	run_to_exit(vcpu, EXIT_IO);
	EXPECT_EQ(0x22, run->io.port);
	run->io.data = 1;
	run->answer = MINIVMX_ANSWER_SKIP;
	run_to_exit(vcpu, EXIT_IO);
	EXPECT_EQ(0x23, run->io.port);
	EXPECT_EQ(0x4444, seen[0]);
	EXPECT_EQ(0x1122334455667788, seen[1]);
}

static u8 text[16] = "0123456789abcde";

static void guest_string_out(void)
{
	const u8 *from = text;
	u64 count = 3;

	asm volatile("outsb" : "+S"(from) : "d"(0x30) : "memory");
	GUEST_ASSERT(from == text + 1);
	asm volatile("outsw" : "+S"(from) : "d"(0x30) : "memory");
	GUEST_ASSERT(from == text + 3);
	asm volatile("outsl" : "+S"(from) : "d"(0x30) : "memory");
	GUEST_ASSERT(from == text + 7);
	asm volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(0x30) : "memory");
	GUEST_ASSERT(from == text + 10 && !count);
	asm volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(0x30) : "memory");
	GUEST_ASSERT(from == text + 10 && !count);
	count = 2;
	asm volatile("std; rep outsw; cld"
		     : "+S"(from), "+c"(count) : "d"(0x30) : "memory");
	GUEST_ASSERT(from == text + 6 && !count);
}

MINIVMX_TEST(outs, guest_string_out)
{
	const u8 once = MINIVMX_IO_STRING;
	const u8 rep = MINIVMX_IO_STRING | MINIVMX_IO_REP;
	const struct minivmx_io expected[] = {
		{ 0x30, 1, once, '0' }, { 0x30, 2, once, 0x3231 },
		{ 0x30, 4, once, 0x36353433 }, { 0x30, 1, rep, '7' },
		{ 0x30, 1, rep, '8' }, { 0x30, 1, rep, '9' },
		{ 0x30, 2, rep, 0x6261 }, { 0x30, 2, rep, 0x3938 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		run_to_exit(vcpu, EXIT_IO);
		EXPECT_EQ(expected[i].port, run->io.port);
		EXPECT_EQ(expected[i].width, run->io.width);
		EXPECT_EQ(expected[i].flags, run->io.flags);
		EXPECT_EQ(expected[i].data, run->io.data)
			TH_LOG("element %zu", i);
	}
	run_to_done(vcpu);
}

static u8 sink[16];

static void guest_string_in(void)
{
	u8 *to = sink;
	u64 count = 3;

	asm volatile("insb" : "+D"(to) : "d"(0x40) : "memory");
	asm volatile("insw" : "+D"(to) : "d"(0x40) : "memory");
	asm volatile("insl" : "+D"(to) : "d"(0x40) : "memory");
	GUEST_ASSERT(to == sink + 7);
	asm volatile("rep insb" : "+D"(to), "+c"(count) : "d"(0x40) : "memory");
	GUEST_ASSERT(to == sink + 10 && !count);
}

MINIVMX_TEST(ins, guest_string_in)
{
	const u8 widths[] = { 1, 2, 4, 1, 1, 1 };
	u32 data = 0x03020100;

	for (size_t i = 0; i < ARRAY_SIZE(widths); i++) {
		run_to_exit(vcpu, EXIT_IO);
		EXPECT_EQ(widths[i], run->io.width);
		EXPECT_TRUE(run->io.flags & MINIVMX_IO_IN);
		EXPECT_TRUE(run->io.flags & MINIVMX_IO_STRING);
		EXPECT_EQ(i >= 3, !!(run->io.flags & MINIVMX_IO_REP));
		run->io.data = data;
		data += 0x10101010;
	}
	run_to_done(vcpu);
	EXPECT_EQ(0, memcmp(*guest_copy(vm, sink),
			    "\x00\x10\x11\x20\x21\x22\x23\x30\x40\x50\x00", 11));
}

static void guest_out_of_hole(void)
{
	struct gprs gprs = { .si = HOLE, .d = 0x30 };

	asm volatile("outsb" : "+S"(gprs.si) : "d"(0x30) : "memory");
	GUEST_ASSERT(gprs.si == HOLE + 1);
	gprs.si = NOT_MAPPED;
	GUEST_ASSERT(GUEST_TRY("outsb", &gprs) == VECTOR_PF);
	GUEST_ASSERT(guest_fault.cr2 == NOT_MAPPED);
	GUEST_ASSERT(gprs.si == NOT_MAPPED);
	gprs.di = NOT_MAPPED + 8;
	GUEST_ASSERT(GUEST_TRY("insb", &gprs) == VECTOR_PF);
	GUEST_ASSERT(guest_fault.cr2 == NOT_MAPPED + 8);
	GUEST_ASSERT(guest_fault.error == 2);
	gprs.si = NOT_CANONICAL;
	GUEST_ASSERT(GUEST_TRY("outsb", &gprs) == VECTOR_GP);
}

/* String I/O on memory that is missing: as any other access to it. */
MINIVMX_TEST(outs_from_missing_memory, guest_out_of_hole)
{
	run_to_exit(vcpu, MINIVMX_EXIT_MEMORY);
	EXPECT_EQ(HOLE, run->memory.gpa);
	EXPECT_EQ(MINIVMX_ACCESS_READ, run->memory.access);
	map_memory(vm, HOLE, PAGE_4K, 0);
	*(u8 *)mmap_memory(vm, HOLE, PAGE_4K) = '!';
	run_to_exit(vcpu, EXIT_IO);
	EXPECT_EQ('!', run->io.data);
	run_to_done(vcpu);
}

/* Segment bases count in real mode, also with an override, and wrap at 16 bits. */
GUEST_BLOB(real_mode_strings, 16,
	   "	cld\n"
	   "	mov	$0x30, %dx\n"
	   "	mov	$0x100, %ax\n"
	   "	mov	%ax, %ds\n"
	   "	mov	$0x200, %ax\n"
	   "	mov	%ax, %es\n"
	   "	mov	$0x300, %ax\n"
	   "	mov	%ax, %fs\n"
	   "	mov	$0x800, %si\n"
	   "	outsb	(%si), %dx\n"
	   "	outsb	%fs:(%si), %dx\n"
	   "	mov	$0x800, %di\n"
	   "	mov	$2, %cx\n"
	   "	rep insw (%dx), %es:(%di)\n"
	   "	hlt\n");

TEST_F(vm, string_io_in_real_mode)
{
	struct vm *vm = &self->vm;
	struct minivmx_run *run = vm->vcpu.run;

	if (!uses_ept(vm))
		SKIP(return, NEEDS_REAL_MODE);
	start_real(vm, real_mode_strings);
	vm->memory[0x1800] = 'd';
	vm->memory[0x3801] = 'f';
	run_to_exit(&vm->vcpu, EXIT_IO);
	EXPECT_EQ('d', run->io.data);
	run_to_exit(&vm->vcpu, EXIT_IO);
	EXPECT_EQ('f', run->io.data);
	for (int i = 0; i < 2; i++) {
		run_to_exit(&vm->vcpu, EXIT_IO);
		EXPECT_EQ(2, run->io.width);
		run->io.data = 0x1111 * (i + 1);
	}
	run_to_exit(&vm->vcpu, EXIT_HLT);
	EXPECT_EQ(0, memcmp(vm->memory + 0x2800, "\x11\x11\x22\x22", 4));
	EXPECT_EQ(0x804, run->regs.rdi);
	EXPECT_EQ(0, run->regs.rcx);
}

/* -------------------------------------------------------------------- MSRs */

static void guest_known_msrs(void)
{
	static const u32 known[] = {
		IA32_SYSENTER_CS, IA32_SYSENTER_ESP, IA32_PAT, IA32_STAR,
		IA32_LSTAR, IA32_FMASK, IA32_FS_BASE, IA32_KERNEL_GS_BASE,
	};
	u64 value;

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		GUEST_ASSERT(try_rdmsr(known[i], &value) == NO_FAULT);
		GUEST_ASSERT(try_wrmsr(known[i], 0x01010101) == NO_FAULT);
		GUEST_ASSERT(try_rdmsr(known[i], &value) == NO_FAULT);
		GUEST_ASSERT((value & 0xff) == 1);
	}
	GUEST_ASSERT(try_wrmsr(IA32_LSTAR, NOT_CANONICAL) == VECTOR_GP);
	GUEST_ASSERT(try_wrmsr(IA32_KERNEL_GS_BASE, NOT_CANONICAL) == VECTOR_GP);
	GUEST_ASSERT(try_wrmsr(IA32_FS_BASE, NOT_CANONICAL) == VECTOR_GP);
	GUEST_ASSERT(try_wrmsr(IA32_PAT, 2) == VECTOR_GP);
}

MINIVMX_TEST(msrs_of_the_driver, guest_known_msrs)
{
	run_to_done(vcpu);
	EXPECT_EQ(0x01010101, get_msr(vcpu, IA32_LSTAR));
	EXPECT_EQ(0x01010101, get_msr(vcpu, IA32_FS_BASE));
	EXPECT_EQ(0x01010101, get_msr(vcpu, IA32_KERNEL_GS_BASE));
	EXPECT_EQ(0x01010101, get_sregs(vcpu).fs.base);
}

static void guest_efer(void)
{
	u64 efer;

	GUEST_ASSERT(try_rdmsr(IA32_EFER, &efer) == NO_FAULT);
	GUEST_ASSERT(efer == 0xd00);
	GUEST_ASSERT(try_wrmsr(IA32_EFER, efer | 1) == NO_FAULT);
	GUEST_ASSERT(try_rdmsr(IA32_EFER, &efer) == NO_FAULT);
	GUEST_ASSERT(efer == 0xd01);
	/* A reserved bit; LME cannot change while paging is on. */
	GUEST_ASSERT(try_wrmsr(IA32_EFER, efer | 2) == VECTOR_GP);
	GUEST_ASSERT(try_wrmsr(IA32_EFER, efer & ~0x100UL) == VECTOR_GP);
	GUEST_ASSERT(try_rdmsr(IA32_EFER, &efer) == NO_FAULT);
	GUEST_ASSERT(efer == 0xd01);
}

MINIVMX_TEST(efer, guest_efer)
{
	run_to_done(vcpu);
	EXPECT_EQ(0xd01, get_sregs(vcpu).efer);
	EXPECT_EQ(0xd01, get_msr(vcpu, IA32_EFER));
}

static void guest_unknown_msrs(void)
{
	u64 value;

	GUEST_ASSERT(try_rdmsr(UNKNOWN_MSR, &value) == NO_FAULT);
	GUEST_ASSERT(value == 0x1122334455667788);
	GUEST_ASSERT(try_rdmsr(UNKNOWN_MSR, &value) == VECTOR_GP);
	GUEST_ASSERT(guest_fault.error == 0);
	GUEST_ASSERT(try_wrmsr(UNKNOWN_MSR, 0x8877665544332211) == NO_FAULT);
	GUEST_ASSERT(try_wrmsr(UNKNOWN_MSR, 0) == VECTOR_GP);
	GUEST_ASSERT(guest_fault.error == 0);
}

MINIVMX_TEST(msrs_of_the_program, guest_unknown_msrs)
{
	run_to_exit(vcpu, EXIT_RDMSR);
	EXPECT_EQ(UNKNOWN_MSR, run->msr.index);
	EXPECT_EQ(0, run->msr.fault);
	run->msr.value = 0x1122334455667788;
	run_to_exit(vcpu, EXIT_RDMSR);
	run->msr.fault = 1;
	run_to_exit(vcpu, EXIT_WRMSR);
	EXPECT_EQ(UNKNOWN_MSR, run->msr.index);
	EXPECT_EQ(0, run->msr.fault);
	EXPECT_EQ(0x8877665544332211, run->msr.value);
	run_to_exit(vcpu, EXIT_WRMSR);
	run->msr.fault = 1;
	run_to_done(vcpu);
}

/* SYSCALL and what it uses are the guest's own. */
static void guest_syscall(void)
{
	struct gprs gprs = { 0 };
	u64 target;

	asm volatile("leaq 1f(%%rip), %0; jmp 2f; 1: jmp *%%rcx; 2:" : "=r"(target));
	GUEST_ASSERT(try_wrmsr(IA32_EFER, 0xd01) == NO_FAULT);
	GUEST_ASSERT(try_wrmsr(IA32_STAR, (u64)GUEST_CS << 32) == NO_FAULT);
	GUEST_ASSERT(try_wrmsr(IA32_LSTAR, target) == NO_FAULT);
	GUEST_ASSERT(try_wrmsr(IA32_FMASK, 0) == NO_FAULT);
	GUEST_ASSERT(GUEST_TRY("syscall", &gprs) == NO_FAULT);
	GUEST_ASSERT(gprs.c);
}

MINIVMX_TEST(syscall_in_the_guest, guest_syscall)
{
	run_to_done(vcpu);
}

/* ------------------------------------------------------- control registers */

static void guest_cr0(void)
{
	const u64 cr0 = read_cr0();
	const u64 free[] = { CR0_MP, CR0_EM, CR0_TS, CR0_NE, CR0_WP, CR0_AM };

	for (size_t i = 0; i < ARRAY_SIZE(free); i++) {
		GUEST_ASSERT(try_cr0(cr0 ^ free[i]) == NO_FAULT);
		GUEST_ASSERT(read_cr0() == (cr0 ^ free[i]));
	}
	GUEST_ASSERT(try_cr0(cr0 | CR0_CD) == NO_FAULT);
	GUEST_ASSERT(read_cr0() == (cr0 | CR0_CD));
	GUEST_ASSERT(try_cr0(cr0 | CR0_CD | CR0_NW) == NO_FAULT);
	GUEST_ASSERT(try_cr0(cr0) == NO_FAULT);

	/* Not-write-through with the cache on; paging without protection. */
	GUEST_ASSERT(try_cr0(cr0 | CR0_NW) == VECTOR_GP);
	GUEST_ASSERT(try_cr0(cr0 & ~CR0_PE) == VECTOR_GP);
	GUEST_ASSERT(try_cr0(cr0 | 1UL << 32) == VECTOR_GP);
	/* Paging cannot be turned off in 64-bit mode. */
	GUEST_ASSERT(try_cr0(cr0 & ~CR0_PG) == VECTOR_GP);
	GUEST_ASSERT(read_cr0() == cr0);
}

MINIVMX_TEST(cr0, guest_cr0)
{
	run_to_done(vcpu);
}

static void guest_cr4(void)
{
	const u64 cr4 = read_cr4();
	const u64 free[] = { CR4_TSD, CR4_DE, CR4_PGE };

	for (size_t i = 0; i < ARRAY_SIZE(free); i++) {
		GUEST_ASSERT(try_cr4(cr4 ^ free[i]) == NO_FAULT);
		GUEST_ASSERT(read_cr4() == (cr4 ^ free[i]));
	}
	GUEST_ASSERT(try_cr4(cr4) == NO_FAULT);
	/* The guest has no VMX; no 64-bit mode without PAE; reserved bits. */
	GUEST_ASSERT(try_cr4(cr4 | CR4_VMXE) == VECTOR_GP);
	GUEST_ASSERT(try_cr4(cr4 & ~CR4_PAE) == VECTOR_GP);
	GUEST_ASSERT(try_cr4(cr4 | 1UL << 15) == VECTOR_GP);
	GUEST_ASSERT(try_cr4(cr4 | 1UL << 63) == VECTOR_GP);
	GUEST_ASSERT(!(read_cr4() & CR4_VMXE));
	GUEST_ASSERT(read_cr4() == cr4);
}

MINIVMX_TEST(cr4, guest_cr4)
{
	run_to_done(vcpu);
}

static void guest_cr3_and_cr8(void)
{
	struct gprs gprs = { 0 };

	asm volatile("movq %%cr3, %0" : "=r"(gprs.a));
	GUEST_ASSERT(gprs.a == GUEST_PML4);
	GUEST_ASSERT(GUEST_TRY("movq %%rax, %%cr3", &gprs) == NO_FAULT);
	gprs.a = GUEST_PML4 | 1UL << 60;
	GUEST_ASSERT(GUEST_TRY("movq %%rax, %%cr3", &gprs) == VECTOR_GP);
	asm volatile("movq %%cr3, %0" : "=r"(gprs.a));
	GUEST_ASSERT(gprs.a == GUEST_PML4);

	for (u64 i = 0; i < 16; i++) {
		gprs.a = i;
		GUEST_ASSERT(GUEST_TRY("movq %%rax, %%cr8", &gprs) == NO_FAULT);
		asm volatile("movq %%cr8, %0" : "=r"(gprs.b));
		GUEST_ASSERT(gprs.b == i);
	}
	gprs.a = 16;
	GUEST_ASSERT(GUEST_TRY("movq %%rax, %%cr8", &gprs) == VECTOR_GP);
}

MINIVMX_TEST(cr3_and_cr8, guest_cr3_and_cr8)
{
	run_to_done(vcpu);
}

static void guest_clts_and_lmsw(void)
{
	const u64 cr0 = read_cr0();
	struct gprs gprs = { .a = CR0_PE | CR0_MP | CR0_EM | CR0_TS };

	GUEST_ASSERT(try_cr0(cr0 | CR0_TS) == NO_FAULT);
	GUEST_ASSERT(GUEST_TRY("clts", &gprs) == NO_FAULT);
	GUEST_ASSERT(read_cr0() == cr0);
	GUEST_ASSERT(GUEST_TRY("lmsw %%ax", &gprs) == NO_FAULT);
	GUEST_ASSERT(read_cr0() == (cr0 | CR0_MP | CR0_EM | CR0_TS));
	/* LMSW cannot clear PE. */
	gprs.a = 0;
	GUEST_ASSERT(GUEST_TRY("lmsw %%ax", &gprs) == NO_FAULT);
	GUEST_ASSERT(read_cr0() == (cr0 & ~(CR0_MP | CR0_EM | CR0_TS)));
	GUEST_ASSERT(GUEST_TRY("smsw %%rax", &gprs) == NO_FAULT);
	GUEST_ASSERT((u32)gprs.a == (u32)read_cr0());
}

MINIVMX_TEST(clts_and_lmsw, guest_clts_and_lmsw)
{
	run_to_done(vcpu);
}

static u64 try_xsetbv(u32 index, u64 value)
{
	struct gprs gprs = { .c = index, .a = (u32)value, .d = value >> 32 };

	return GUEST_TRY("xsetbv", &gprs);
}

static u64 read_xcr0(void)
{
	u32 low, high;

	asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (u64)high << 32 | low;
}

static void guest_xsetbv(void)
{
	/* Without CR4.OSXSAVE there is no such instruction. */
	GUEST_ASSERT(try_xsetbv(0, 1) == VECTOR_UD);
	GUEST_ASSERT(try_cr4(read_cr4() | CR4_OSXSAVE) == NO_FAULT);
	GUEST_ASSERT(try_xsetbv(0, 1) == NO_FAULT);
	GUEST_ASSERT(read_xcr0() == 1);
	GUEST_ASSERT(try_xsetbv(0, 3) == NO_FAULT);
	GUEST_ASSERT(read_xcr0() == 3);
	/* x87 is always on; AVX needs SSE; there is one XCR; reserved bits. */
	GUEST_ASSERT(try_xsetbv(0, 0) == VECTOR_GP);
	GUEST_ASSERT(try_xsetbv(0, 2) == VECTOR_GP);
	GUEST_ASSERT(try_xsetbv(0, 5) == VECTOR_GP);
	GUEST_ASSERT(try_xsetbv(1, 1) == VECTOR_GP);
	GUEST_ASSERT(try_xsetbv(0, 1UL << 63 | 1) == VECTOR_GP);
	GUEST_ASSERT(read_xcr0() == 3);
}

MINIVMX_TEST(xsetbv, guest_xsetbv)
{
	if (!(get_info(vm->device).out_capabilities & MINIVMX_CAP_XSAVE))
		SKIP(return, "this CPU has no XSAVE");
	run_to_done(vcpu);
	EXPECT_EQ(3, get_sregs(vcpu).xcr0);
}

static u64 try_xgetbv(void)
{
	struct gprs gprs = { .c = 0 };

	return GUEST_TRY("xgetbv", &gprs);
}

/* XCR0 stays what it was while there is no instruction that goes by it. */
static void guest_turns_xsave_on_and_off(void)
{
	GUEST_ASSERT(try_xgetbv() == VECTOR_UD);
	for (int i = 0; i < 2; i++) {
		GUEST_ASSERT(try_cr4(read_cr4() | CR4_OSXSAVE) == NO_FAULT);
		GUEST_ASSERT(read_xcr0() == 3);
		GUEST_ASSERT(try_cr4(read_cr4() & ~CR4_OSXSAVE) == NO_FAULT);
		GUEST_ASSERT(try_xgetbv() == VECTOR_UD);
	}
	GUEST_ASSERT(try_cr4(read_cr4() | CR4_OSXSAVE) == NO_FAULT);
	GUEST_ASSERT(try_xsetbv(0, 1) == NO_FAULT);
	GUEST_ASSERT(read_xcr0() == 1);
}

MINIVMX_TEST(xcr0_without_osxsave, guest_turns_xsave_on_and_off)
{
	struct minivmx_sregs sregs = get_sregs(vcpu);

	if (!(get_info(vm->device).out_capabilities & MINIVMX_CAP_XSAVE))
		SKIP(return, "this CPU has no XSAVE");
	sregs.xcr0 = 3;
	set_sregs(vcpu, &sregs);
	EXPECT_EQ(3, get_sregs(vcpu).xcr0);
	run_to_done(vcpu);
	EXPECT_EQ(1, get_sregs(vcpu).xcr0);
}

static void guest_no_xsave(void)
{
	GUEST_ASSERT(try_cr4(read_cr4() | CR4_OSXSAVE) == VECTOR_GP);
	GUEST_ASSERT(try_xsetbv(0, 1) == VECTOR_UD);
}

MINIVMX_TEST(no_xsave, guest_no_xsave)
{
	if (get_info(vm->device).out_capabilities & MINIVMX_CAP_XSAVE)
		SKIP(return, "this CPU has XSAVE");
	run_to_done(vcpu);
}

/* ------------------------------------------------------------------ VMCALL */

static u64 results[3];

static void guest_vmcalls(void)
{
	for (int i = 0; i < 3; i++)
		asm volatile("vmcall" : "=a"(results[i]) : "0"(i));
}

MINIVMX_TEST(vmcall, guest_vmcalls)
{
	u64 *seen = *guest_copy(vm, results);

	run_to_done(vcpu);
	for (int i = 0; i < 3; i++)
		EXPECT_STREQ("ENOSYS", strerrorname_np(-seen[i]));
}

MINIVMX_TEST(vmcall_trapped, guest_vmcalls)
{
	u64 *seen = *guest_copy(vm, results);

	set_trap(vcpu, EXIT_VMCALL);
	run_to_exit(vcpu, EXIT_VMCALL);
	EXPECT_EQ(3, run->instruction_length);
	EXPECT_EQ(0, run->regs.rax);
	run->regs.rax = 0x99;
	run->answer = MINIVMX_ANSWER_SKIP;
	run_to_exit(vcpu, EXIT_VMCALL);
	EXPECT_EQ(1, run->regs.rax);
	run->answer = MINIVMX_ANSWER_DEFAULT;
	run_to_exit(vcpu, EXIT_VMCALL);
	run->answer = MINIVMX_ANSWER_SKIP;
	run_to_done(vcpu);
	EXPECT_EQ(0x99, seen[0]);
	EXPECT_STREQ("ENOSYS", strerrorname_np(-seen[1]));
	EXPECT_EQ(2, seen[2]);
}

/* ----------------------------------------------------- the end of the guest */

static void guest_undefined(void)
{
	asm volatile("ud2");
}

MINIVMX_TEST(triple_fault, guest_undefined)
{
	struct minivmx_sregs sregs = get_sregs(vcpu);

	sregs.idtr.limit = 0;
	set_sregs(vcpu, &sregs);
	run_to_exit(vcpu, EXIT_TRIPLE_FAULT);
	EXPECT_EQ((uintptr_t)guest_undefined, run->regs.rip);
	/* The vCPU can be set up anew. */
	start_guest(vm, guest_halts);
	run_to_exit(vcpu, EXIT_HLT);
}

/* ------------------------------------------------- instructions that exit */

static void guest_cache_control(void)
{
	struct gprs gprs = { 0 };

	GUEST_ASSERT(GUEST_TRY("invd", &gprs) == NO_FAULT);
	GUEST_ASSERT(GUEST_TRY("wbinvd", &gprs) == NO_FAULT);
	GUEST_ASSERT(GUEST_TRY("pause", &gprs) == NO_FAULT);
	gprs.a = (uintptr_t)text;
	GUEST_ASSERT(GUEST_TRY("invlpg (%%rax)", &gprs) == NO_FAULT);
	GUEST_ASSERT(GUEST_TRY("clflush (%%rax)", &gprs) == NO_FAULT);
	GUEST_ASSERT(text[0] == '0');
}

MINIVMX_TEST(cache_control, guest_cache_control)
{
	run_to_done(vcpu);
}

static void guest_invd_last(void)
{
	asm volatile("wbinvd");
	asm volatile("invd");
}

MINIVMX_TEST(invd_trapped, guest_invd_last)
{
	set_trap(vcpu, EXIT_INVD);
	run_to_exit(vcpu, EXIT_INVD);
	EXPECT_EQ(2, run->instruction_length);
	run->answer = MINIVMX_ANSWER_SKIP;
	run_to_done(vcpu);
}

/* What CPUID denies is undefined; what it offers works. */
#define GUEST_ASSERT_OFFERED(offered, instruction, gprs)		\
	GUEST_ASSERT(GUEST_TRY(instruction, gprs) ==			\
		     ((offered) ? NO_FAULT : VECTOR_UD))

static void guest_monitor_and_mwait(void)
{
	bool offered = cpuid(1, 0).c & bit_MONITOR;
	struct gprs gprs = { .a = (uintptr_t)text };

	GUEST_ASSERT_OFFERED(offered, "monitor", &gprs);
	gprs = (struct gprs) { 0 };
	if (!offered)
		GUEST_ASSERT(GUEST_TRY("mwait", &gprs) == VECTOR_UD);
}

MINIVMX_TEST(monitor_and_mwait, guest_monitor_and_mwait)
{
	run_to_done(vcpu);
}

static u8 xsave_area[4096] __aligned(64);

static void guest_optional_instructions(void)
{
	struct gprs leaf1 = cpuid(1, 0), leaf7 = { 0 }, leaf13 = { 0 };
	struct gprs gprs = { 0 };
	u64 descriptor[2] __aligned(16) = { 0, 0 };

	if (cpuid(0, 0).a >= 13) {
		leaf7 = cpuid(7, 0);
		leaf13 = cpuid(13, 1);
	}
	GUEST_ASSERT_OFFERED(leaf1.c & bit_RDRND, "rdrand %%rax", &gprs);
	GUEST_ASSERT_OFFERED(leaf7.b & bit_RDSEED, "rdseed %%rax", &gprs);
	gprs = (struct gprs) { .a = 2, .b = (uintptr_t)descriptor };
	GUEST_ASSERT_OFFERED(leaf7.b & BIT(10), "invpcid (%%rbx), %%rax", &gprs);
	gprs = (struct gprs) { .a = 1, .b = (uintptr_t)xsave_area };
	if (leaf1.c & bit_XSAVE)
		GUEST_ASSERT(try_cr4(read_cr4() | CR4_OSXSAVE) == NO_FAULT);
	GUEST_ASSERT_OFFERED(leaf13.a & bit_XSAVES, "xsaves64 (%%rbx)", &gprs);
	GUEST_ASSERT_OFFERED(leaf13.a & bit_XSAVES, "xrstors64 (%%rbx)", &gprs);
}

MINIVMX_TEST(optional_instructions, guest_optional_instructions)
{
	run_to_done(vcpu);
}

static void guest_rdpmc(void)
{
	struct gprs gprs = { .c = 0x3fffffff };

	/* No CPU has that many counters. */
	GUEST_ASSERT(GUEST_TRY("rdpmc", &gprs) == VECTOR_GP);
}

MINIVMX_TEST(rdpmc, guest_rdpmc)
{
	run_to_done(vcpu);
}

static void guest_time_stamps(void)
{
	u64 last = 0;

	for (int i = 0; i < 50; i++) {
		u32 low, high;
		u64 now;

		asm volatile("rdtsc" : "=a"(low), "=d"(high));
		now = (u64)high << 32 | low;
		GUEST_ASSERT(now > last);
		last = now;
	}
	if (cpuid(0x80000001, 0).d & BIT(27)) {
		u32 low, high, aux;

		GUEST_ASSERT(try_wrmsr(IA32_TSC_AUX, 0x1357) == NO_FAULT);
		asm volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(aux));
		GUEST_ASSERT(((u64)high << 32 | low) > last);
		GUEST_ASSERT(aux == 0x1357);
	}
}

MINIVMX_TEST(rdtsc, guest_time_stamps)
{
	run_to_done(vcpu);
}

static u64 vmx_operand[2] __aligned(16);

static void guest_vmx_instructions(void)
{
	struct gprs gprs = { .b = (uintptr_t)vmx_operand };

	GUEST_ASSERT(GUEST_TRY("vmxon (%%rbx)", &gprs) == VECTOR_UD);
	GUEST_ASSERT(GUEST_TRY("vmxoff", &gprs) == VECTOR_UD);
	GUEST_ASSERT(GUEST_TRY("vmclear (%%rbx)", &gprs) == VECTOR_UD);
	GUEST_ASSERT(GUEST_TRY("vmptrld (%%rbx)", &gprs) == VECTOR_UD);
	GUEST_ASSERT(GUEST_TRY("vmptrst (%%rbx)", &gprs) == VECTOR_UD);
	GUEST_ASSERT(GUEST_TRY("vmread %%rax, %%rcx", &gprs) == VECTOR_UD);
	GUEST_ASSERT(GUEST_TRY("vmwrite %%rax, %%rcx", &gprs) == VECTOR_UD);
	GUEST_ASSERT(GUEST_TRY("vmlaunch", &gprs) == VECTOR_UD);
	GUEST_ASSERT(GUEST_TRY("vmresume", &gprs) == VECTOR_UD);
	GUEST_ASSERT(GUEST_TRY("invept (%%rbx), %%rax", &gprs) == VECTOR_UD);
	GUEST_ASSERT(GUEST_TRY("invvpid (%%rbx), %%rax", &gprs) == VECTOR_UD);
	GUEST_ASSERT(GUEST_TRY("vmfunc", &gprs) == VECTOR_UD);
	GUEST_ASSERT(GUEST_TRY("getsec", &gprs) == VECTOR_UD);
	GUEST_ASSERT(GUEST_TRY("rsm", &gprs) == VECTOR_UD);
	GUEST_ASSERT(guest_fault.count == 14);
}

MINIVMX_TEST(vmx_instructions, guest_vmx_instructions)
{
	run_to_done(vcpu);
}

/* ------------------------------------ instructions that run without an exit */

struct __packed table_register {
	u16 limit;
	u64 base;
};

static void guest_descriptor_tables(void)
{
	struct table_register gdt, idt;
	struct gprs gprs = { 0 };
	u64 tr, ldt;

	asm volatile("sgdt %0" : "=m"(gdt));
	asm volatile("sidt %0" : "=m"(idt));
	asm volatile("str %0" : "=r"(tr));
	asm volatile("sldt %0" : "=r"(ldt));
	GUEST_ASSERT(gdt.base == GUEST_GDT && gdt.limit == 0x2f);
	GUEST_ASSERT(idt.base == GUEST_IDT && idt.limit == 0xfff);
	GUEST_ASSERT(tr == GUEST_TR && ldt == 0);

	gprs.b = (uintptr_t)&gdt;
	GUEST_ASSERT(GUEST_TRY("lgdt (%%rbx)", &gprs) == NO_FAULT);
	gprs.b = (uintptr_t)&idt;
	GUEST_ASSERT(GUEST_TRY("lidt (%%rbx)", &gprs) == NO_FAULT);
	GUEST_ASSERT(GUEST_TRY("lldt %%ax", &gprs) == NO_FAULT);
	/* The task is busy in TR and in the GDT: it cannot be loaded again. */
	gprs.a = GUEST_TR;
	GUEST_ASSERT(GUEST_TRY("ltr %%ax", &gprs) == VECTOR_GP);
	GUEST_ASSERT(guest_fault.error == GUEST_TR);
	((u8 *)GUEST_GDT)[GUEST_TR + 5] &= ~2;
	GUEST_ASSERT(GUEST_TRY("ltr %%ax", &gprs) == NO_FAULT);
	GUEST_ASSERT(((u8 *)GUEST_GDT)[GUEST_TR + 5] & 2);
}

MINIVMX_TEST(descriptor_tables, guest_descriptor_tables)
{
	run_to_done(vcpu);
	EXPECT_EQ(GUEST_TSS, get_sregs(vcpu).tr.base);
}

static void guest_debug_registers(void)
{
	struct gprs gprs = { 0 };
	u64 dr6;

	asm volatile("movq %0, %%dr0" : : "r"(0x1111UL));
	asm volatile("movq %0, %%dr1" : : "r"(0x2222UL));
	asm volatile("movq %0, %%dr2" : : "r"(0x3333UL));
	asm volatile("movq %0, %%dr3" : : "r"(0x4444UL));
	asm volatile("movq %%dr2, %0" : "=r"(gprs.a));
	GUEST_ASSERT(gprs.a == 0x3333);
	gprs.a = 1UL << 32;
	GUEST_ASSERT(GUEST_TRY("movq %%rax, %%dr7", &gprs) == VECTOR_GP);

	/* A write breakpoint on vmx_operand, eight bytes long. */
	asm volatile("movq %0, %%dr0" : : "r"(vmx_operand));
	asm volatile("movq %0, %%dr7" : : "r"(0x90402UL));
	gprs.b = (uintptr_t)vmx_operand;
	GUEST_ASSERT(GUEST_TRY("movq %%rax, (%%rbx)", &gprs) == VECTOR_DB);
	GUEST_ASSERT(guest_fault.rip == guest_fault.resume);
	asm volatile("movq %%dr6, %0" : "=r"(dr6));
	GUEST_ASSERT((dr6 & 0xf) == 1);
	asm volatile("movq %0, %%dr7" : : "r"(0x400UL));
}

MINIVMX_TEST(debug_registers, guest_debug_registers)
{
	struct minivmx_sregs sregs;

	run_to_done(vcpu);
	sregs = get_sregs(vcpu);
	EXPECT_EQ((uintptr_t)vmx_operand, sregs.dr[0]);
	EXPECT_EQ(0x2222, sregs.dr[1]);
	EXPECT_EQ(0x3333, sregs.dr[2]);
	EXPECT_EQ(0x4444, sregs.dr[3]);
	EXPECT_EQ(1, sregs.dr[4] & 0xf);
	EXPECT_EQ(0x400, sregs.dr[5]);
}

/* --------------------------------------------------------------- exceptions */

static void guest_exceptions(void)
{
	struct gprs gprs = { .a = 1, .d = 0 };

	GUEST_ASSERT(GUEST_TRY("int3", &gprs) == VECTOR_BP);
	GUEST_ASSERT(guest_fault.rip == guest_fault.resume);
	GUEST_ASSERT(GUEST_TRY("int $4", &gprs) == 4);
	GUEST_ASSERT(GUEST_TRY("divq %%rcx", &gprs) == VECTOR_DE);
	GUEST_ASSERT(GUEST_TRY("ud2", &gprs) == VECTOR_UD);

	gprs.b = NOT_MAPPED;
	GUEST_ASSERT(GUEST_TRY("movq (%%rbx), %%rax", &gprs) == VECTOR_PF);
	GUEST_ASSERT(guest_fault.cr2 == NOT_MAPPED && guest_fault.error == 0);
	GUEST_ASSERT(GUEST_TRY("movq %%rax, (%%rbx)", &gprs) == VECTOR_PF);
	GUEST_ASSERT(guest_fault.cr2 == NOT_MAPPED && guest_fault.error == 2);
	GUEST_ASSERT(GUEST_TRY("jmp *%%rbx", &gprs) == VECTOR_PF);
	GUEST_ASSERT(guest_fault.rip == NOT_MAPPED && guest_fault.error == 0x10);

	gprs.b = NOT_CANONICAL;
	GUEST_ASSERT(GUEST_TRY("movq (%%rbx), %%rax", &gprs) == VECTOR_GP);
	GUEST_ASSERT(guest_fault.error == 0);
	gprs.a = 0x100;
	GUEST_ASSERT(GUEST_TRY("movw %%ax, %%ds", &gprs) == VECTOR_GP);
	GUEST_ASSERT(guest_fault.error == 0x100);
	GUEST_ASSERT(try_cr0(read_cr0() | CR0_TS) == NO_FAULT);
	GUEST_ASSERT(GUEST_TRY("fnop", &gprs) == 7);
	GUEST_ASSERT(GUEST_TRY("clts; fnop", &gprs) == NO_FAULT);
	GUEST_ASSERT(guest_fault.count == 10);
}

MINIVMX_TEST(exceptions_in_the_guest, guest_exceptions)
{
	run_to_done(vcpu);
}

/* All trapped, and given back: the guest sees no difference. */
MINIVMX_TEST(exceptions_given_back, guest_exceptions)
{
	int trapped = 0;

	set_traps(vcpu, BIT(0) | BIT(3) | BIT(4) | BIT(6) | BIT(7) | BIT(13) |
			BIT(14), 0);
	for (;;) {
		vcpu_run(vcpu);
		if (run->reason != EXIT_EXCEPTION)
			break;
		trapped++;
		run->answer = MINIVMX_ANSWER_DEFAULT;
	}
	EXPECT_EQ(UCALL_DONE, get_ucall(vcpu)) TH_LOG("%s", describe_exit(vcpu));
	/* INT 4 is an interrupt, no exception: it does not exit. */
	EXPECT_EQ(9, trapped);
}

static void guest_traps(void)
{
	struct gprs gprs = { .b = NOT_MAPPED + 0x10 };

	asm volatile("ud2");
	asm volatile("int3");
	GUEST_ASSERT(GUEST_TRY("movq %%rax, (%%rbx)", &gprs) == VECTOR_PF);
	GUEST_ASSERT(guest_fault.cr2 == NOT_MAPPED + 0x10);
	gprs.b = NOT_CANONICAL;
	GUEST_ASSERT(GUEST_TRY("movq (%%rbx), %%rax", &gprs) == VECTOR_GP);
}

MINIVMX_TEST(exceptions_trapped, guest_traps)
{
	u64 rip;

	set_traps(vcpu, BIT(VECTOR_UD) | BIT(VECTOR_BP) | BIT(VECTOR_PF) |
			BIT(VECTOR_GP), 0);
	run_to_exit(vcpu, EXIT_EXCEPTION);
	EXPECT_EQ(INFO_EXCEPTION | VECTOR_UD, run->interruption_info);
	run->regs.rip += 2;

	run_to_exit(vcpu, EXIT_EXCEPTION);
	EXPECT_EQ(INFO_SOFTWARE | VECTOR_BP, run->interruption_info);
	EXPECT_EQ(1, run->instruction_length);
	EXPECT_EQ(0xcc, *(u8 *)(uintptr_t)run->regs.rip);
	run->answer = MINIVMX_ANSWER_SKIP;

	run_to_exit(vcpu, EXIT_EXCEPTION);
	EXPECT_EQ(INFO_EXCEPTION | INFO_ERROR | VECTOR_PF, run->interruption_info);
	EXPECT_EQ(2, run->interruption_error);
	EXPECT_EQ(NOT_MAPPED + 0x10, run->qualification);
	/* Not delivered yet, so CR2 is still as it was. */
	EXPECT_EQ(0, get_sregs(vcpu).cr2);
	rip = run->regs.rip;
	run_to_exit(vcpu, EXIT_EXCEPTION);
	EXPECT_EQ(rip, run->regs.rip);
	run->answer = MINIVMX_ANSWER_DEFAULT;

	run_to_exit(vcpu, EXIT_EXCEPTION);
	EXPECT_EQ(INFO_EXCEPTION | INFO_ERROR | VECTOR_GP, run->interruption_info);
	EXPECT_EQ(0, run->interruption_error);
	run->answer = MINIVMX_ANSWER_DEFAULT;
	run_to_done(vcpu);
}

/* -------------------------------------------------------------- single step */

/* Sets TF, so that @instruction is followed by #DB. */
#define STEP(instruction)						\
	"pushfq; orq $0x100, (%%rsp); popfq; " instruction

#define GUEST_ASSERT_STEPS(instruction, gprs)				\
	do {								\
		u64 _dr6;						\
									\
		asm volatile("movq %0, %%dr6" : : "r"(0UL));		\
		GUEST_ASSERT(GUEST_TRY(STEP(instruction), gprs) ==	\
			     VECTOR_DB);				\
		asm volatile("movq %%dr6, %0" : "=r"(_dr6));		\
		GUEST_ASSERT(guest_fault.rip == guest_fault.resume);	\
		GUEST_ASSERT(guest_fault.rflags & RFLAGS_TF);		\
		GUEST_ASSERT(_dr6 & DR6_BS);				\
	} while (0)

static void guest_steps(void)
{
	struct gprs gprs = { 0 };

	GUEST_ASSERT_STEPS("nop", &gprs);
	GUEST_ASSERT_STEPS("cpuid", &gprs);
	GUEST_ASSERT_STEPS("vmcall", &gprs);
	GUEST_ASSERT_STEPS("invd", &gprs);
	gprs = (struct gprs) { .a = read_cr0() };
	GUEST_ASSERT_STEPS("movq %%rax, %%cr0", &gprs);
	gprs.a = 0;
	GUEST_ASSERT_STEPS("outb %%al, $0x77", &gprs);
	GUEST_ASSERT_STEPS("inb $0x78, %%al", &gprs);
	gprs.c = UNKNOWN_MSR;
	GUEST_ASSERT_STEPS("rdmsr", &gprs);
	gprs.a = IA32_SYSENTER_CS;
	GUEST_ASSERT(guest_fault.count == 8);
}

/* Whoever carries out the instruction, the driver or the program. */
MINIVMX_TEST(single_step, guest_steps)
{
	run_to_exit(vcpu, EXIT_IO);
	EXPECT_EQ(0x77, run->io.port);
	run_to_exit(vcpu, EXIT_IO);
	EXPECT_EQ(0x78, run->io.port);
	run_to_exit(vcpu, EXIT_RDMSR);
	run_to_done(vcpu);
}

/* The program steps the guest: TF in the registers, #DB trapped. */
MINIVMX_TEST(single_step_by_the_program, guest_cache_control)
{
	u64 last = run->regs.rip;

	set_traps(vcpu, BIT(VECTOR_DB), 0);
	for (int i = 0; i < 5; i++) {
		run->regs.rflags |= RFLAGS_TF;
		run_to_exit(vcpu, EXIT_EXCEPTION);
		EXPECT_EQ(INFO_EXCEPTION | VECTOR_DB, run->interruption_info);
		/* SDM Vol. 3C, "Exit Qualification for Debug Exceptions". */
		EXPECT_EQ(DR6_BS, run->qualification);
		EXPECT_NE(last, run->regs.rip);
		last = run->regs.rip;
	}
	run->regs.rflags &= ~RFLAGS_TF;
	run_to_done(vcpu);
}

/* An exit in the shadow of STI or MOV SS: the shadow ends with it. */
static void guest_shadows(void)
{
	struct gprs gprs = { 0 };

	GUEST_ASSERT(GUEST_TRY("cli; sti; cpuid", &gprs) == NO_FAULT);
	gprs.a = 0;
	GUEST_ASSERT(GUEST_TRY("cli; sti; outb %%al, $0x77", &gprs) == NO_FAULT);
	GUEST_ASSERT(GUEST_TRY("mov %%ss, %%ecx; mov %%ecx, %%ss; cpuid", &gprs) ==
		     NO_FAULT);
}

MINIVMX_TEST(interrupt_shadow, guest_shadows)
{
	run_to_exit(vcpu, EXIT_IO);
	EXPECT_EQ(0x77, run->io.port);
	run_to_done(vcpu);
	EXPECT_EQ(0, get_sregs(vcpu).interruptibility & 3);
}

/* -------------------------------------------------------------------- modes */

/*
 * From real mode to 64-bit mode and back, as firmware and kernels do it. The
 * page tables at 20000H map the first 2 MiB.
 */
GUEST_BLOB(mode_switches, 16,
	   "	xor	%ax, %ax\n"
	   "	mov	%ax, %ds\n"
	   "	outb	%al, $0x16\n"
	   "	lgdtl	(10f - mode_switches + 0x1000)\n"
	   "	mov	%cr0, %eax\n"
	   "	or	$1, %eax\n"
	   "	mov	%eax, %cr0\n"
	   "	ljmpl	$8, $(1f - mode_switches + 0x1000)\n"
	   ".code32\n"
	   "1:	mov	$16, %eax\n"
	   "	mov	%eax, %ds\n"
	   "	mov	%eax, %es\n"
	   "	mov	%eax, %ss\n"
	   "	mov	$0x7000, %esp\n"
	   "	outb	%al, $0x32\n"
	   "	movl	$0x21003, 0x20000\n"
	   "	movl	$0x22003, 0x21000\n"
	   "	movl	$0x83, 0x22000\n"
	   "	mov	%cr4, %eax\n"
	   "	or	$0x20, %eax\n"
	   "	mov	%eax, %cr4\n"
	   "	mov	$0x20000, %eax\n"
	   "	mov	%eax, %cr3\n"
	   "	mov	$0xc0000080, %ecx\n"
	   "	rdmsr\n"
	   "	or	$0x100, %eax\n"
	   "	wrmsr\n"
	   "	mov	%cr0, %eax\n"
	   "	or	$0x80000000, %eax\n"
	   "	mov	%eax, %cr0\n"
	   /* Compatibility mode: 32-bit code under 4-level paging. */
	   "	outb	%al, $0x33\n"
	   "	ljmp	$24, $(2f - mode_switches + 0x1000)\n"
	   ".code64\n"
	   "2:	movabs	$0x1122334455667788, %r15\n"
	   "	outb	%al, $0x64\n"
	   /* Back: compatibility mode, paging off, LME off, PE off. */
	   "	pushq	$8\n"
	   "	pushq	$(3f - mode_switches + 0x1000)\n"
	   "	lretq\n"
	   ".code32\n"
	   "3:	mov	%cr0, %eax\n"
	   "	and	$0x7fffffff, %eax\n"
	   "	mov	%eax, %cr0\n"
	   "	mov	$0xc0000080, %ecx\n"
	   "	rdmsr\n"
	   "	and	$~0x100, %eax\n"
	   "	wrmsr\n"
	   "	outb	%al, $0x32\n"
	   "	ljmp	$32, $(4f - mode_switches + 0x1000)\n"
	   ".code16\n"
	   "4:	mov	$40, %ax\n"
	   "	mov	%ax, %ds\n"
	   "	mov	%ax, %es\n"
	   "	mov	%ax, %ss\n"
	   "	mov	%cr0, %eax\n"
	   "	and	$~1, %al\n"
	   "	mov	%eax, %cr0\n"
	   "	ljmp	$0, $(5f - mode_switches + 0x1000)\n"
	   "5:	xor	%ax, %ax\n"
	   "	mov	%ax, %ds\n"
	   "	outb	%al, $0x16\n"
	   "	hlt\n"
	   "	.balign	8\n"
	   "9:	.quad	0\n"
	   "	.quad	0x00cf9b000000ffff\n"	/* 8: 32-bit code */
	   "	.quad	0x00cf93000000ffff\n"	/* 16: data */
	   "	.quad	0x00af9b000000ffff\n"	/* 24: 64-bit code */
	   "	.quad	0x00009b000000ffff\n"	/* 32: 16-bit code */
	   "	.quad	0x000093000000ffff\n"	/* 40: 16-bit data */
	   "10:	.word	47\n"
	   "	.long	9b - mode_switches + 0x1000\n");

TEST_F(vm, mode_switches)
{
	const u16 ports[] = { 0x16, 0x32, 0x33, 0x64, 0x32, 0x16 };
	struct vm *vm = &self->vm;
	struct vcpu *vcpu = &vm->vcpu;

	if (!uses_ept(vm))
		SKIP(return, NEEDS_REAL_MODE);
	start_real(vm, mode_switches);
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		struct minivmx_sregs sregs;

		run_to_exit(vcpu, EXIT_IO);
		EXPECT_EQ(ports[i], vcpu->run->io.port)
			TH_LOG("%s", describe_exit(vcpu));
		sregs = get_sregs(vcpu);
		EXPECT_EQ(ports[i] != 0x16, sregs.cr0 & CR0_PE);
		EXPECT_EQ(ports[i] == 0x33 || ports[i] == 0x64,
			  !!(sregs.efer & BIT(10)));
		EXPECT_EQ(ports[i] == 0x64, !!(sregs.cs.access_rights & BIT(13)));
		if (ports[i] == 0x64)
			EXPECT_EQ(0x1122334455667788, vcpu->run->regs.r15);
	}
	run_to_exit(vcpu, EXIT_HLT);
}

GUEST_BLOB(protected_mode, 32,
	   "	movl	$0x12345678, %eax\n"
	   "	outl	%eax, $0x55\n"
	   "	cpuid\n"
	   "	push	%eax\n"
	   "	pop	%ebx\n"
	   "	hlt\n");

TEST_F(vm, protected_mode_without_paging)
{
	struct vm *vm = &self->vm;

	start_protected(vm, protected_mode);
	run_to_exit(&vm->vcpu, EXIT_IO);
	EXPECT_EQ(0x12345678, vm->vcpu.run->io.data);
	run_to_exit(&vm->vcpu, EXIT_HLT);
	EXPECT_EQ(vm->vcpu.run->regs.rax, vm->vcpu.run->regs.rbx);
}

/* A vCPU as it was made starts at the reset vector, in the last 16 bytes. */
TEST_F(vm, reset_vector)
{
	static const u8 code[] = { 0xb0, 0x5a, 0xe6, 0x80, 0xf4 };
	struct vm *vm = &self->vm;
	struct vcpu *vcpu = &vm->vcpu;
	struct minivmx_sregs sregs = get_sregs(vcpu);
	u8 *rom;

	if (!uses_ept(vm))
		SKIP(return, NEEDS_REAL_MODE);
	EXPECT_EQ(0xfff0, vcpu->run->regs.rip);
	EXPECT_EQ(2, vcpu->run->regs.rflags);
	EXPECT_EQ(0xf000, sregs.cs.selector);
	EXPECT_EQ(0xffff0000, sregs.cs.base);
	EXPECT_EQ(0x60000010, sregs.cr0);
	EXPECT_EQ(0, sregs.cr4);
	EXPECT_EQ(0, sregs.efer);
	EXPECT_EQ(0xffff0ff0, sregs.dr[4]);
	EXPECT_EQ(0x400, sregs.dr[5]);
	map_memory(vm, 0xfffff000, PAGE_4K, MINIVMX_MAP_READONLY);
	rom = mmap_memory(vm, 0xfffff000, PAGE_4K);
	memcpy(rom + 0xff0, code, sizeof(code));
	run_to_exit(vcpu, EXIT_IO);
	EXPECT_EQ(0x5a, vcpu->run->io.data);
	run_to_exit(vcpu, EXIT_HLT);
	EXPECT_EQ(0xfff5, vcpu->run->regs.rip);
}

#define EXIT_TASK_SWITCH	9

/* A far jump to a task: no driver can do without saying so. */
GUEST_BLOB(task_switch, 32,
	   "	ljmp	$0x18, $0\n"
	   "	hlt\n");

TEST_F(vm, task_switch)
{
	struct vm *vm = &self->vm;
	struct minivmx_run *run = vm->vcpu.run;
	u64 *gdt = (u64 *)(vm->memory + GUEST_GDT);

	start_protected(vm, task_switch);
	gdt[3] = 0x0000890000000067 | GUEST_TSS << 16;
	run_to_exit(&vm->vcpu, EXIT_TASK_SWITCH);
	EXPECT_EQ(0x18, run->qualification & 0xffff);
	/* SDM Vol. 3C, "Exit Qualification for Task Switches": by JMP. */
	EXPECT_EQ(2, run->qualification >> 30 & 3);
}

TEST_HARNESS_MAIN
