// SPDX-License-Identifier: GPL-2.0
/*
 * Guests and programs that would keep a CPU of the host to themselves: each must
 * end by a signal, or be refused.
 */
#include "alarm.h"
#include "minivmx_harness.h"
#include "window.h"

#define GUEST_ACTIVITY	0x4826
#define RDMSR_STAR	0xc0000081

/* A guest without end: an alarm is heeded within a second. */
static void expect_alarm_to_end_run(struct __test_metadata *_metadata,
				    const struct vcpu *vcpu)
{
	catch_signal(SIGALRM, no_action);
	for (int i = 0; i < 3; i++) {
		double start = now();

		set_alarm(20000);
		ASSERT_EQ(EINTR, run_error(vcpu))
			TH_LOG("got %s", describe_exit(vcpu));
		EXPECT_GT(1.0, now() - start);
	}
}

/* ------------------------------------------------------- #DB within #DB */

/*
 * The delivery of #DB writes to the memory that a breakpoint watches: another #DB,
 * before the handler's first instruction and before any interrupt (SDM Vol. 3A,
 * "Priority Among Concurrent Events").
 */
static void guest_watches_its_debug_stack(void)
{
	volatile u64 *watched = (u64 *)(GUEST_FAULT_STACK - 8);

	asm volatile("movq %0, %%dr0" : : "r"(watched));
	/* L0, 8 bytes, writes; bit 10 is always 1. */
	asm volatile("movq %0, %%dr7" : : "r"(0x90401UL));
	*watched = 1;
}

MINIVMX_TEST(debug_exception_in_its_own_delivery, guest_watches_its_debug_stack)
{
	expect_alarm_to_end_run(_metadata, vcpu);
}

/* The program sees each of them; the guest gets to its handler, and no further. */
MINIVMX_TEST(debug_exception_trapped, guest_watches_its_debug_stack)
{
	const u64 handler = (uintptr_t)guest_stubs +
			    VECTOR_DB * GUEST_STUB_SIZE;

	set_traps(vcpu, BIT(VECTOR_DB), 0);
	for (int i = 0; i < 10; i++) {
		run_to_exit(vcpu, EXIT_EXCEPTION);
		EXPECT_EQ(VECTOR_DB, run->interruption_info & 0xff);
		EXPECT_EQ(!!i, run->regs.rip == handler);
		run->answer = MINIVMX_ANSWER_DEFAULT;
	}
}

/* ------------------------------------------------------- #AC within #AC */

/*
 * The handler of #AC runs at CPL 3, on the stack whose misalignment raised it. The
 * CPU would raise #AC in the delivery of #AC without end, and without a chance for
 * interrupts.
 */
GUEST_BLOB(alignment_blob, 32,
	   "lgdt 2f - alignment_blob + 0x1000\n"
	   "lidt 3f - alignment_blob + 0x1000\n"
	   "movl %cr0, %eax\n"
	   "orl $0x40000, %eax\n"		/* AM */
	   "movl %eax, %cr0\n"
	   "pushl $0x13\n"
	   "pushl $0x6001\n"			/* ESP */
	   "pushl $0x40202\n"			/* AC */
	   "pushl $0x0b\n"
	   "pushl $1f - alignment_blob + 0x1000\n"
	   "iret\n"
	   "1: movl %ss:0x6001, %eax\n"
	   "jmp 1b\n"
	   ".balign 8\n"
	   "4: .quad 0, 0x00cffb000000ffff, 0x00cff3000000ffff\n"
	   "2: .word 0x17\n"
	   ".long 4b - alignment_blob + 0x1000\n"
	   ".balign 8\n"
	   /* A 32-bit interrupt gate to ring 3. */
	   "5: .word 1b - alignment_blob + 0x1000, 0x0b, 0xee00, 0\n"
	   "3: .word 18 * 8 - 1\n"
	   ".long 5b - alignment_blob + 0x1000 - 17 * 8\n");

TEST_F(vm, alignment_check_in_its_own_delivery)
{
	start_protected(&self->vm, alignment_blob);
	expect_alarm_to_end_run(_metadata, &self->vm.vcpu);
}

/* An alignment check of the guest's own is delivered as any exception. */
TEST_F(vm, alignment_check_trapped)
{
	const struct vcpu *vcpu = &self->vm.vcpu;

	start_protected(&self->vm, alignment_blob);
	set_traps(vcpu, BIT(VECTOR_AC), 0);
	run_to_exit(vcpu, EXIT_EXCEPTION);
	EXPECT_EQ(VECTOR_AC, vcpu->run->interruption_info & 0xff);
	EXPECT_EQ(0, vcpu->run->interruption_error);
	EXPECT_EQ(0, vcpu->run->vectoring_info >> 31);
	vcpu->run->answer = MINIVMX_ANSWER_DEFAULT;
	run_to_exit(vcpu, EXIT_EXCEPTION);
	EXPECT_EQ(VECTOR_AC, vcpu->run->interruption_info & 0xff);
	EXPECT_EQ(VECTOR_AC, vcpu->run->vectoring_info & 0xff);
}

/* -------------------------------------- nothing but exits, interrupts off */

/*
 * The preemption timer starts anew at each entry, and some emulators hold interrupts
 * back from such a guest: only the driver can end this.
 */
static void guest_asks_for_ever(void)
{
	asm volatile("cli\n"
		     "1:\n\t"
		     "xorl %%eax, %%eax\n\t"
		     "cpuid\n\t"
		     "jmp 1b"
		     : : : "eax", "ebx", "ecx", "edx");
}

MINIVMX_TEST(cpuid_for_ever, guest_asks_for_ever)
{
	run->regs.rflags = 2;
	expect_alarm_to_end_run(_metadata, vcpu);
}

/* Each of these raises #GP, and the handler executes it again. */
static void guest_faults_for_ever(void)
{
	asm volatile("cli\n"
		     "1:\n\t"
		     "movl %[msr], %%ecx\n\t"
		     "movl $-1, %%edx\n\t"
		     "wrmsr\n\t"
		     "jmp 1b"
		     : : [msr] "i"(RDMSR_STAR + 1) : "ecx", "edx");
}

static void guest_with_a_handler_that_returns(void)
{
	/* IDT[13]: drops the error code and returns to the instruction. */
	static const u8 code[] = { 0x48, 0x83, 0xc4, 0x08, 0x48, 0xcf };
	volatile u16 *gate = (u16 *)(GUEST_IDT + VECTOR_GP * 16);
	u64 handler = (uintptr_t)code;

	gate[0] = handler;
	gate[3] = handler >> 16;
	guest_faults_for_ever();
}

MINIVMX_TEST(faults_for_ever, guest_with_a_handler_that_returns)
{
	expect_alarm_to_end_run(_metadata, vcpu);
}

/* ----------------------------------------- one instruction, many iterations */

/* All of the window is the same page: 8 GiB of it to read. */
static void guest_repeats_an_instruction(void)
{
	u64 from = WINDOW, count = BIT(30);

	open_window();
	for (int i = 0; i < ENTRIES; i++) {
		window_pts[0].words[i] = entry_for(&page_a);
		window_pd.words[i] = entry_for(&window_pts[0]);
		window_pdpt.words[i] = entry_for(&window_pd);
	}
	asm volatile("rep lodsq" : "+S"(from), "+c"(count) : : "rax", "memory");
	GUEST_DONE();
}

MINIVMX_TEST(repeated_instruction, guest_repeats_an_instruction)
{
	expect_alarm_to_end_run(_metadata, vcpu);
}

/* ----------------------------------------------------- a CPU gone deaf */

/* The CPU looks at 32 bits of these: wait-for-SIPI, and shutdown. */
MINIVMX_TEST(activity_beyond_its_width, guest_asks_for_ever)
{
	const u64 values[] = { 0x100000003, 0x100000002, BIT(32), ~0ULL };

	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		test_err(EINVAL, vcpu->fd, MINIVMX_VMWRITE,
			 ARG(vmcs_field, .encoding = GUEST_ACTIVITY,
			     .value = values[i]));
	EXPECT_EQ(0, vmread(vcpu, GUEST_ACTIVITY));
	expect_alarm_to_end_run(_metadata, vcpu);
}

TEST_HARNESS_MAIN
