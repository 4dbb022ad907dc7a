// SPDX-License-Identifier: GPL-2.0
/*
 * Debug registers, and debug exceptions: who may touch what, in which order the
 * faults come, and what is left in DR6 (SDM Vol. 3B, "Debug Registers", and Vol. 2,
 * "MOV - Move to/from Debug Registers").
 */
#include "minivmx_harness.h"
#include "user.h"

#define CR4_DE		BIT(3)
#define RFLAGS_TF	BIT(8)
#define RFLAGS_IF	BIT(9)
#define RFLAGS_RF	BIT(16)
#define RFLAGS_VM	BIT(17)
#define DR6_BD		BIT(13)
#define DR6_BS		BIT(14)
#define DR6_INIT	0xffff0ff0UL
#define DR7_INIT	0x400UL
#define DR7_GD		BIT(13)

#define BLOCKING_BY_STI		BIT(0)
#define BLOCKING_BY_MOV_SS	BIT(1)

/* Interruption information: valid, hardware and privileged software exception. */
#define INFO_EXCEPTION	0x80000300
#define INFO_INT1	0x80000500

#define GUEST_PENDING_DEBUG	0x6822

#define HOLE		(96 * MIB)

#define READ_DR(n) ({							\
	u64 _value;							\
									\
	asm volatile("movq %%dr" #n ", %0" : "=r"(_value));		\
	_value;								\
})

#define WRITE_DR(n, value) ({						\
	u64 _value = (value);						\
									\
	asm volatile("movq %0, %%dr" #n : : "r"(_value));		\
})

static void set_cr4_de(bool de)
{
	u64 cr4;

	asm volatile("movq %%cr4, %0" : "=r"(cr4));
	cr4 = de ? cr4 | CR4_DE : cr4 & ~CR4_DE;
	asm volatile("movq %0, %%cr4" : : "r"(cr4));
}

/* ------------------------------------------------------------------- faults */

static const u64 addresses[4] = { 0x1111, 0x2222, 0x3333, 0x4444 };

static void write_addresses(void)
{
	WRITE_DR(0, addresses[0]);
	WRITE_DR(1, addresses[1]);
	WRITE_DR(2, addresses[2]);
	WRITE_DR(3, addresses[3]);
}

#define GUEST_ASSERT_FAULTS(vector, instruction) do {			\
		struct gprs _gprs = { .a = 0x5555 };			\
									\
		GUEST_ASSERT(GUEST_TRY(instruction, &_gprs) == (vector));	\
		GUEST_ASSERT(_gprs.a == 0x5555);			\
	} while (0)

#define GUEST_ASSERT_ALL_FAULT(vector) do {				\
		GUEST_ASSERT_FAULTS(vector, "movq %%rax, %%dr0");	\
		GUEST_ASSERT_FAULTS(vector, "movq %%rax, %%dr3");	\
		GUEST_ASSERT_FAULTS(vector, "movq %%rax, %%dr6");	\
		GUEST_ASSERT_FAULTS(vector, "movq %%rax, %%dr7");	\
		GUEST_ASSERT_FAULTS(vector, "movq %%dr0, %%rax");	\
		GUEST_ASSERT_FAULTS(vector, "movq %%dr6, %%rax");	\
		GUEST_ASSERT_FAULTS(vector, "movq %%dr7, %%rax");	\
	} while (0)

static volatile u64 vector_of_dr4;
/* Is it the driver who knows that privilege comes before DR7.GD? */
static volatile u64 knows_order;

/* Whatever CR4.DE and DR7.GD say: privilege comes before the latter. */
static void guest_moves_without_privilege(void)
{
	GUEST_ASSERT_ALL_FAULT(VECTOR_GP);
	GUEST_ASSERT(guest_fault.error == 0);
	GUEST_ASSERT_FAULTS(vector_of_dr4, "movq %%rax, %%dr4");
	GUEST_ASSERT_FAULTS(vector_of_dr4, "movq %%dr5, %%rax");
}

/* Runs to an exit that was not asked for; all others are for the driver. */
static void run_to_untrapped(const struct vcpu *vcpu)
{
	struct minivmx_run *run = vcpu->run;

	do {
		run->answer = MINIVMX_ANSWER_DEFAULT;
		vcpu_run(vcpu);
	} while (run->reason == EXIT_DR_ACCESS);
}

static void guest_moves_at_each_level(void)
{
	open_program_to_users();
	write_addresses();
	for (u64 cpl = 1; cpl < 4; cpl++) {
		for (int i = 0; i < 4; i++) {
			const u64 dr7 = i & 1 ? DR7_INIT | DR7_GD : DR7_INIT;

			if (i & 1 && !knows_order)
				continue;
			set_cr4_de(i & 2);
			vector_of_dr4 = i & 2 ? VECTOR_UD : VECTOR_GP;
			WRITE_DR(7, dr7);
			run_at_cpl(cpl, guest_moves_without_privilege);
			GUEST_SYNC(dr7);
			/* The program has cleared GD. */
			GUEST_ASSERT(READ_DR(7) == DR7_INIT);
		}
	}
	GUEST_ASSERT(READ_DR(6) == DR6_INIT);
	GUEST_ASSERT(READ_DR(0) == addresses[0] && READ_DR(3) == addresses[3]);
}

static void expect_all_faults(struct __test_metadata *_metadata,
			      const struct vcpu *vcpu)
{
	struct minivmx_run *run = vcpu->run;

	for (;;) {
		struct minivmx_sregs sregs;

		run_to_untrapped(vcpu);
		if (get_ucall(vcpu) != UCALL_SYNC)
			break;
		sregs = get_sregs(vcpu);
		EXPECT_EQ(run->regs.rdi, sregs.dr[5]);
		EXPECT_EQ(DR6_INIT, sregs.dr[4]);
		sregs.dr[5] = DR7_INIT;
		set_sregs(vcpu, &sregs);
	}
	EXPECT_EQ(UCALL_DONE, get_ucall(vcpu)) TH_LOG("%s", describe_exit(vcpu));
}

/* Without DR7.GD: Bochs 3.0 looks at that first. */
MINIVMX_TEST(debug_registers_are_for_cpl_0, guest_moves_at_each_level)
{
	expect_all_faults(_metadata, vcpu);
}

/* The same for the driver, with DR7.GD. */
MINIVMX_TEST(debug_registers_are_for_cpl_0_trapped, guest_moves_at_each_level)
{
	*guest_copy(vm, knows_order) = true;
	set_traps(vcpu, 0, 1, EXIT_DR_ACCESS);
	expect_all_faults(_metadata, vcpu);
}

/* ------------------------------------------------- registers without exits */

#define ROUNDS	20

static void guest_counts_in_debug_registers(void)
{
	for (u64 round = 0; round < ROUNDS; round++) {
		for (u64 i = 0; i < 100; i++) {
			WRITE_DR(0, i);
			WRITE_DR(3, ~i);
			GUEST_ASSERT(READ_DR(0) == i && READ_DR(3) == ~i);
		}
		WRITE_DR(6, DR6_INIT | (round & 15));
		WRITE_DR(7, DR7_INIT | (round & 1) << 16);
		GUEST_SYNC(round);
		GUEST_ASSERT(READ_DR(0) == round && READ_DR(1) == round + 1);
		GUEST_ASSERT(READ_DR(2) == round + 2 && READ_DR(3) == round + 3);
		GUEST_ASSERT(READ_DR(6) == (DR6_INIT | DR6_BS));
		GUEST_ASSERT(READ_DR(7) == DR7_INIT);
	}
}

static void expect_registers_to_be_shared(struct __test_metadata *_metadata,
					  const struct vcpu *vcpu)
{
	for (u64 round = 0; round < ROUNDS; round++) {
		struct minivmx_sregs sregs;

		run_to_untrapped(vcpu);
		require(get_ucall(vcpu) == UCALL_SYNC, "%s", describe_exit(vcpu));
		sregs = get_sregs(vcpu);
		EXPECT_EQ(99, sregs.dr[0]);
		EXPECT_EQ(~99UL, sregs.dr[3]);
		EXPECT_EQ(DR6_INIT | (round & 15), sregs.dr[4]);
		EXPECT_EQ(DR7_INIT | (round & 1) << 16, sregs.dr[5]);
		for (int i = 0; i < 4; i++)
			sregs.dr[i] = round + i;
		sregs.dr[4] = DR6_INIT | DR6_BS;
		sregs.dr[5] = DR7_INIT;
		set_sregs(vcpu, &sregs);
	}
	run_to_untrapped(vcpu);
	EXPECT_EQ(UCALL_DONE, get_ucall(vcpu)) TH_LOG("%s", describe_exit(vcpu));
}

/* One exit a burst at most, but for the program that asks for each. */
MINIVMX_TEST(no_exits, guest_counts_in_debug_registers)
{
	struct minivmx_stats stats;

	expect_registers_to_be_shared(_metadata, vcpu);
	stats = get_stats(vm);
	EXPECT_LE(stats.out_exits[EXIT_DR_ACCESS], stats.out_bursts);
}

MINIVMX_TEST(exits_that_are_asked_for, guest_counts_in_debug_registers)
{
	set_traps(vcpu, 0, 1, EXIT_DR_ACCESS);
	expect_registers_to_be_shared(_metadata, vcpu);
	EXPECT_EQ(ROUNDS * 408, get_stats(vm).out_exits[EXIT_DR_ACCESS]);
}

/* The program asks for them while the guest has them without. */
MINIVMX_TEST(exits_from_now_on, guest_counts_in_debug_registers)
{
	run_to_sync(vcpu, 0);
	set_traps(vcpu, 0, 1, EXIT_DR_ACCESS);
	run_to_exit(vcpu, EXIT_DR_ACCESS);
	EXPECT_EQ(99, get_sregs(vcpu).dr[0]);
}

/*
 * Its own instruction breakpoint, a MOV DR meets before it exits. The program sets
 * RF, as a handler would, and what executes it then heeds that.
 */
static void guest_watches_its_own_move(void)
{
	u64 value;

	asm volatile("leaq 1f(%%rip), %0\n\t"
		     "movq %0, %%dr2\n\t"
		     "movq %1, %%dr7\n\t"
		     "1: movq %%dr2, %0"
		     : "=&r"(value) : "r"(DR7_INIT | BIT(4)));
	GUEST_ASSERT(value == READ_DR(2));
}

MINIVMX_TEST(breakpoint_at_a_move, guest_watches_its_own_move)
{
	if (runs_in_kvm())
		SKIP(return, "KVM (7.3) forgets RF when it does the same itself");
	set_traps(vcpu, BIT(VECTOR_DB), 0);
	run_to_exit(vcpu, EXIT_EXCEPTION);
	EXPECT_EQ(BIT(2), run->qualification & 0xf);
	EXPECT_EQ(get_sregs(vcpu).dr[2], run->regs.rip);
	run->regs.rflags |= RFLAGS_RF;
	run_to_done(vcpu);
}

/* In virtual-8086 mode the CPL is 3. Without an IDT, faults end the guest. */
GUEST_BLOB(virtual_8086, 16,
	   "	mov	%eax, %dr7\n"
	   "	mov	%eax, %dr0\n"
	   "	mov	%dr7, %eax\n");

TEST_F(vm, virtual_8086_mode)
{
	struct vm *vm = &self->vm;
	struct vcpu *vcpu = &vm->vcpu;
	struct minivmx_segment *segments[6];
	struct minivmx_sregs sregs;

	start_protected(vm, virtual_8086);
	sregs = get_sregs(vcpu);
	segments[0] = &sregs.es;
	segments[1] = &sregs.cs;
	segments[2] = &sregs.ss;
	segments[3] = &sregs.ds;
	segments[4] = &sregs.fs;
	segments[5] = &sregs.gs;
	for (int i = 0; i < 6; i++)
		*segments[i] = (struct minivmx_segment) {
			.limit = 0xffff, .access_rights = 0xf3,
		};
	sregs.idtr = (struct minivmx_table) { 0 };
	for (int i = 0; i < 3; i++) {
		set_sregs(vcpu, &sregs);
		vcpu->run->regs.rip = GUEST_BLOB_BASE + 3 * i;
		vcpu->run->regs.rflags = RFLAGS_VM | 2;
		vcpu->run->regs.rax = 0x455;
		run_to_exit(vcpu, EXIT_TRIPLE_FAULT);
		EXPECT_EQ(GUEST_BLOB_BASE + 3 * i, vcpu->run->regs.rip);
		EXPECT_EQ(0x455, vcpu->run->regs.rax);
		EXPECT_EQ(sregs.dr[0], get_sregs(vcpu).dr[0]);
		EXPECT_EQ(sregs.dr[5], get_sregs(vcpu).dr[5]);
	}
}

/* At CPL 0: #UD before #DB, and nothing else has changed by it. */
static void guest_meets_general_detect(void)
{
	struct gprs gprs = { .a = 0x5555 };

	write_addresses();
	set_cr4_de(true);
	WRITE_DR(7, DR7_INIT | DR7_GD);
	GUEST_ASSERT_FAULTS(VECTOR_UD, "movq %%rax, %%dr4");
	GUEST_ASSERT_FAULTS(VECTOR_UD, "movq %%dr5, %%rax");
	GUEST_ASSERT_FAULTS(VECTOR_DB, "movq %%rax, %%dr0");
	GUEST_ASSERT(guest_fault.rip != guest_fault.resume);
	/* The exception cleared GD. */
	GUEST_ASSERT(READ_DR(7) == DR7_INIT);
	GUEST_ASSERT((READ_DR(6) & (DR6_BD | DR6_BS)) == DR6_BD);
	GUEST_ASSERT(READ_DR(0) == addresses[0]);
	/* BD stays until software clears it. */
	WRITE_DR(7, DR7_INIT | DR7_GD);
	GUEST_ASSERT_FAULTS(VECTOR_DB, "movq %%dr7, %%rax");
	WRITE_DR(6, DR6_INIT);
	/* Before a value is looked at, too. */
	WRITE_DR(7, DR7_INIT | DR7_GD);
	gprs.a = BIT(32);
	GUEST_ASSERT(GUEST_TRY("movq %%rax, %%dr7", &gprs) == VECTOR_DB);
	GUEST_ASSERT(READ_DR(6) == (DR6_INIT | DR6_BD));
	/* Without DE they are other names for DR6 and DR7. */
	set_cr4_de(false);
	gprs.a = DR6_INIT | 5;
	GUEST_ASSERT(GUEST_TRY("movq %%rax, %%dr4", &gprs) == NO_FAULT);
	GUEST_ASSERT(READ_DR(6) == (DR6_INIT | 5));
	GUEST_ASSERT(GUEST_TRY("movq %%dr5, %%rax", &gprs) == NO_FAULT);
	GUEST_ASSERT(gprs.a == DR7_INIT);
}

MINIVMX_TEST(general_detect, guest_meets_general_detect)
{
	run_to_done(vcpu);
	EXPECT_EQ(DR7_INIT, get_sregs(vcpu).dr[5]);
}

static void guest_meets_general_detect_once(void)
{
	WRITE_DR(7, DR7_INIT | DR7_GD);
	GUEST_ASSERT_FAULTS(VECTOR_DB, "movq %%rax, %%dr0");
	GUEST_ASSERT(guest_fault.rflags & RFLAGS_RF);
}

/* Other than at a breakpoint, RF is 1 in the image: it is for the driver to set it. */
MINIVMX_TEST(general_detect_of_the_driver, guest_meets_general_detect_once)
{
	set_traps(vcpu, 0, 1, EXIT_DR_ACCESS);
	run_to_untrapped(vcpu);
	EXPECT_EQ(UCALL_DONE, get_ucall(vcpu)) TH_LOG("%s", describe_exit(vcpu));
}

static void guest_writes_high_halves(void)
{
	write_addresses();
	for (int bit = 32; bit < 64; bit += 31) {
		struct gprs gprs = { .a = BIT(bit) | DR7_INIT | 1 };

		GUEST_ASSERT(GUEST_TRY("movq %%rax, %%dr6", &gprs) == VECTOR_GP);
		GUEST_ASSERT(GUEST_TRY("movq %%rax, %%dr7", &gprs) == VECTOR_GP);
		GUEST_ASSERT(READ_DR(6) == DR6_INIT && READ_DR(7) == DR7_INIT);
		/* Of addresses, all bits are kept. */
		GUEST_ASSERT(GUEST_TRY("movq %%rax, %%dr1", &gprs) == NO_FAULT);
		GUEST_ASSERT(READ_DR(1) == gprs.a);
	}
}

MINIVMX_TEST(high_halves, guest_writes_high_halves)
{
	run_to_done(vcpu);
}

/* -------------------------------------------------------------- what DR6 says */

/* Sets TF, so that @instruction is followed by #DB. */
#define STEP(instruction)						\
	"pushfq; orq $0x100, (%%rsp); popfq; " instruction

static void guest_looks_at_dr6(void)
{
	struct gprs gprs = { 0 };

	/* B0 to B3 are set anew, the others stay until software clears them. */
	WRITE_DR(6, DR6_INIT | DR6_BD | 0xf);
	GUEST_ASSERT(GUEST_TRY(STEP("nop"), &gprs) == VECTOR_DB);
	GUEST_ASSERT(guest_fault.rip == guest_fault.resume);
	GUEST_ASSERT((READ_DR(6) & ~0xfUL) == (DR6_INIT | DR6_BD | DR6_BS));
	/* An instruction that the driver carries out. */
	WRITE_DR(6, DR6_INIT);
	GUEST_ASSERT(GUEST_TRY(STEP("vmcall"), &gprs) == VECTOR_DB);
	GUEST_ASSERT(guest_fault.rip == guest_fault.resume);
	GUEST_ASSERT(READ_DR(6) == (DR6_INIT | DR6_BS));
	/* INT1 says nothing. */
	WRITE_DR(6, DR6_INIT);
	GUEST_ASSERT(GUEST_TRY(".byte 0xf1", &gprs) == VECTOR_DB);
	GUEST_ASSERT(guest_fault.rip == guest_fault.resume);
	GUEST_ASSERT(READ_DR(6) == DR6_INIT);
}

MINIVMX_TEST(dr6, guest_looks_at_dr6)
{
	run_to_done(vcpu);
}

/*
 * As run_to_done(). KVM (7.3) forgets an INT1 whose delivery exits to itself, and
 * the guest executes it again.
 */
static void run_to_done_in_spite_of_kvm(const struct vcpu *vcpu)
{
	struct minivmx_run *run = vcpu->run;

	do {
		require(!run_error(vcpu), "MINIVMX_RUN fails");
		run->answer = MINIVMX_ANSWER_DEFAULT;
	} while (runs_in_kvm() && run->reason == EXIT_EXCEPTION &&
		 run->interruption_info == (INFO_INT1 | VECTOR_DB));
	require(get_ucall(vcpu) == UCALL_DONE, "%s", describe_exit(vcpu));
}

/* Trapped, and given back: the guest sees no difference. */
MINIVMX_TEST(dr6_given_back, guest_looks_at_dr6)
{
	static const struct {
		u32 info;
		u64 qualification;
	} expected[] = {
		{ INFO_EXCEPTION | VECTOR_DB, DR6_BS },
		{ INFO_EXCEPTION | VECTOR_DB, DR6_BS },
		{ INFO_INT1 | VECTOR_DB, 0 },
	};

	set_traps(vcpu, BIT(VECTOR_DB), 0);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		run_to_exit(vcpu, EXIT_EXCEPTION);
		EXPECT_EQ(expected[i].info, run->interruption_info);
		EXPECT_EQ(expected[i].qualification, run->qualification);
		run->answer = MINIVMX_ANSWER_DEFAULT;
	}
	run_to_done_in_spite_of_kvm(vcpu);
}

/* ----------------------------------------------- steps over STI and MOV SS */

/*
 * What a VM entry insists on, and Bochs 3.0 does not check: where events are
 * blocked by STI or MOV SS while TF is 1, the trap of the step is pending (SDM
 * Vol. 3C, "Checks on Guest Non-Register State"). An answer with @immediate_exit
 * shows the state before the entry.
 */
static void expect_steps_to_be_pending(struct __test_metadata *_metadata,
				       const struct vcpu *vcpu)
{
	u32 blocking;

	vcpu->run->immediate_exit = 1;
	EXPECT_EQ(EINTR, run_error(vcpu));
	vcpu->run->immediate_exit = 0;
	blocking = get_sregs(vcpu).interruptibility &
		   (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS);
	if (vcpu->run->regs.rflags & RFLAGS_TF && blocking)
		EXPECT_TRUE(vmread(vcpu, GUEST_PENDING_DEBUG) & DR6_BS)
			TH_LOG("blocking by %u", blocking);
}

static void guest_steps_over_sti(void)
{
	struct gprs gprs = { 0 };

	asm volatile("cli");
	GUEST_ASSERT(GUEST_TRY(STEP("sti"), &gprs) == VECTOR_DB);
	GUEST_ASSERT(guest_fault.rip == guest_fault.resume);
	GUEST_ASSERT(guest_fault.rflags & RFLAGS_IF);
}

MINIVMX_TEST(step_over_sti, guest_steps_over_sti)
{
	run_to_done(vcpu);
}

MINIVMX_TEST(step_over_sti_given_back, guest_steps_over_sti)
{
	set_traps(vcpu, BIT(VECTOR_DB), 0);
	run_to_exit(vcpu, EXIT_EXCEPTION);
	EXPECT_EQ(DR6_BS, run->qualification);
	EXPECT_EQ(BLOCKING_BY_STI, get_sregs(vcpu).interruptibility);
	run->answer = MINIVMX_ANSWER_DEFAULT;
	expect_steps_to_be_pending(_metadata, vcpu);
	run_to_done(vcpu);
}

static void guest_to_be_stepped(void)
{
	asm volatile("cli\n\t"
		     "sti\n\t"
		     "nop\n\t"
		     "movl %%ss, %%eax\n\t"
		     "movl %%eax, %%ss\n\t"
		     "nop\n\t"
		     "nop" : : : "eax");
}

/* A program that steps gets on: one #DB for each, but for the one after MOV SS. */
MINIVMX_TEST(program_steps_over_sti, guest_to_be_stepped)
{
	static const u8 lengths[] = { 1, 1, 1, 2, 3, 1 };
	u64 rip = run->regs.rip;

	/* Behind what the compiler puts first. */
	while (*(u8 *)rip != 0xfa)
		rip++;
	run->regs.rip = rip;
	set_traps(vcpu, BIT(VECTOR_DB), 0);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		run->regs.rflags |= RFLAGS_TF;
		expect_steps_to_be_pending(_metadata, vcpu);
		run_to_exit(vcpu, EXIT_EXCEPTION);
		rip += lengths[i];
		EXPECT_EQ(DR6_BS, run->qualification);
		EXPECT_EQ(rip, run->regs.rip) TH_LOG("step %zu", i);
	}
	run->regs.rflags &= ~RFLAGS_TF;
	run_to_done(vcpu);
}

static void guest_reads_a_hole_after_sti(void)
{
	u64 value;

	asm volatile("cli\n\t"
		     "sti\n\t"
		     "movq (%1), %0\n\t"
		     "nop" : "=r"(value) : "r"(HOLE));
	GUEST_ASSERT(value == 7);
}

/* It begins to step where the last instruction was STI. */
MINIVMX_TEST(program_steps_in_the_shadow_of_sti, guest_reads_a_hole_after_sti)
{
	u64 rip;

	run_to_exit(vcpu, MINIVMX_EXIT_MEMORY);
	EXPECT_EQ(BLOCKING_BY_STI, get_sregs(vcpu).interruptibility);
	map_memory(vm, HOLE, PAGE_4K, 0);
	*(u64 *)mmap_memory(vm, HOLE, PAGE_4K) = 7;
	set_traps(vcpu, BIT(VECTOR_DB), 0);
	rip = run->regs.rip;
	run->regs.rflags |= RFLAGS_TF;
	expect_steps_to_be_pending(_metadata, vcpu);
	run_to_exit(vcpu, EXIT_EXCEPTION);
	EXPECT_EQ(DR6_BS, run->qualification);
	EXPECT_EQ(rip + 3, run->regs.rip);
	run->regs.rflags &= ~RFLAGS_TF;
	run_to_done(vcpu);
}

/* ----------------------------------------------------------- breakpoints on I/O */

#define WATCHED_PORT	0x34
#define RW_WRITE	1UL
#define RW_PORT		2UL
#define RW_ANY		3UL
#define LENGTH(bytes)	((bytes) == 8 ? 2UL : (bytes) - 1UL)

/* Breakpoint @n, enabled by its L bit. */
static u64 breakpoint(u64 n, u64 rw, u64 bytes)
{
	return DR7_INIT | BIT(2 * n) | (rw | LENGTH(bytes) << 2) << (16 + 4 * n);
}

static const struct {
	u64 address, bytes;	/* of the breakpoint */
	u64 port;
	bool met[3];		/* by IN of 1, 2 and 4 bytes */
} ports[] = {
	{ 0x34, 1, 0x34, { true, true, true } },
	{ 0x34, 1, 0x33, { false, true, true } },
	{ 0x34, 1, 0x32, { false, false, true } },
	{ 0x34, 1, 0x30, { false, false, false } },
	{ 0x34, 1, 0x35, { false, false, false } },
	{ 0x34, 2, 0x35, { true, true, true } },
	{ 0x35, 2, 0x34, { true, true, true } },
	{ 0x35, 2, 0x36, { false, false, false } },
	{ 0x36, 4, 0x34, { true, true, true } },
	{ 0x36, 4, 0x37, { true, true, true } },
	{ 0x36, 4, 0x38, { false, false, false } },
	{ 0x34 + 0x10000, 1, 0x34, { false, false, false } },
};

#define GUEST_ASSERT_PORT(expected, instruction, port) do {		\
		struct gprs _gprs = { .d = (port) };			\
		u64 _vector = (expected) ? VECTOR_DB : NO_FAULT;	\
									\
		WRITE_DR(6, DR6_INIT);					\
		GUEST_ASSERT(GUEST_TRY(instruction, &_gprs) == _vector); \
		GUEST_ASSERT(_vector == NO_FAULT ||			\
			     guest_fault.rip == guest_fault.resume);	\
		GUEST_ASSERT(READ_DR(6) == (DR6_INIT | ((expected) ? 2 : 0))); \
	} while (0)

static void guest_watches_ports(void)
{
	set_cr4_de(true);
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		WRITE_DR(1, ports[i].address);
		WRITE_DR(7, breakpoint(1, RW_PORT, ports[i].bytes));
		GUEST_ASSERT_PORT(ports[i].met[0], "inb %%dx, %%al", ports[i].port);
		GUEST_ASSERT_PORT(ports[i].met[0], "outb %%al, %%dx", ports[i].port);
		GUEST_ASSERT_PORT(ports[i].met[1], "inw %%dx, %%ax", ports[i].port);
		GUEST_ASSERT_PORT(ports[i].met[2], "inl %%dx, %%eax", ports[i].port);
	}
}

/* The trap comes after the instruction, which the program has carried out by then. */
MINIVMX_TEST(breakpoints_on_ports, guest_watches_ports)
{
	for (;;) {
		vcpu_run(vcpu);
		if (run->reason != EXIT_IO || run->io.port > 0x40)
			break;
		run->io.data = 0x12345678;
	}
	EXPECT_EQ(UCALL_DONE, get_ucall(vcpu)) TH_LOG("%s", describe_exit(vcpu));
}

static void guest_writes_to_a_watched_port(void)
{
	set_cr4_de(true);
	WRITE_DR(1, WATCHED_PORT);
	WRITE_DR(7, breakpoint(1, RW_PORT, 1));
	GUEST_ASSERT_PORT(true, "outb %%al, %%dx", WATCHED_PORT);
}

/* An interrupt would take the place of the trap that is to come. */
MINIVMX_TEST(not_ready_at_a_watched_port, guest_writes_to_a_watched_port)
{
	run_to_exit(vcpu, EXIT_IO);
	EXPECT_EQ(0, run->ready);
	run_to_done(vcpu);
}

static void guest_watches_no_port(void)
{
	WRITE_DR(1, WATCHED_PORT);
	/* Not enabled; for data; without CR4.DE. */
	set_cr4_de(true);
	WRITE_DR(7, breakpoint(1, RW_PORT, 1) & ~BIT(2));
	GUEST_ASSERT_PORT(false, "inb %%dx, %%al", WATCHED_PORT);
	WRITE_DR(7, breakpoint(0, RW_PORT, 1));
	GUEST_ASSERT_PORT(false, "inb %%dx, %%al", WATCHED_PORT);
	WRITE_DR(7, breakpoint(1, RW_ANY, 1));
	GUEST_ASSERT_PORT(false, "inb %%dx, %%al", WATCHED_PORT);
	set_cr4_de(false);
	WRITE_DR(7, breakpoint(1, RW_PORT, 1));
	GUEST_ASSERT_PORT(false, "inb %%dx, %%al", WATCHED_PORT);
}

MINIVMX_TEST(no_breakpoints_on_ports, guest_watches_no_port)
{
	for (int i = 0; i < 4; i++)
		run_to_exit(vcpu, EXIT_IO);
	run_to_done(vcpu);
}

/* By global enabling, and together with a step. */
static void guest_steps_over_a_port(void)
{
	struct gprs gprs = { .d = WATCHED_PORT };

	set_cr4_de(true);
	WRITE_DR(3, WATCHED_PORT);
	WRITE_DR(6, DR6_INIT);
	WRITE_DR(7, (breakpoint(3, RW_PORT, 1) & ~BIT(6)) | BIT(7));
	GUEST_ASSERT(GUEST_TRY(STEP("inb %%dx, %%al"), &gprs) == VECTOR_DB);
	GUEST_ASSERT(guest_fault.rip == guest_fault.resume);
	GUEST_ASSERT(READ_DR(6) == (DR6_INIT | DR6_BS | 8));
	GUEST_ASSERT((u8)gprs.a == 0x5a);
}

MINIVMX_TEST(step_over_a_watched_port, guest_steps_over_a_port)
{
	run_to_exit(vcpu, EXIT_IO);
	run->io.data = 0x5a;
	run_to_done(vcpu);
}

static u64 buffer[4];

#define GUEST_ASSERT_STRING(breakpoints, instruction, offset) do {	\
		u64 _b = (breakpoints);					\
		u64 _at = (uintptr_t)buffer + (offset);			\
		struct gprs _gprs = { .c = 1, .d = 0x30,		\
				      .si = _at, .di = _at };		\
									\
		WRITE_DR(6, DR6_INIT);					\
		GUEST_ASSERT(GUEST_TRY(instruction, &_gprs) ==		\
			     (_b ? VECTOR_DB : NO_FAULT));		\
		GUEST_ASSERT(READ_DR(6) == (DR6_INIT | _b));		\
	} while (0)

/* Memory of INS and OUTS, by DR0 for writes and DR2 for reads and writes. */
static void guest_watches_memory(void)
{
	set_cr4_de(false);
	WRITE_DR(0, (uintptr_t)buffer);
	WRITE_DR(2, (uintptr_t)buffer + 16);
	WRITE_DR(7, breakpoint(0, RW_WRITE, 4) | breakpoint(2, RW_ANY, 8));
	GUEST_ASSERT_STRING(1, "insl", 0);
	GUEST_ASSERT_STRING(1, "insb", 3);
	GUEST_ASSERT_STRING(0, "insb", 4);
	GUEST_ASSERT_STRING(1, "insw", 3);
	GUEST_ASSERT_STRING(0, "outsl", 0);
	GUEST_ASSERT_STRING(4, "outsl", 16);
	GUEST_ASSERT_STRING(4, "outsb", 23);
	GUEST_ASSERT_STRING(0, "outsb", 24);
	GUEST_ASSERT_STRING(4, "insl", 20);
	GUEST_ASSERT_STRING(4, "insl", 13);
	GUEST_ASSERT_STRING(0, "insl", 12);
	GUEST_ASSERT_STRING(4, "rep outsb", 20);
}

MINIVMX_TEST(breakpoints_on_strings, guest_watches_memory)
{
	for (int i = 0; i < 12; i++)
		run_to_exit(vcpu, EXIT_IO);
	run_to_done(vcpu);
}

/* Within REP the trap comes between two iterations, as it would after a step. */
static void guest_watches_the_second_of_three(void)
{
	struct gprs gprs = { .c = 3, .d = 0x30, .di = (uintptr_t)buffer };

	WRITE_DR(0, (uintptr_t)buffer + 1);
	WRITE_DR(6, DR6_INIT);
	WRITE_DR(7, breakpoint(0, RW_WRITE, 1));
	GUEST_ASSERT(GUEST_TRY("rep insb", &gprs) == VECTOR_DB);
	GUEST_ASSERT(guest_fault.rip == guest_fault.resume - 2);
	GUEST_ASSERT(READ_DR(6) == (DR6_INIT | 1));
	GUEST_ASSERT(gprs.c == 1 && gprs.di == (uintptr_t)buffer + 2);
}

MINIVMX_TEST(breakpoint_within_rep, guest_watches_the_second_of_three)
{
	for (int i = 0; i < 2; i++)
		run_to_exit(vcpu, EXIT_IO);
	run_to_done(vcpu);
}

TEST_HARNESS_MAIN
