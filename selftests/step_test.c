// SPDX-License-Identifier: GPL-2.0
/*
 * The driver single-steps an instruction that writes to a page table. The guest
 * cannot tell: here its stack and its interrupt stack are in a page table that is
 * in use, so that what would give the driver away is written where it steps.
 */
#include "minivmx_harness.h"
#include "window.h"

#define RFLAGS_TF	BIT(8)
#define RFLAGS_IF	BIT(9)
#define DR6_BS		BIT(14)
#define DR6_INIT	0xffff0ff0UL
#define NOT_MAPPED	WINDOW_PAGE(2)

#define GUEST_PENDING_DEBUG	0x6822

/*
 * Entries 0 to 15 of the table map pages; the stack begins at its end, and that
 * of exceptions in the middle.
 */
#define TABLE		window_pts[0]
#define STACK_TOP	((uintptr_t)&window_pts[1])
#define IST_TOP		((uintptr_t)&window_pts[0].words[256])

static u64 read_dr6(void)
{
	u64 value;

	asm volatile("movq %%dr6, %0" : "=r"(value));
	return value;
}

/* Brings the table into use, again: so that it is protected where any is. */
static void use_table(void)
{
	map_page(0, &page_a);
	GUEST_ASSERT(read_at(WINDOW_PAGE(0)) == (uintptr_t)&page_a);
}

static void begin(void)
{
	open_window();
	use_table();
	asm volatile("movq %0, %%dr6" : : "r"(DR6_INIT));
}

/* Exceptions go on a stack in the table, too. */
static void move_exception_stack(void)
{
	write_at(GUEST_TSS + 36, IST_TOP);
}

/* Nothing of the driver's step is left in the guest's registers. */
static void end(void)
{
	u64 flags;

	asm volatile("pushfq; popq %0" : "=r"(flags));
	GUEST_ASSERT(!(flags & RFLAGS_TF));
	GUEST_ASSERT(read_dr6() == DR6_INIT);
}

/*
 * Executes @code with the stack at the end of the table; what it leaves in RAX.
 * R12 holds the real stack pointer, RBX the table.
 */
#define ON_TABLE(code) ({						\
	u64 _result;							\
									\
	use_table();							\
	asm volatile("movq %%rsp, %%r12\n\t"				\
		     "movq %[top], %%rsp\n\t"				\
		     code "\n\t"					\
		     "movq %%r12, %%rsp"				\
		     : "=a"(_result)					\
		     : [top] "r"(STACK_TOP), "b"(&TABLE)		\
		     : "rcx", "rdx", "r10", "r11", "r12", "r13",	\
		       "memory", "cc");					\
	_result;							\
})

/* ---------------------------------------------------------- flags that are seen */

static void guest_pushes_flags(void)
{
	u64 flags;

	begin();
	flags = ON_TABLE("pushfq; popq %%rax");
	GUEST_ASSERT(!(flags & RFLAGS_TF));
	GUEST_ASSERT(flags & RFLAGS_IF);
	/* The image as it is in memory. */
	ON_TABLE("pushfq");
	GUEST_ASSERT(TABLE.words[ENTRIES - 1] == (flags & ~0x8d5UL) ||
		     !(TABLE.words[ENTRIES - 1] & RFLAGS_TF));
	flags = ON_TABLE("pushfw; movzwl (%%rsp), %%eax; addq $2, %%rsp");
	GUEST_ASSERT(!(flags & RFLAGS_TF));
	/* Two in a row, and with other flags set: carry, direction. */
	flags = ON_TABLE("stc; std; pushfq; pushfq; cld; popq %%rax; popq %%rcx\n\t"
			 "xorq %%rax, %%rcx; orq %%rcx, %%rax");
	GUEST_ASSERT(!(flags & RFLAGS_TF));
	GUEST_ASSERT((flags & 0x401) == 0x401);
	end();
}

MINIVMX_TEST(pushf, guest_pushes_flags)
{
	run_to_done(vcpu);
}

static void guest_pops_flags(void)
{
	u64 flags;

	begin();
	/* Written by stepping, taken back without. */
	flags = ON_TABLE("pushq $0x203; popfq; pushfq; popq %%rax; clc");
	GUEST_ASSERT((flags & (RFLAGS_TF | RFLAGS_IF | 1)) == (RFLAGS_IF | 1));
	flags = ON_TABLE("pushq $0x2; popfq; pushfq; sti; popq %%rax");
	GUEST_ASSERT(!(flags & (RFLAGS_TF | RFLAGS_IF)));
	end();
}

MINIVMX_TEST(popf, guest_pops_flags)
{
	run_to_done(vcpu);
}

static void guest_calls(void)
{
	u64 result;

	begin();
	result = ON_TABLE("call 1f; jmp 2f\n"
			  "1: pushfq; popq %%rax; ret\n"
			  "2:");
	GUEST_ASSERT(!(result & RFLAGS_TF));
	result = ON_TABLE("pushq %%rbp; movq %%rsp, %%rbp; enter $64, $2\n\t"
			  "pushfq; popq %%rax; leave; popq %%rbp");
	GUEST_ASSERT(!(result & RFLAGS_TF));
	end();
}

MINIVMX_TEST(call_and_enter, guest_calls)
{
	run_to_done(vcpu);
}

/* ------------------------------------------------------------------- exceptions */

static void guest_faults(void)
{
	struct gprs gprs = { 0 };

	begin();
	move_exception_stack();
	for (int i = 0; i < 5; i++) {
		use_table();
		GUEST_ASSERT(GUEST_TRY("ud2", &gprs) == VECTOR_UD);
		GUEST_ASSERT(!(guest_fault.rflags & RFLAGS_TF));
		use_table();
		GUEST_ASSERT(GUEST_TRY("int3", &gprs) == VECTOR_BP);
		GUEST_ASSERT(!(guest_fault.rflags & RFLAGS_TF));
		GUEST_ASSERT(guest_fault.rip == guest_fault.resume);
		use_table();
		GUEST_ASSERT(GUEST_TRY("int $20", &gprs) == 20);
		GUEST_ASSERT(!(guest_fault.rflags & RFLAGS_TF));
		use_table();
		GUEST_ASSERT(try_read(NOT_MAPPED) == VECTOR_PF);
		GUEST_ASSERT(guest_fault.cr2 == NOT_MAPPED);
		GUEST_ASSERT(guest_fault.error == 0);
		GUEST_ASSERT(!(guest_fault.rflags & RFLAGS_TF));
		use_table();
		GUEST_ASSERT(try_write(NOT_MAPPED + 8, 0) == VECTOR_PF);
		GUEST_ASSERT(guest_fault.cr2 == NOT_MAPPED + 8);
		GUEST_ASSERT(guest_fault.error == 2);
	}
	GUEST_ASSERT(guest_fault.count == 25);
	end();
}

/* The event's own frame is what is written to the table. */
MINIVMX_TEST(exception_frames_in_a_table, guest_faults)
{
	run_to_done(vcpu);
}

/* An IRET that goes on in the table's stack, and writes nothing. */
static void guest_returns(void)
{
	u64 flags;

	begin();
	flags = ON_TABLE("pushq $0x10; pushq %[top]; pushq $0x203; pushq $0x08\n\t"
			 "leaq 1f(%%rip), %%rax; pushq %%rax; iretq\n"
			 "1: pushfq; popq %%rax");
	GUEST_ASSERT((flags & (RFLAGS_TF | RFLAGS_IF | 1)) == (RFLAGS_IF | 1));
	end();
}

MINIVMX_TEST(iret, guest_returns)
{
	run_to_done(vcpu);
}

/* A write that begins in the table, and ends in a page that is not there. */
static void guest_faults_in_the_middle(void)
{
	const u64 straddling = WINDOW_PAGE(2) - 4;
	struct gprs gprs = { .b = straddling, .a = ~0UL };

	begin();
	/* Page 1 of the window is the table; page 2 is not there. */
	map_page(1, &TABLE);
	TABLE.words[2] = 0;
	invalidate(WINDOW_PAGE(2));
	for (int i = 0; i < 5; i++) {
		TABLE.words[ENTRIES - 1] = 0;
		use_table();
		GUEST_ASSERT(GUEST_TRY("movq %%rax, (%%rbx)", &gprs) == VECTOR_PF);
		GUEST_ASSERT(guest_fault.cr2 == WINDOW_PAGE(2));
		GUEST_ASSERT(guest_fault.error == 2);
		GUEST_ASSERT(!(guest_fault.rflags & RFLAGS_TF));
		GUEST_ASSERT(TABLE.words[ENTRIES - 1] == 0);
	}
	/* With the page there, it goes through. */
	map_page(2, &page_b);
	GUEST_ASSERT(GUEST_TRY("movq %%rax, (%%rbx)", &gprs) == NO_FAULT);
	GUEST_ASSERT(TABLE.words[ENTRIES - 1] == ~0UL << 32);
	GUEST_ASSERT((u32)page_b.words[0] == ~0U);
	end();
}

MINIVMX_TEST(fault_in_the_middle, guest_faults_in_the_middle)
{
	run_to_done(vcpu);
}

/* The same while the guest steps: the fault comes instead of the instruction's trap. */
static void guest_steps_into_a_fault(void)
{
	struct gprs gprs = { .b = WINDOW_PAGE(2) - 4, .a = ~0UL };

	begin();
	map_page(1, &TABLE);
	TABLE.words[2] = 0;
	invalidate(WINDOW_PAGE(2));
	for (u64 i = 1; i <= 5; i++) {
		use_table();
		GUEST_ASSERT(GUEST_TRY("pushfq; orq $0x100, (%%rsp); popfq\n\t"
				       "movq %%rax, (%%rbx)", &gprs) == VECTOR_PF);
		GUEST_ASSERT(guest_fault.cr2 == WINDOW_PAGE(2));
		GUEST_ASSERT(guest_fault.rflags & RFLAGS_TF);
		GUEST_ASSERT(guest_fault.count == i);
	}
	end();
}

MINIVMX_TEST(fault_of_a_step, guest_steps_into_a_fault)
{
	run_to_done(vcpu);
}

/* Or the program mends it: then it is one instruction, with one trap. */
static void guest_steps_into_a_trapped_fault(void)
{
	struct gprs gprs = { .b = WINDOW_PAGE(2) - 4, .a = ~0UL };

	begin();
	map_page(1, &TABLE);
	TABLE.words[2] = 0;
	invalidate(WINDOW_PAGE(2));
	use_table();
	GUEST_ASSERT(GUEST_TRY("pushfq; orq $0x100, (%%rsp); popfq\n\t"
			       "movq %%rax, (%%rbx)", &gprs) == VECTOR_DB);
	GUEST_ASSERT(guest_fault.rip == guest_fault.resume);
	GUEST_ASSERT(guest_fault.count == 1);
	GUEST_ASSERT(TABLE.words[ENTRIES - 1] == ~0UL << 32);
	asm volatile("movq %0, %%dr6" : : "r"(DR6_INIT));
	end();
}

MINIVMX_TEST(trapped_fault_of_a_step, guest_steps_into_a_trapped_fault)
{
	struct minivmx_sregs sregs;

	set_traps(vcpu, BIT(VECTOR_PF), 0);
	run_to_exit(vcpu, EXIT_EXCEPTION);
	EXPECT_EQ(WINDOW_PAGE(2), run->qualification);
	sregs = get_sregs(vcpu);
	EXPECT_EQ(0, sregs.interruptibility);
	EXPECT_EQ(0, vmread(vcpu, GUEST_PENDING_DEBUG));
	guest_copy(vm, TABLE)->words[2] = entry_for(&page_b);
	set_sregs(vcpu, &sregs);
	run_to_done(vcpu);
}

/* REP MOVS into the table, whose source ends halfway. */
static void guest_copies_halfway(void)
{
	struct gprs gprs;

	begin();
	map_page(1, &page_b);
	TABLE.words[2] = 0;
	invalidate(WINDOW_PAGE(2));
	for (int i = 0; i < 5; i++) {
		for (u64 word = 0; word < ENTRIES; word++)
			page_b.words[word] = word << 1;
		use_table();
		gprs = (struct gprs) {
			.si = WINDOW_PAGE(2) - 16 * 8,
			.di = (uintptr_t)&TABLE.words[300],
			.c = 32,
		};
		GUEST_ASSERT(GUEST_TRY("rep movsq", &gprs) == VECTOR_PF);
		GUEST_ASSERT(guest_fault.cr2 == WINDOW_PAGE(2));
		GUEST_ASSERT(guest_fault.error == 0);
		GUEST_ASSERT(!(guest_fault.rflags & RFLAGS_TF));
		GUEST_ASSERT(gprs.c == 16);
		GUEST_ASSERT(gprs.si == WINDOW_PAGE(2));
		GUEST_ASSERT(gprs.di == (uintptr_t)&TABLE.words[316]);
		for (u64 word = 0; word < 16; word++)
			GUEST_ASSERT(TABLE.words[300 + word] == (496 + word) << 1);
	}
	end();
}

MINIVMX_TEST(string_copy_that_faults, guest_copies_halfway)
{
	run_to_done(vcpu);
}

static void guest_stores_strings(void)
{
	struct gprs gprs;
	u64 flags;

	begin();
	for (u64 count = 0; count < 40; count++) {
		use_table();
		gprs = (struct gprs) {
			.a = count << 1, .di = (uintptr_t)&TABLE.words[300],
			.c = count,
		};
		GUEST_ASSERT(GUEST_TRY("rep stosq", &gprs) == NO_FAULT);
		GUEST_ASSERT(gprs.c == 0);
		GUEST_ASSERT(gprs.di == (uintptr_t)&TABLE.words[300 + count]);
		for (u64 word = 0; word < count; word++)
			GUEST_ASSERT(TABLE.words[300 + word] == count << 1);
	}
	/* The next instruction is no part of it. */
	flags = ON_TABLE("leaq 2400(%%rbx), %%rdi; movl $3, %%ecx; rep stosq\n\t"
			 "pushfq; popq %%rax");
	GUEST_ASSERT(!(flags & RFLAGS_TF));
	end();
}

MINIVMX_TEST(rep_stos, guest_stores_strings)
{
	run_to_done(vcpu);
}

/* --------------------------------------------------------- shadows of one step */

/* Where interrupts, or debug exceptions, are held back for one instruction. */
static void guest_writes_in_shadows(void)
{
	u64 flags;

	begin();
	for (int i = 0; i < 5; i++) {
		flags = ON_TABLE("cli; sti; pushfq; popq %%rax");
		GUEST_ASSERT(!(flags & RFLAGS_TF));
		GUEST_ASSERT(flags & RFLAGS_IF);
		flags = ON_TABLE("movl %%ss, %%ecx; movl %%ecx, %%ss\n\t"
				 "pushfq; popq %%rax");
		GUEST_ASSERT(!(flags & RFLAGS_TF));
		/* The stack's segment and pointer, as they are changed together. */
		flags = ON_TABLE("movl %%ss, %%ecx; movl %%ecx, %%ss\n\t"
				 "movq %[top], %%rsp; pushfq; popq %%rax");
		GUEST_ASSERT(!(flags & RFLAGS_TF));
		flags = ON_TABLE("movl %%ss, %%ecx; movl %%ecx, %%ss\n\t"
				 "movq $2, 8(%%rbx); pushfq; popq %%rax");
		GUEST_ASSERT(!(flags & RFLAGS_TF));
	}
	end();
}

MINIVMX_TEST(interrupt_shadows, guest_writes_in_shadows)
{
	run_to_done(vcpu);
	EXPECT_EQ(0, get_sregs(vcpu).interruptibility);
}

/* -------------------------------------------------- the guest steps by itself */

/* What the handler of #DB counts: all, those that are no step, those without TF. */
volatile u64 steps, bad_step, without_tf, last_step;

/* Each step is one instruction. */
static __attribute__((naked)) void step_handler(void)
{
	asm("	pushq	%rax\n"
	    "	incq	steps(%rip)\n"
	    "	movq	8(%rsp), %rax\n"
	    "	cmpq	%rax, last_step(%rip)\n"
	    "	jne	1f\n"
	    "	incq	bad_step(%rip)\n"
	    "1:	movq	%rax, last_step(%rip)\n"
	    "	movq	24(%rsp), %rax\n"
	    "	btq	$8, %rax\n"
	    "	sbbq	$-1, without_tf(%rip)\n"
	    "	movq	%dr6, %rax\n"
	    "	btq	$14, %rax\n"
	    "	jc	2f\n"
	    "	incq	bad_step(%rip)\n"
	    "2:	movq	$0xffff0ff0, %rax\n"
	    "	movq	%rax, %dr6\n"
	    "	popq	%rax\n"
	    "	iretq\n");
}

static void catch_steps(void)
{
	volatile u64 *gate = (u64 *)GUEST_IDT + 2 * VECTOR_DB;
	u64 handler = (uintptr_t)step_handler;

	gate[0] = (gate[0] & 0x0000ffffffff0000) | (handler & 0xffff) |
		  (handler & 0xffff0000) << 32;
	gate[1] = handler >> 32;
}

/*
 * Steps through @code, which is so many instructions on the table's stack. POPF
 * that sets TF is not followed by #DB itself, POPF that clears it is; of the
 * frames that are pushed, only the last is without TF.
 */
#define GUEST_ASSERT_STEPS(instructions, code)				\
	do {								\
		steps = 0;						\
		bad_step = 0;						\
		last_step = 0;						\
		without_tf = 0;					\
		ON_TABLE("pushfq; orq $0x100, (%%rsp); popfq\n\t"	\
			 code "\n\t"					\
			 "pushfq; andq $~0x100, (%%rsp); popfq");	\
		GUEST_ASSERT(steps == (instructions) + 3);		\
		GUEST_ASSERT(bad_step == 0);				\
		GUEST_ASSERT(without_tf == 1);		\
	} while (0)

static void step_through_all(void)
{
	GUEST_ASSERT_STEPS(1, "nop");
	GUEST_ASSERT_STEPS(2, "pushq $1; popq %%rax");
	GUEST_ASSERT_STEPS(4, "pushq $1; pushq $2; popq %%rax; popq %%rax");
	GUEST_ASSERT_STEPS(1, "movq $4, 2400(%%rbx)");
	GUEST_ASSERT_STEPS(3, "movq $4, 2400(%%rbx); nop; movq $6, 2408(%%rbx)");
	GUEST_ASSERT_STEPS(3, "call 1f; jmp 2f; 1: ret; 2:");
	GUEST_ASSERT_STEPS(2, "pushfq; popq %%rax");
	/* A shadow of MOV SS holds the #DB back: one less. */
	GUEST_ASSERT_STEPS(3, "movl %%ss, %%ecx; movl %%ecx, %%ss\n\t"
			      "pushq $1; popq %%rax");
	/* Each iteration of REP is one. */
	GUEST_ASSERT_STEPS(2, "movl $3, %%ecx; leaq 2400(%%rbx), %%rdi");
}

static void guest_steps(void)
{
	u64 flags;

	begin();
	catch_steps();
	step_through_all();
	/* The pushed image has TF, since the guest set it. */
	flags = ON_TABLE("pushfq; orq $0x100, (%%rsp); popfq\n\t"
			 "pushfq; popq %%rax\n\t"
			 "pushfq; andq $~0x100, (%%rsp); popfq");
	GUEST_ASSERT(flags & RFLAGS_TF);
	asm volatile("movq %0, %%dr6" : : "r"(DR6_INIT));
	end();
}

MINIVMX_TEST(single_step_of_the_guest, guest_steps)
{
	run_to_done(vcpu);
}

/* The #DB's own frame goes into the table, too. */
static void guest_steps_on_table(void)
{
	begin();
	catch_steps();
	move_exception_stack();
	step_through_all();
	asm volatile("movq %0, %%dr6" : : "r"(DR6_INIT));
	end();
}

MINIVMX_TEST(single_step_with_frames_in_the_table, guest_steps_on_table)
{
	run_to_done(vcpu);
}

/* REP under TF: a #DB after each iteration, the instruction pointer stays. */
static void guest_steps_through_rep(void)
{
	begin();
	catch_steps();
	for (u64 count = 1; count < 5; count++) {
		volatile u64 *to = &TABLE.words[300];
		u64 left = count;

		steps = 0;
		use_table();
		asm volatile("pushfq; orq $0x100, (%%rsp); popfq\n\t"
			     "rep stosq\n\t"
			     "pushfq; andq $~0x100, (%%rsp); popfq"
			     : "+c"(left), "+D"(to) : "a"(2)
			     : "memory", "cc");
		GUEST_ASSERT(steps == count + 3);
		GUEST_ASSERT(to == &TABLE.words[300 + count]);
	}
}

MINIVMX_TEST(single_step_of_rep, guest_steps_through_rep)
{
	run_to_done(vcpu);
}

/* A breakpoint on what is written: #DB after the instruction, not for the step. */
static void guest_watches_table(void)
{
	struct gprs gprs = { .b = (uintptr_t)&TABLE.words[300], .a = 2 };

	begin();
	asm volatile("movq %0, %%dr0" : : "r"(gprs.b));
	asm volatile("movq %0, %%dr7" : : "r"(0x90402UL));
	for (int i = 0; i < 5; i++) {
		use_table();
		GUEST_ASSERT(GUEST_TRY("movq %%rax, (%%rbx)", &gprs) == VECTOR_DB);
		GUEST_ASSERT(guest_fault.rip == guest_fault.resume);
		GUEST_ASSERT(!(guest_fault.rflags & RFLAGS_TF));
		GUEST_ASSERT((read_dr6() & (0xf | DR6_BS)) == 1);
		asm volatile("movq %0, %%dr6" : : "r"(DR6_INIT));
	}
	asm volatile("movq %0, %%dr7" : : "r"(0x400UL));
	end();
}

MINIVMX_TEST(breakpoint_on_a_table, guest_watches_table)
{
	run_to_done(vcpu);
}

/* ------------------------------------------------------- writes despite CR0.WP = 0 */

#define CR0_WP		BIT(16)

static void clear_cr0_wp(void)
{
	u64 cr0;

	asm volatile("movq %%cr0, %0" : "=r"(cr0));
	asm volatile("movq %0, %%cr0" : : "r"(cr0 & ~CR0_WP) : "memory");
}

/* A read-only stack, which the supervisor may write: that is stepped as well. */
static void guest_writes_read_only(void)
{
	u64 flags, stack;

	begin();
	clear_cr0_wp();
	TABLE.words[3] = (uintptr_t)&page_b | PTE_P;
	for (int i = 0; i < 5; i++) {
		asm volatile("movq %%rsp, %1; movq %2, %%rsp; pushfq; popq %0\n\t"
			     "pushfq; movq %1, %%rsp"
			     : "=&r"(flags), "=&r"(stack)
			     : "r"(WINDOW_PAGE(4)) : "memory");
		GUEST_ASSERT(!(flags & RFLAGS_TF));
		GUEST_ASSERT(!(page_b.words[ENTRIES - 1] & RFLAGS_TF));
		GUEST_ASSERT(page_b.words[ENTRIES - 1] & RFLAGS_IF);
		page_b.words[ENTRIES - 1] = 0;
	}
	GUEST_ASSERT((TABLE.words[3] & 0xfff) == (PTE_P | PTE_A | PTE_D));
	end();
}

MINIVMX_TEST(read_only_stack_without_wp, guest_writes_read_only)
{
	run_to_done(vcpu);
}

/* ------------------------------------------------- the program looks at a step */

static void guest_outputs_from_table(void)
{
	volatile u64 *at = &TABLE.words[300];

	begin();
	for (u64 i = 0; ; i++) {
		use_table();
		*at = i << 1;
		GUEST_SYNC(i);
	}
}

/* Exits to the program come between steps: no trace of them in its registers. */
MINIVMX_TEST(program_sees_no_step, guest_outputs_from_table)
{
	for (u64 i = 0; i < 20; i++) {
		struct minivmx_sregs sregs;

		run_to_sync(vcpu, i);
		sregs = get_sregs(vcpu);
		EXPECT_EQ(0, run->regs.rflags & RFLAGS_TF);
		EXPECT_EQ(DR6_INIT, sregs.dr[4]);
		EXPECT_EQ(0x400, sregs.dr[5]);
		EXPECT_EQ(0, sregs.interruptibility);
	}
}

static void guest_writes_and_tells(void)
{
	begin();
	for (u64 i = 0; i < 3; i++) {
		use_table();
		TABLE.words[300] = i << 1;
		GUEST_SYNC(i);
	}
}

/* What blocks NMIs is a handler of theirs, however many steps it takes. */
MINIVMX_TEST(nmis_stay_blocked, guest_writes_and_tells)
{
	struct minivmx_sregs sregs = get_sregs(vcpu);

	if (!(get_info(vm->device).out_capabilities & MINIVMX_CAP_VIRTUAL_NMIS))
		SKIP(return, "this CPU has no virtual NMIs");
	sregs.interruptibility = BIT(3);
	set_sregs(vcpu, &sregs);
	for (u64 i = 0; i < 3; i++) {
		run_to_sync(vcpu, i);
		EXPECT_EQ(BIT(3), get_sregs(vcpu).interruptibility);
	}
	run_to_done(vcpu);
}

/* A code segment whose descriptor is in the table, and was not accessed yet. */
#define TABLE_GDT	(&TABLE.words[256])
#define SEL_FRESH	0x30

static void guest_returns_to_a_fresh_segment(void)
{
	const struct __packed {
		u16 limit;
		u64 base;
	} gdtr = { SEL_FRESH + 7, (uintptr_t)TABLE_GDT };

	begin();
	for (u64 i = 0; i < SEL_FRESH / 8; i++)
		TABLE_GDT[i] = read_at(GUEST_GDT + 8 * i);
	TABLE_GDT[SEL_FRESH / 8] = 0x00af9a000000ffffUL;
	asm volatile("lgdt %0" : : "m"(gdtr));
	GUEST_SYNC(0);
	use_table();
	asm volatile("movq %%rsp, %%rax; pushq $0x10; pushq %%rax; pushfq\n\t"
		     "pushq %[selector]; leaq 1f(%%rip), %%rax; pushq %%rax\n\t"
		     "iretq\n"
		     "1:" : : [selector] "i"(SEL_FRESH) : "rax", "memory");
	GUEST_ASSERT(TABLE_GDT[SEL_FRESH / 8] & BIT(40));
	GUEST_SYNC(1);
}

/* An IRET ends the handler, and with it the blocking, even if it takes a step. */
MINIVMX_TEST(iret_unblocks_nmis, guest_returns_to_a_fresh_segment)
{
	struct minivmx_sregs sregs;

	if (!(get_info(vm->device).out_capabilities & MINIVMX_CAP_VIRTUAL_NMIS))
		SKIP(return, "this CPU has no virtual NMIs");
	run_to_sync(vcpu, 0);
	sregs = get_sregs(vcpu);
	sregs.interruptibility = BIT(3);
	set_sregs(vcpu, &sregs);
	run_to_sync(vcpu, 1);
	EXPECT_EQ(0, get_sregs(vcpu).interruptibility);
	run_to_done(vcpu);
}

TEST_HARNESS_MAIN
