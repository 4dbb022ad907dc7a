// SPDX-License-Identifier: GPL-2.0
/*
 * Faults that the driver raises, and the end of instructions that it carries out:
 * the guest cannot tell them from the CPU's own.
 */
#include "minivmx_harness.h"

#define NOT_MAPPED	(5UL << 30)	/* linear: not in the guest's tables */
#define IA32_EFER	0xc0000080
#define CR4_VMXE	BIT(13)
#define RFLAGS_RF	BIT(16)
#define DR7_INIT	0x400UL

/* ------------------------------------------------------------- RFLAGS.RF */

/*
 * In the image that a fault pushes RF is 1, so that the handler's IRET does not meet
 * a breakpoint again; traps push it as it is (SDM Vol. 3B, "Instruction-Breakpoint
 * Exception Condition").
 */
#define GUEST_ASSERT_RF(rf, vector, instruction, ...) do {		\
		struct gprs _gprs = { __VA_ARGS__ };			\
									\
		GUEST_ASSERT(GUEST_TRY(instruction, &_gprs) == (vector));	\
		GUEST_ASSERT(!(guest_fault.rflags & RFLAGS_RF) == !(rf));	\
	} while (0)

static void guest_looks_at_rf(void)
{
	/* The CPU's own. */
	GUEST_ASSERT_RF(true, VECTOR_UD, "ud2");
	GUEST_ASSERT_RF(true, VECTOR_PF, "movq (%%rbx), %%rax", .b = NOT_MAPPED);
	GUEST_ASSERT_RF(false, VECTOR_BP, "int3");
	GUEST_ASSERT_RF(false, 20, "int $20");
	/* The driver's, in place of what exits. */
	GUEST_ASSERT_RF(true, VECTOR_UD, "vmxoff");
	GUEST_ASSERT_RF(true, VECTOR_UD, "vmlaunch");
	GUEST_ASSERT_RF(true, VECTOR_GP, "rdpmc");
	GUEST_ASSERT_RF(true, VECTOR_GP, "wrmsr", .c = IA32_EFER, .d = 1);
	GUEST_ASSERT_RF(true, VECTOR_GP, "movq %%rax, %%cr4", .a = CR4_VMXE);
	GUEST_ASSERT_RF(true, VECTOR_GP, "movq %%rax, %%cr8", .a = 16);
	GUEST_ASSERT_RF(true, VECTOR_GP, "movq %%rax, %%dr7", .a = BIT(32));
	GUEST_ASSERT_RF(true, VECTOR_PF, "outsb", .si = NOT_MAPPED);
	/* A trap that the driver asks for. */
	GUEST_ASSERT_RF(false, VECTOR_DB,
			"pushfq; orq $0x100, (%%rsp); popfq; vmcall");
}

MINIVMX_TEST(rf_in_images, guest_looks_at_rf)
{
	run_to_done(vcpu);
}

/* The program sees them first, and gives them back. */
MINIVMX_TEST(rf_in_images_given_back, guest_looks_at_rf)
{
	set_traps(vcpu, BIT(VECTOR_UD) | BIT(VECTOR_BP) | BIT(VECTOR_PF) |
			BIT(VECTOR_DB) | BIT(VECTOR_GP), 0);
	for (;;) {
		vcpu_run(vcpu);
		if (run->reason != EXIT_EXCEPTION)
			break;
		run->answer = MINIVMX_ANSWER_DEFAULT;
	}
	EXPECT_EQ(UCALL_DONE, get_ucall(vcpu)) TH_LOG("%s", describe_exit(vcpu));
}

/*
 * The same if a page fault cuts the delivery short, which is carried out again after that. The
 * flags that the fault would have pushed are not those of the event.
 */
static void guest_is_cut_short(void)
{
	GUEST_SYNC(0);
	/* Where the IDT is then, the CPU has been: no EPT violation comes first. */
	GUEST_ASSERT_RF(true, VECTOR_UD, "ud2");
	GUEST_SYNC(1);
	GUEST_ASSERT_RF(false, VECTOR_BP, "int3");
	GUEST_SYNC(2);
	GUEST_ASSERT_RF(false, 20, "int $20");
	GUEST_SYNC(3);
	GUEST_ASSERT_RF(false, VECTOR_DB,
			"pushfq; orq $0x100, (%%rsp); popfq; nop");
	GUEST_SYNC(4);
	GUEST_ASSERT_RF(true, VECTOR_UD, "ud2");
	GUEST_SYNC(5);
}

MINIVMX_TEST(rf_in_images_of_what_is_cut_short, guest_is_cut_short)
{
	const bool rf[] = { false, false, false, true };

	run_to_sync(vcpu, 0);
	hide_idt(vm);
	show_idt(vm);
	for (size_t i = 0; i < ARRAY_SIZE(rf); i++) {
		run_to_sync(vcpu, 1 + i);
		hide_idt(vm);
		set_traps(vcpu, BIT(VECTOR_PF), 0);
		run_to_exit(vcpu, EXIT_EXCEPTION);
		EXPECT_EQ(VECTOR_PF, run->interruption_info & 0xff);
		EXPECT_NE(0, run->event.info);
		EXPECT_EQ(rf[i], !!(run->regs.rflags & RFLAGS_RF))
			TH_LOG("event %#x", run->event.info);
		show_idt(vm);
	}
	run_to_sync(vcpu, 5);
}

/*
 * RF is over with the instruction, whoever carries it out: the breakpoint behind it
 * is met.
 */
static volatile u64 breakpoint;

#define GUEST_ASSERT_MEETS_BREAKPOINT_BEHIND(instruction) do {		\
		struct gprs _gprs = { 0 };				\
									\
		GUEST_ASSERT(GUEST_TRY(					\
			"leaq 1f(%%rip), %%rax\n\t"			\
			"movq %%rax, breakpoint(%%rip)\n\t"		\
			"movq %%rax, %%dr0\n\t"				\
			"movl $0x401, %%eax\n\t"			\
			"movq %%rax, %%dr7\n\t"				\
			"movq %%rsp, %%rcx\n\t"				\
			"pushq $0x10\n\t"				\
			"pushq %%rcx\n\t"				\
			"pushfq\n\t"					\
			"orq $0x10000, (%%rsp)\n\t"			\
			"pushq $0x08\n\t"				\
			"leaq 2f(%%rip), %%rax\n\t"			\
			"pushq %%rax\n\t"				\
			"iretq\n"					\
			"2:\n\t"					\
			instruction "\n"				\
			"1:\n\t"					\
			"nop", &_gprs) == VECTOR_DB);			\
		GUEST_ASSERT(guest_fault.rip == breakpoint);		\
		asm volatile("movq %0, %%dr7" : : "r"(DR7_INIT));	\
	} while (0)

static void guest_meets_breakpoints(void)
{
	GUEST_ASSERT_MEETS_BREAKPOINT_BEHIND("nop");
	GUEST_ASSERT_MEETS_BREAKPOINT_BEHIND("vmcall");
	GUEST_ASSERT_MEETS_BREAKPOINT_BEHIND("invd");
	GUEST_ASSERT_MEETS_BREAKPOINT_BEHIND("outb %%al, $0x77");
}

MINIVMX_TEST(breakpoint_behind_an_instruction_with_rf, guest_meets_breakpoints)
{
	run_to_exit(vcpu, EXIT_IO);
	EXPECT_EQ(0x77, run->io.port);
	run_to_done(vcpu);
}

/* --------------------------------------------------- faults within faults */

static void guest_undefined(void)
{
	asm volatile("ud2");
}

/*
 * Without an IDT the delivery of each exception is #GP. Two of them are a double
 * fault, and one within that is the end (SDM Vol. 3A, "Interrupt 8 - Double Fault
 * Exception (#DF)"): also where the program sees each, and gives it back.
 */
MINIVMX_TEST(shutdown_of_what_was_given_back, guest_undefined)
{
	static const u8 vectoring[] = { VECTOR_UD, VECTOR_GP, VECTOR_DF };
	struct minivmx_sregs sregs = get_sregs(vcpu);

	sregs.idtr.limit = 0;
	set_sregs(vcpu, &sregs);
	set_traps(vcpu, BIT(VECTOR_GP), 0);
	for (size_t i = 0; i < ARRAY_SIZE(vectoring); i++) {
		run_to_exit(vcpu, EXIT_EXCEPTION);
		EXPECT_EQ(VECTOR_GP, run->interruption_info & 0xff);
		EXPECT_EQ(vectoring[i], run->vectoring_info & 0xff);
		run->answer = MINIVMX_ANSWER_DEFAULT;
	}
	run_to_exit(vcpu, EXIT_TRIPLE_FAULT);
	EXPECT_EQ((uintptr_t)guest_undefined, run->regs.rip);
}

/* INT 8 is an interrupt, and no double fault: what comes in between is delivered. */
static void guest_executes_int_8(void)
{
	volatile u8 *gate = (u8 *)(GUEST_IDT + VECTOR_DF * 16);
	struct gprs gprs = { 0 };

	/* Its stack, IST2, is not there. */
	*(volatile u64 *)(GUEST_TSS + 44) = NOT_MAPPED;
	gate[4] = 2;
	GUEST_ASSERT(GUEST_TRY("int $8", &gprs) == VECTOR_PF);
	GUEST_ASSERT(guest_fault.cr2 == NOT_MAPPED - 8);
	GUEST_ASSERT(guest_fault.error == 2);
	GUEST_ASSERT(guest_fault.rip == guest_fault.resume - 2);
}

MINIVMX_TEST(page_fault_within_int_8, guest_executes_int_8)
{
	run_to_done(vcpu);
}

MINIVMX_TEST(page_fault_within_int_8_given_back, guest_executes_int_8)
{
	set_traps(vcpu, BIT(VECTOR_PF), 0);
	run_to_exit(vcpu, EXIT_EXCEPTION);
	EXPECT_EQ(VECTOR_PF, run->interruption_info & 0xff);
	EXPECT_EQ(VECTOR_DF, run->vectoring_info & 0xff);
	run->answer = MINIVMX_ANSWER_DEFAULT;
	run_to_done(vcpu);
}

/* ------------------------------------------------------------ RIP at its end */

/* Outside 64-bit mode RIP has 32 bits: what follows the last is the first. */
TEST_F(vm, instruction_at_the_end_of_4_gib)
{
	static const u8 vmcall[] = { 0x0f, 0x01, 0xc1 };
	struct vm *vm = &self->vm;
	u8 *last;

	map_memory(vm, 0xfffff000, PAGE_4K, 0);
	last = mmap_memory(vm, 0xfffff000, PAGE_4K);
	memcpy(last + PAGE_4K - 3, vmcall, 3);
	start_protected_mode(vm, &vm->vcpu, (char *)vmcall, (char *)vmcall + 3);
	vm->memory[0] = 0xf4;		/* HLT */
	vm->vcpu.run->regs.rip = 0xfffffffd;
	run_to_exit(&vm->vcpu, EXIT_HLT);
	EXPECT_EQ(1, vm->vcpu.run->regs.rip);
}

TEST_HARNESS_MAIN
