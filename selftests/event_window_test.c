// SPDX-License-Identifier: GPL-2.0
/*
 * When the guest can take an event: @ready of the run page, and the exits that a
 * program asks for by @windows.
 */
#include "minivmx_harness.h"
#include "window.h"

#define VALID			0x80000000U
#define INTERRUPT		(0 << 8)
#define NMI			(2 << 8)
/* A vector without a meaning, which guest.c has an entry for. */
#define VECTOR_FREE		22
#define VECTOR_NMI		2

#define WINDOW_INTERRUPT	MINIVMX_WINDOW_INTERRUPT
#define WINDOW_NMI		MINIVMX_WINDOW_NMI
#define WINDOW_ALL		(WINDOW_INTERRUPT | WINDOW_NMI)

#define BLOCKING_BY_STI		BIT(0)
#define BLOCKING_BY_NMI		BIT(3)

static const struct minivmx_event interrupt = { VALID | INTERRUPT | VECTOR_FREE };
static const struct minivmx_event nmi = { VALID | NMI | VECTOR_NMI };

static bool has_virtual_nmis(const struct vm *vm)
{
	return get_info(vm->device).out_capabilities & MINIVMX_CAP_VIRTUAL_NMIS;
}

/* What a guest can take that blocks nothing, or only interrupts. */
static u32 all_but(u32 windows)
{
	return WINDOW_ALL & ~windows;
}

/* STI blocks interrupts for one instruction: the window opens at the label. */
extern const char behind_sti[];

static void guest_enables_interrupts(void)
{
	struct gprs r = {};

	asm volatile("cli");
	GUEST_SYNC(1);
	GUEST_TRY("sti\n\t"
		  "nop\n"
		  ".globl behind_sti\n"
		  "behind_sti:\n\t"
		  "nop", &r);
	GUEST_SYNC(guest_fault.vector);
	GUEST_DONE();
}

static void run_to_window(struct __test_metadata *_metadata,
			  const struct vcpu *vcpu, const void *rip)
{
	run_to_exit(vcpu, EXIT_INTERRUPT_WINDOW);
	EXPECT_EQ((uintptr_t)rip, vcpu->run->regs.rip);
	EXPECT_EQ(0, vcpu->run->instruction_length);
	EXPECT_TRUE(vcpu->run->ready & WINDOW_INTERRUPT);
}

MINIVMX_TEST(interrupt_window, guest_enables_interrupts)
{
	run_to_sync(vcpu, 1);
	EXPECT_FALSE(run->ready & WINDOW_INTERRUPT);
	run->windows = WINDOW_INTERRUPT;
	run_to_window(_metadata, vcpu, behind_sti);
	/* It stays open for as long as nothing comes through it. */
	run_to_window(_metadata, vcpu, behind_sti);
	run->windows = 0;
	run->event = interrupt;
	run_to_sync(vcpu, VECTOR_FREE);
	EXPECT_EQ((uintptr_t)behind_sti, guest_copy(vm, guest_fault)->rip);
	EXPECT_EQ(all_but(0), run->ready);
	run_to_done(vcpu);
}

MINIVMX_TEST(interrupt_window_is_left_alone, guest_enables_interrupts)
{
	run_to_sync(vcpu, 1);
	run->windows = WINDOW_INTERRUPT;
	run_to_window(_metadata, vcpu, behind_sti);
	run->windows = 0;
	run_to_sync(vcpu, NO_FAULT);
	run_to_done(vcpu);
}

/* An event that waits comes first: here its handler keeps the window shut. */
MINIVMX_TEST(event_before_the_window, guest_enables_interrupts)
{
	run_to_sync(vcpu, 1);
	run->windows = WINDOW_INTERRUPT;
	run_to_window(_metadata, vcpu, behind_sti);
	run->event = interrupt;
	run_to_window(_metadata, vcpu, behind_sti + 1);
	EXPECT_EQ(VECTOR_FREE, guest_copy(vm, guest_fault)->vector);
	EXPECT_EQ(0, run->event.info);
	run->windows = 0;
	run_to_sync(vcpu, VECTOR_FREE);
}

/* While an event waits, there is no room for another. */
MINIVMX_TEST(not_ready_while_an_event_waits, guest_enables_interrupts)
{
	run_to_sync(vcpu, 1);
	run->windows = WINDOW_INTERRUPT;
	run_to_window(_metadata, vcpu, behind_sti);
	run->event = interrupt;
	run->immediate_exit = 1;
	EXPECT_EQ(EINTR, run_error(vcpu));
	EXPECT_EQ(0, run->ready);
	run->immediate_exit = 0;
	run->event = (struct minivmx_event){};
	run_to_window(_metadata, vcpu, behind_sti);
}

static void guest_halts(void)
{
	asm volatile("sti\n\t"
		     "hlt\n\t"
		     "cli\n\t"
		     "hlt");
	GUEST_DONE();
}

/* HLT right behind STI comes before any interrupt. */
MINIVMX_TEST(ready_at_hlt, guest_halts)
{
	run->regs.rflags &= ~BIT(9);
	run->windows = WINDOW_INTERRUPT;
	run_to_exit(vcpu, EXIT_HLT);
	EXPECT_EQ(all_but(0), run->ready);
	run->windows = 0;
	run_to_exit(vcpu, EXIT_HLT);
	EXPECT_EQ(all_but(WINDOW_INTERRUPT), run->ready);
	run_to_done(vcpu);
}

static void guest_takes_an_nmi(void)
{
	struct gprs r = { .a = UCALL_SYNC, .di = 1 };

	GUEST_TRY("outl %%eax, $0xf0\n\t"
		  "nop", &r);
	GUEST_SYNC(guest_fault.vector);
	GUEST_DONE();
}

MINIVMX_TEST(nmi_window, guest_takes_an_nmi)
{
	if (!has_virtual_nmis(vm))
		SKIP(return, "this CPU has no virtual NMIs");
	run_to_sync(vcpu, 1);
	EXPECT_TRUE(run->ready & WINDOW_NMI);
	/* The handler's IRET opens the window. */
	run->event = nmi;
	run->windows = WINDOW_NMI;
	run_to_exit(vcpu, EXIT_NMI_WINDOW);
	EXPECT_EQ(VECTOR_NMI, guest_copy(vm, guest_fault)->vector);
	EXPECT_EQ(guest_copy(vm, guest_fault)->resume, run->regs.rip);
	EXPECT_TRUE(run->ready & WINDOW_NMI);
	run->windows = 0;
	run_to_sync(vcpu, VECTOR_NMI);
	run_to_done(vcpu);
}

#define NOT_MAPPED	BIT(38)
#define IST(n)		(GUEST_TSS + 28 + 8 * (n))
#define GATE_IST(n)	(GUEST_IDT + 16 * (n) + 4)

/* The stack of NMIs is not there: a page fault comes of each, and NMIs are blocked. */
static void guest_has_no_stack_for_nmis(void)
{
	write_at(IST(2), NOT_MAPPED);
	*(volatile u8 *)GATE_IST(VECTOR_NMI) = 2;
	guest_takes_an_nmi();
}

MINIVMX_TEST(nmi_window_behind_a_fault, guest_has_no_stack_for_nmis)
{
	if (!has_virtual_nmis(vm))
		SKIP(return, "this CPU has no virtual NMIs");
	run_to_sync(vcpu, 1);
	run->event = nmi;
	run->windows = WINDOW_NMI;
	run_to_exit(vcpu, EXIT_NMI_WINDOW);
	EXPECT_EQ(VECTOR_PF, guest_copy(vm, guest_fault)->vector);
	EXPECT_EQ(guest_copy(vm, guest_fault)->resume, run->regs.rip);
	run->windows = 0;
	run_to_sync(vcpu, VECTOR_PF);
	run_to_done(vcpu);
}

/* An NMI whose delivery was cut short blocks none: it is to be delivered again. */
MINIVMX_TEST(interrupted_nmi, guest_takes_an_nmi)
{
	struct minivmx_sregs sregs = get_sregs(vcpu);
	const u64 hole = 256 * MIB;

	if (!has_virtual_nmis(vm))
		SKIP(return, "this CPU has no virtual NMIs");
	sregs.idtr.base = hole;
	set_sregs(vcpu, &sregs);
	run_to_sync(vcpu, 1);
	run->event = nmi;
	run_to_exit(vcpu, MINIVMX_EXIT_MEMORY);
	EXPECT_EQ(VALID | NMI | VECTOR_NMI, run->event.info);
	EXPECT_EQ(0, run->ready);
	EXPECT_EQ(0, get_sregs(vcpu).interruptibility);
	map_memory(vm, hole, PAGE_4K, 0);
	memcpy(mmap_memory(vm, hole, PAGE_4K), vm->memory + GUEST_IDT, PAGE_4K);
	run_to_sync(vcpu, VECTOR_NMI);
	run_to_done(vcpu);
}

static void block_nmis(const struct vcpu *vcpu)
{
	struct minivmx_sregs sregs = get_sregs(vcpu);

	sregs.interruptibility = BLOCKING_BY_NMI;
	set_sregs(vcpu, &sregs);
}

/* Some CPUs open the window behind STI, and take no NMI there. */
MINIVMX_TEST(nmi_window_behind_sti, guest_takes_an_nmi)
{
	struct minivmx_sregs sregs;
	u64 rip;

	if (!has_virtual_nmis(vm))
		SKIP(return, "this CPU has no virtual NMIs");
	run_to_sync(vcpu, 1);
	run->immediate_exit = 1;
	EXPECT_EQ(EINTR, run_error(vcpu));
	run->immediate_exit = 0;
	rip = run->regs.rip;
	sregs = get_sregs(vcpu);
	sregs.interruptibility = BLOCKING_BY_STI;
	set_sregs(vcpu, &sregs);
	run->windows = WINDOW_NMI;
	run_to_exit(vcpu, EXIT_NMI_WINDOW);
	EXPECT_EQ(all_but(0), run->ready);
	/* Behind the NOP. */
	EXPECT_EQ(rip + 1, run->regs.rip);
	run->windows = 0;
	run_to_sync(vcpu, NO_FAULT);
	run_to_done(vcpu);
}

static void guest_turns_interrupts_off(void)
{
	struct gprs r = { .a = UCALL_SYNC, .di = 1 };

	GUEST_TRY("outl %%eax, $0xf0\n\t"
		  "cli\n\t"
		  "nop", &r);
	for (;;)
		asm volatile("pause");
}

/* The window for interrupts stays shut, that for NMIs opens all the same. */
MINIVMX_TEST(nmi_window_between_sti_and_cli, guest_turns_interrupts_off)
{
	struct minivmx_sregs sregs;

	if (!has_virtual_nmis(vm))
		SKIP(return, "this CPU has no virtual NMIs");
	run_to_sync(vcpu, 1);
	run->immediate_exit = 1;
	EXPECT_EQ(EINTR, run_error(vcpu));
	run->immediate_exit = 0;
	sregs = get_sregs(vcpu);
	sregs.interruptibility = BLOCKING_BY_STI;
	set_sregs(vcpu, &sregs);
	run->windows = WINDOW_NMI;
	run_to_exit(vcpu, EXIT_NMI_WINDOW);
	EXPECT_EQ(all_but(WINDOW_INTERRUPT), run->ready);
}

/* A frame that IRET does not take: its code segment is beyond the table. */
#define BAD_CS		0x7ff8

static void guest_faults_at_iret(void)
{
	GUEST_SYNC(1);
	guest_fault.vector = NO_FAULT;
	asm volatile("leaq 1f(%%rip), %%rax\n\t"
		     "movq %%rax, %[resume]\n\t"
		     "movq %%rsp, %%r12\n\t"
		     "pushq $0\n\t"
		     "pushq %%r12\n\t"
		     "pushfq\n\t"
		     "pushq %[cs]\n\t"
		     "pushq %%rax\n\t"
		     "iretq\n"
		     "1:\n\t"
		     "movq %%r12, %%rsp"
		     : [resume] "=m"(guest_resume)
		     : [cs] "i"(BAD_CS)
		     : "rax", "r12", "memory");
	GUEST_SYNC(guest_fault.vector);
	GUEST_DONE();
}

/* A guest in its handler of NMIs gets to an IRET that faults: the program has that. */
static void run_to_bad_iret(struct __test_metadata *_metadata,
			    const struct vcpu *vcpu)
{
	run_to_sync(vcpu, 1);
	block_nmis(vcpu);
	set_traps(vcpu, BIT(VECTOR_GP), 0);
	run_to_exit(vcpu, EXIT_EXCEPTION);
	EXPECT_EQ(VECTOR_GP, vcpu->run->interruption_info & 0xff);
	EXPECT_FALSE(vcpu->run->ready & WINDOW_NMI);
	EXPECT_EQ(BLOCKING_BY_NMI, get_sregs(vcpu).interruptibility);
}

/* It has unblocked NMIs, if the guest gets its fault. */
MINIVMX_TEST(nmis_after_an_iret_that_faults, guest_faults_at_iret)
{
	if (!has_virtual_nmis(vm))
		SKIP(return, "this CPU has no virtual NMIs");
	run_to_bad_iret(_metadata, vcpu);
	run->answer = MINIVMX_ANSWER_DEFAULT;
	run_to_sync(vcpu, VECTOR_GP);
	EXPECT_EQ(0, get_sregs(vcpu).interruptibility);
	run_to_done(vcpu);
}

/* And if the program mends it, it does so as it is carried out. */
MINIVMX_TEST(nmis_until_an_iret_is_mended, guest_faults_at_iret)
{
	u64 *frame;

	if (!has_virtual_nmis(vm))
		SKIP(return, "this CPU has no virtual NMIs");
	run_to_bad_iret(_metadata, vcpu);
	frame = (u64 *)(vm->memory + run->regs.rsp);
	frame[1] = GUEST_CS;
	frame[4] = 0;
	run->windows = WINDOW_NMI;
	run_to_exit(vcpu, EXIT_NMI_WINDOW);
	EXPECT_EQ(frame[0], run->regs.rip);
	run->windows = 0;
	run_to_sync(vcpu, NO_FAULT);
	run_to_done(vcpu);
}

static void guest_steps_hlt_and_out(void)
{
	struct gprs r = { .a = UCALL_SYNC, .di = 1 };

	GUEST_TRY("pushfq\n\t"
		  "orq $0x100, (%%rsp)\n\t"
		  "popfq\n\t"
		  "hlt\n\t"
		  "nop", &r);
	GUEST_SYNC(guest_fault.vector);
	r = (struct gprs) { .a = UCALL_SYNC, .di = 2 };
	GUEST_TRY("pushfq\n\t"
		  "orq $0x100, (%%rsp)\n\t"
		  "popfq\n\t"
		  "outl %%eax, $0xf0\n\t"
		  "nop", &r);
	GUEST_SYNC(guest_fault.vector + 3);
	GUEST_DONE();
}

/* The trap of an instruction comes before any interrupt. */
static void run_to_trap(struct __test_metadata *_metadata, const struct vm *vm)
{
	struct minivmx_run *run = vm->vcpu.run;

	EXPECT_EQ(0, run->ready);
	guest_copy(vm, guest_fault)->vector = NO_FAULT;
	run->windows = WINDOW_INTERRUPT;
	run_to_exit(&vm->vcpu, EXIT_INTERRUPT_WINDOW);
	EXPECT_EQ(VECTOR_DB, guest_copy(vm, guest_fault)->vector);
	EXPECT_EQ(guest_copy(vm, guest_fault)->resume, run->regs.rip);
	EXPECT_EQ(all_but(0), run->ready);
	run->windows = 0;
}

MINIVMX_TEST(traps_before_interrupts, guest_steps_hlt_and_out)
{
	run_to_exit(vcpu, EXIT_HLT);
	run_to_trap(_metadata, vm);
	run_to_sync(vcpu, VECTOR_DB);
	run_to_sync(vcpu, 2);
	run_to_trap(_metadata, vm);
	run_to_sync(vcpu, VECTOR_DB + 3);
	run_to_done(vcpu);
}

/* A page table that is used between writes stays protected where any is. */
static void write_tables(void)
{
	for (u64 n = 0; n < 8; n++) {
		map_page(n, &page_a);
		GUEST_ASSERT(read_at(WINDOW_PAGE(n)) == (uintptr_t)&page_a);
	}
}

static void guest_writes_tables_until_iret(void)
{
	open_window();
	GUEST_SYNC(1);
	write_tables();
	GUEST_SYNC(2);
	asm volatile("movq %%rsp, %%rax\n\t"
		     "pushq $0\n\t"
		     "pushq %%rax\n\t"
		     "pushfq\n\t"
		     "pushq %[cs]\n\t"
		     "leaq 1f(%%rip), %%rax\n\t"
		     "pushq %%rax\n\t"
		     "movw %%ss, 32(%%rsp)\n\t"
		     "iretq\n"
		     "1:"
		     : : [cs] "i"(GUEST_CS) : "rax", "memory");
	GUEST_DONE();
}

/* Instructions that are stepped open no window, and shut none. */
MINIVMX_TEST(nmi_window_behind_steps, guest_writes_tables_until_iret)
{
	if (!has_virtual_nmis(vm))
		SKIP(return, "this CPU has no virtual NMIs");
	run_to_sync(vcpu, 1);
	block_nmis(vcpu);
	run->windows = WINDOW_NMI;
	run_to_sync(vcpu, 2);
	EXPECT_EQ(all_but(WINDOW_NMI), run->ready);
	run_to_exit(vcpu, EXIT_NMI_WINDOW);
	EXPECT_EQ(all_but(0), run->ready);
	run->windows = 0;
	run_to_done(vcpu);
}

extern const char behind_writes[];

static void guest_writes_tables_until_sti(void)
{
	open_window();
	asm volatile("cli");
	GUEST_SYNC(1);
	write_tables();
	asm volatile("sti\n\t"
		     "nop\n"
		     ".globl behind_writes\n"
		     "behind_writes:");
	GUEST_DONE();
}

MINIVMX_TEST(interrupt_window_behind_steps, guest_writes_tables_until_sti)
{
	run_to_sync(vcpu, 1);
	run->windows = WINDOW_INTERRUPT;
	run_to_window(_metadata, vcpu, behind_writes);
	run->windows = 0;
	run_to_done(vcpu);
}

MINIVMX_TEST(bad_windows, guest_enables_interrupts)
{
	run_to_sync(vcpu, 1);
	run->windows = WINDOW_ALL + 1;
	EXPECT_EQ(EINVAL, run_error(vcpu));
	run->windows = 0;
	run->flags = BIT(31);
	EXPECT_EQ(EINVAL, run_error(vcpu));
	run->flags = 0;
	run->windows = WINDOW_NMI;
	if (!has_virtual_nmis(vm))
		EXPECT_EQ(EOPNOTSUPP, run_error(vcpu));
	/* Nothing is lost. */
	run->windows = 0;
	run_to_sync(vcpu, NO_FAULT);
	run_to_done(vcpu);
}

TEST_HARNESS_MAIN
