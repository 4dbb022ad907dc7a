// SPDX-License-Identifier: GPL-2.0
/*
 * What a program can answer to an exit. An instruction can be skipped only where the
 * exit is of an instruction and says how long it is (SDM Vol. 3C, "Information for VM
 * Exits Due to Instruction Execution"), and an answer loses no event.
 */
#include <cpuid.h>

#include "minivmx_harness.h"
#include "registers.h"
#include "window.h"

#define PORT			0x30
#define HOLE			(256 * MIB)
#define BLOCKING_BY_NMI		BIT(3)
#define NMI_UNBLOCKED		BIT(12)	/* of interruption information */
#define EXIT_TASK_SWITCH	9
#define BUFFER			(6 * MIB)

/* Interruption information (SDM Vol. 3C, "VM-Entry Controls for Event Injection"). */
#define VALID			0x80000000U
#define INTERRUPT		(0 << 8)
#define EXCEPTION		(3 << 8)
#define CODE			0x800U
#define VECTOR_FREE		22

/* ----------------------------------------------- where there is an instruction */

#define ENTRY(code)							\
	"	.balign	16\n"						\
	"	" code "\n"						\
	"	outl	%eax, $0xf0\n"

/* Each in its 16 bytes, and GUEST_SYNC()'s OUT behind it. */
static __attribute__((naked, aligned(16))) void skipped(void)
{
	asm(ENTRY("cpuid")
	    ENTRY("invd")
	    ENTRY("rdpmc")
	    ENTRY("vmcall")
	    ENTRY("mov %cr8, %rax")
	    ENTRY("mov %dr0, %rax")
	    ENTRY("mov %rax, %dr3")
	    ENTRY("rdmsr")
	    ENTRY("wrmsr")
	    ENTRY("mwait")
	    ENTRY("monitor")
	    ENTRY("wbinvd")
	    ENTRY("inb $0x30, %al")
	    ENTRY("outw %ax, %dx")
	    ENTRY("insl (%dx), %es:(%rdi)")
	    ENTRY("rep outsb %ds:(%rsi), (%dx)")
	    ENTRY("int3")
	    ENTRY(".byte 0xf1"));
}

static const struct {
	const char *name;
	u32 reason;
	u32 length;
} with_a_length[] = {
	{ "CPUID", EXIT_CPUID, 2 },
	{ "INVD", EXIT_INVD, 2 },
	{ "RDPMC", EXIT_RDPMC, 2 },
	{ "VMCALL", EXIT_VMCALL, 3 },
	{ "MOV from CR8", EXIT_CR_ACCESS, 4 },
	{ "MOV from DR0", EXIT_DR_ACCESS, 3 },
	{ "MOV to DR3", EXIT_DR_ACCESS, 3 },
	{ "RDMSR", EXIT_RDMSR, 2 },
	{ "WRMSR", EXIT_WRMSR, 2 },
	{ "MWAIT", EXIT_MWAIT, 3 },
	{ "MONITOR", EXIT_MONITOR, 3 },
	{ "WBINVD", EXIT_WBINVD, 2 },
	{ "IN", EXIT_IO, 2 },
	{ "OUT", EXIT_IO, 2 },
	{ "INS", EXIT_IO, 1 },
	{ "REP OUTS", EXIT_IO, 2 },
	{ "INT3", EXIT_EXCEPTION, 1 },
	{ "INT1", EXIT_EXCEPTION, 1 },
};

static void guest_does_nothing(void)
{
}

static void begin_at(struct minivmx_run *run, u64 rip)
{
	run->regs.rip = rip;
	run->regs.rcx = 1;
	run->regs.rdx = PORT;
	run->regs.rsi = BUFFER;
	run->regs.rdi = BUFFER;
}

MINIVMX_TEST(instructions_are_skipped, guest_does_nothing)
{
	set_traps(vcpu, BIT(VECTOR_BP) | BIT(VECTOR_DB), 11, EXIT_CPUID,
		  EXIT_INVD, EXIT_RDPMC, EXIT_VMCALL, EXIT_CR_ACCESS,
		  EXIT_DR_ACCESS, EXIT_RDMSR, EXIT_WRMSR, EXIT_MWAIT,
		  EXIT_MONITOR, EXIT_WBINVD);
	for (size_t i = 0; i < ARRAY_SIZE(with_a_length); i++) {
		u64 rip = (uintptr_t)skipped + 16 * i;
		const char *name = with_a_length[i].name;

		begin_at(run, rip);
		run_to_exit(vcpu, with_a_length[i].reason);
		EXPECT_EQ(rip, run->regs.rip) TH_LOG("%s", name);
		EXPECT_EQ(with_a_length[i].length, run->instruction_length)
			TH_LOG("%s", name);
		run->answer = MINIVMX_ANSWER_SKIP;
		run_to_exit(vcpu, EXIT_IO);
		EXPECT_EQ(0xf0, run->io.port) TH_LOG("%s", name);
		EXPECT_EQ(rip + with_a_length[i].length, run->regs.rip)
			TH_LOG("%s", name);
	}
}

/* -------------------------------------------------- and where there is none */

/* An answer that is refused leaves the exit, and the registers, as they are. */
static void expect_no_skip(struct __test_metadata *_metadata,
			   const struct vcpu *vcpu, const char *name)
{
	struct minivmx_run *run = vcpu->run;
	const struct minivmx_regs regs = run->regs;

	run->answer = MINIVMX_ANSWER_SKIP;
	EXPECT_EQ(EINVAL, run_error(vcpu)) TH_LOG("%s", name);
	EXPECT_EQ(MINIVMX_ANSWER_SKIP, run->answer) TH_LOG("%s", name);
	EXPECT_EQ(0, memcmp(&regs, &run->regs, sizeof(regs)))
		TH_LOG("%s", name);
	run->answer = MINIVMX_ANSWER_FINISH;
}

static void guest_halts(void)
{
	asm volatile("hlt");
	GUEST_SYNC(1);
}

MINIVMX_TEST(nothing_to_skip, guest_halts)
{
	expect_no_skip(_metadata, vcpu, "before the first exit");
	run_to_exit(vcpu, EXIT_HLT);
	/* It is behind the instruction already. */
	expect_no_skip(_metadata, vcpu, "HLT");
	run_to_sync(vcpu, 1);
	run->immediate_exit = 1;
	EXPECT_EQ(EINTR, run_error(vcpu));
	run->immediate_exit = 0;
	expect_no_skip(_metadata, vcpu, "after the end of an exit");
	run->regs.rflags |= BIT(17);
	run_to_exit(vcpu, EXIT_INVALID_GUEST);
	EXPECT_EQ(0, run->instruction_length);
	expect_no_skip(_metadata, vcpu, "a failed entry");
}

static void guest_dies(void)
{
	asm volatile("ud2");
}

MINIVMX_TEST(no_skip_of_a_shutdown, guest_dies)
{
	struct minivmx_sregs sregs = get_sregs(vcpu);

	sregs.idtr.limit = 0;
	set_sregs(vcpu, &sregs);
	run_to_exit(vcpu, EXIT_TRIPLE_FAULT);
	EXPECT_EQ(0, run->instruction_length);
	expect_no_skip(_metadata, vcpu, "shutdown");
}

static void guest_reads_a_hole(void)
{
	GUEST_SYNC(*(volatile u64 *)HOLE);
}

MINIVMX_TEST(no_skip_of_a_memory_access, guest_reads_a_hole)
{
	run_to_exit(vcpu, MINIVMX_EXIT_MEMORY);
	EXPECT_EQ(0, run->instruction_length);
	expect_no_skip(_metadata, vcpu, "MINIVMX_EXIT_MEMORY");
	map_memory(vm, HOLE, PAGE_4K, 0);
	run_to_sync(vcpu, 0);
}

MINIVMX_TEST(no_skip_of_an_ept_violation, guest_reads_a_hole)
{
	if (!uses_ept(vm))
		SKIP(return, NEEDS_EPT);
	set_trap(vcpu, EXIT_EPT_VIOLATION);
	do {
		run_to_exit(vcpu, EXIT_EPT_VIOLATION);
		EXPECT_EQ(0, run->instruction_length);
		expect_no_skip(_metadata, vcpu, "EPT violation");
		run->answer = MINIVMX_ANSWER_DEFAULT;
	} while (run->physical_address != HOLE);
	run_to_exit(vcpu, MINIVMX_EXIT_MEMORY);
}

static void guest_faults(void)
{
	struct gprs gprs = { .b = 0xfff8 };

	GUEST_TRY("ud2", &gprs);
	GUEST_TRY("movw %%bx, %%ds", &gprs);
	gprs.b = WINDOW;
	GUEST_TRY("movq (%%rbx), %%rax", &gprs);
}

/* Faults may be of any instruction, and their length is undefined. */
MINIVMX_TEST(no_skip_of_a_fault, guest_faults)
{
	static const struct {
		const char *name;
		u32 vector;
	} faults[] = {
		{ "#UD", VECTOR_UD }, { "#GP", VECTOR_GP }, { "#PF", VECTOR_PF },
	};

	set_traps(vcpu, BIT(VECTOR_UD) | BIT(VECTOR_GP) | BIT(VECTOR_PF), 0);
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		run_to_exit(vcpu, EXIT_EXCEPTION);
		EXPECT_EQ(faults[i].vector, run->interruption_info & 0xff);
		EXPECT_EQ(0, run->instruction_length);
		expect_no_skip(_metadata, vcpu, faults[i].name);
		run->answer = MINIVMX_ANSWER_DEFAULT;
	}
	run_to_done(vcpu);
}

GUEST_BLOB(jumps_to_a_task, 32,
	   "	ljmp	$0x18, $0\n"
	   "	hlt\n");

/* Its length is known, but the exit wants no answer: what to do is too much for one. */
TEST_F(vm, no_skip_of_a_task_switch)
{
	struct vm *vm = &self->vm;
	u64 *gdt = (u64 *)(vm->memory + GUEST_GDT);

	start_protected(vm, jumps_to_a_task);
	gdt[3] = 0x0000890000000067 | GUEST_TSS << 16;
	run_to_exit(&vm->vcpu, EXIT_TASK_SWITCH);
	EXPECT_EQ(7, vm->vcpu.run->instruction_length);
	expect_no_skip(_metadata, &vm->vcpu, "task switch");
}

/* --------------------------------------------------------- no event is lost */

static void guest_takes_two(void)
{
	struct gprs gprs = {};

	for (;;) {
		GUEST_TRY("ud2", &gprs);
		GUEST_SYNC(guest_fault.vector);
	}
}

/* The exception that the driver is to deliver would take the place of the program's. */
MINIVMX_TEST(default_with_an_event_of_the_program, guest_takes_two)
{
	set_traps(vcpu, BIT(VECTOR_UD), 0);
	run_to_exit(vcpu, EXIT_EXCEPTION);
	run->event.info = VALID | INTERRUPT | VECTOR_FREE;
	run->answer = MINIVMX_ANSWER_DEFAULT;
	EXPECT_EQ(EINVAL, run_error(vcpu));
	EXPECT_EQ(VALID | INTERRUPT | VECTOR_FREE, run->event.info);
	EXPECT_EQ(MINIVMX_ANSWER_DEFAULT, run->answer);
	/* The event alone. */
	run->answer = MINIVMX_ANSWER_FINISH;
	run_to_sync(vcpu, VECTOR_FREE);
	/* The exception alone. */
	run_to_exit(vcpu, EXIT_EXCEPTION);
	run->answer = MINIVMX_ANSWER_DEFAULT;
	run_to_sync(vcpu, VECTOR_UD);
}

/*
 * The event whose delivery the exception cut short is not the program's, and both
 * together are delivered: #UD, then #PF for want of an IDT, which is no double fault.
 */
MINIVMX_TEST(default_with_the_event_that_was_cut_short, guest_takes_two)
{
	hide_idt(vm);
	set_traps(vcpu, BIT(VECTOR_PF), 0);
	run_to_exit(vcpu, EXIT_EXCEPTION);
	EXPECT_EQ(VALID | EXCEPTION | VECTOR_UD, run->event.info);
	show_idt(vm);
	run->answer = MINIVMX_ANSWER_DEFAULT;
	run_to_sync(vcpu, VECTOR_PF);
}

/* A trapped EPT violation that cut short an event's delivery. */
MINIVMX_TEST(event_cut_short_by_a_trapped_violation, guest_takes_two)
{
	struct minivmx_sregs sregs = get_sregs(vcpu);

	if (!uses_ept(vm))
		SKIP(return, NEEDS_EPT);
	/* So that nothing else is absent. */
	run_to_sync(vcpu, VECTOR_UD);
	sregs.idtr.base = HOLE;
	set_sregs(vcpu, &sregs);
	map_memory(vm, HOLE, PAGE_4K, 0);
	memcpy(mmap_memory(vm, HOLE, PAGE_4K), vm->memory + GUEST_IDT, PAGE_4K);
	set_trap(vcpu, EXIT_EPT_VIOLATION);
	run_to_exit(vcpu, EXIT_EPT_VIOLATION);
	EXPECT_EQ(VALID | EXCEPTION | VECTOR_UD, run->vectoring_info);
	EXPECT_EQ(VALID | EXCEPTION | VECTOR_UD, run->event.info);
	/* Replaced by the program, it is the program's that is delivered. */
	run->event.info = VALID | EXCEPTION | VECTOR_DE;
	run->answer = MINIVMX_ANSWER_DEFAULT;
	run_to_sync(vcpu, VECTOR_DE);
}

/* An interrupt by way of a task gate: as long as nobody switches tasks, it waits. */
GUEST_BLOB(waits_for_a_task, 32,
	   "1:	outl	%eax, $0x30\n"
	   "	jmp	1b\n");

TEST_F(vm, event_by_a_task_gate)
{
	struct vm *vm = &self->vm;
	struct minivmx_run *run = vm->vcpu.run;
	u64 *gdt = (u64 *)(vm->memory + GUEST_GDT);
	u64 *idt = (u64 *)(vm->memory + GUEST_IDT);
	struct minivmx_sregs sregs;

	start_protected(vm, waits_for_a_task);
	gdt[3] = 0x0000890000000067 | GUEST_TSS << 16;
	idt[VECTOR_FREE] = 0x0000850000000000 | 0x18 << 16;
	sregs = get_sregs(&vm->vcpu);
	sregs.idtr = (struct minivmx_table) { .base = GUEST_IDT, .limit = 0xff };
	set_sregs(&vm->vcpu, &sregs);
	run->regs.rflags |= BIT(9);
	run_to_exit(&vm->vcpu, EXIT_IO);
	run->event.info = VALID | INTERRUPT | VECTOR_FREE;
	for (int i = 0; i < 2; i++) {
		run_to_exit(&vm->vcpu, EXIT_TASK_SWITCH);
		EXPECT_EQ(3, run->qualification >> 30 & 3);
		EXPECT_EQ(0, run->instruction_length);
		EXPECT_EQ(VALID | INTERRUPT | VECTOR_FREE, run->vectoring_info);
		EXPECT_EQ(VALID | INTERRUPT | VECTOR_FREE, run->event.info);
	}
	/* The program has switched tasks, say. */
	run->event.info = 0;
	run_to_exit(&vm->vcpu, EXIT_IO);
}

/* ------------------------------------------------------------ IRET that faults */

/* Its frame is at the top of page 1 of the window, which the program brings. */
static void guest_returns_from_nowhere(void)
{
	open_window();
	asm volatile("movq %%rsp, %%r12\n\t"
		     "leaq 1f(%%rip), %%rax\n\t"
		     "movq %%rax, 0xfd8(%[page])\n\t"
		     "movq %[cs], 0xfe0(%[page])\n\t"
		     "movq $0x202, 0xfe8(%[page])\n\t"
		     "movq %%rsp, 0xff0(%[page])\n\t"
		     "movq %[ss], 0xff8(%[page])\n\t"
		     "movq %[stack], %%rsp\n\t"
		     "iretq\n"
		     "1:"
		     : : [page] "r"(&page_a), [stack] "r"(WINDOW_PAGE(1) + 0xfd8),
		       [cs] "i"(GUEST_CS), [ss] "i"(GUEST_DS)
		     : "rax", "r12", "memory");
	GUEST_SYNC(1);
}

/* With NMIs blocked before it, and the page fault trapped. */
static void run_to_fault_of_iret(const struct vcpu *vcpu)
{
	struct minivmx_sregs sregs = get_sregs(vcpu);

	sregs.interruptibility = BLOCKING_BY_NMI;
	set_sregs(vcpu, &sregs);
	set_traps(vcpu, BIT(VECTOR_PF), 0);
	run_to_exit(vcpu, EXIT_EXCEPTION);
}

/* It has unblocked NMIs by then, but the program sees the guest as it was before. */
MINIVMX_TEST(iret_is_tried_again, guest_returns_from_nowhere)
{
	struct minivmx_sregs sregs;
	struct page *tables = *guest_copy(vm, window_pts);

	if (!(get_info(vm->device).out_capabilities & MINIVMX_CAP_VIRTUAL_NMIS))
		SKIP(return, "this CPU has no virtual NMIs");
	run_to_fault_of_iret(vcpu);
	EXPECT_EQ(VECTOR_PF, run->interruption_info & 0xff);
	EXPECT_TRUE(run->interruption_info & NMI_UNBLOCKED);
	EXPECT_EQ(BLOCKING_BY_NMI, get_sregs(vcpu).interruptibility);
	tables[0].words[1] = entry_for(&page_a);
	sregs = get_sregs(vcpu);
	set_sregs(vcpu, &sregs);
	run->immediate_exit = 1;
	EXPECT_EQ(EINTR, run_error(vcpu));
	run->immediate_exit = 0;
	EXPECT_EQ(BLOCKING_BY_NMI, get_sregs(vcpu).interruptibility);
	run_to_sync(vcpu, 1);
	EXPECT_EQ(0, get_sregs(vcpu).interruptibility);
}

/* The guest's own fault: its handler may be interrupted by NMIs. */
MINIVMX_TEST(iret_is_left_alone, guest_returns_from_nowhere)
{
	if (!(get_info(vm->device).out_capabilities & MINIVMX_CAP_VIRTUAL_NMIS))
		SKIP(return, "this CPU has no virtual NMIs");
	run_to_fault_of_iret(vcpu);
	run->answer = MINIVMX_ANSWER_DEFAULT;
	vcpu_run(vcpu);
	EXPECT_EQ(UCALL_FAULT, get_ucall(vcpu)) TH_LOG("%s", describe_exit(vcpu));
	EXPECT_EQ(0, get_sregs(vcpu).interruptibility & BLOCKING_BY_NMI);
}

/* ------------------------------------------- exceptions that the driver raises */

#define IA32_EFER		0xc0000080
#define CR4_DE			BIT(3)
#define DR6_BD			BIT(13)
#define DR7_GD			BIT(13)

static volatile u64 seen_vector, seen_error, seen_cr2;

#define GUEST_RAISES(instruction, gprs) do {				\
		seen_vector = GUEST_TRY(instruction, gprs);		\
		seen_error = guest_fault.error;				\
		seen_cr2 = guest_fault.cr2;				\
		GUEST_SYNC(guest_fault.vector);				\
	} while (0)

/* By instructions that exit, and would have raised it after that. */
static void guest_raises(void)
{
	struct gprs gprs = { .c = IA32_EFER, .a = 2 };

	open_window();
	map_page(0, &page_a);
	GUEST_RAISES("wrmsr", &gprs);
	GUEST_RAISES("rdpmc", &gprs);
	gprs.a = read_cr4() | BIT(30);
	GUEST_RAISES("movq %%rax, %%cr4", &gprs);
	gprs.a = 16;
	GUEST_RAISES("movq %%rax, %%cr8", &gprs);
	gprs.a = BIT(32);
	GUEST_RAISES("movq %%rax, %%dr6", &gprs);
	GUEST_RAISES("invept (%%rsp), %%rax", &gprs);
	asm volatile("movq %0, %%cr4" : : "r"(read_cr4() | CR4_DE));
	GUEST_RAISES("movq %%rax, %%dr4", &gprs);
	gprs = (struct gprs) { .d = PORT, .di = WINDOW_PAGE(1) + 8 };
	GUEST_RAISES("insb", &gprs);
	gprs.si = 0x800000000000;
	GUEST_RAISES("outsb", &gprs);
	asm volatile("movq %0, %%dr7" : : "r"(0x400 | DR7_GD));
	GUEST_RAISES("movq %%dr0, %%rax", &gprs);
}

static const struct {
	const char *name;
	u32 info;
	u32 error;
	u64 qualification;
} raised[] = {
	{ "WRMSR", VALID | EXCEPTION | CODE | VECTOR_GP },
	{ "RDPMC", VALID | EXCEPTION | CODE | VECTOR_GP },
	{ "MOV to CR4", VALID | EXCEPTION | CODE | VECTOR_GP },
	{ "MOV to CR8", VALID | EXCEPTION | CODE | VECTOR_GP },
	{ "MOV to DR6", VALID | EXCEPTION | CODE | VECTOR_GP },
	{ "INVEPT", VALID | EXCEPTION | VECTOR_UD },
	{ "MOV to DR4", VALID | EXCEPTION | VECTOR_UD },
	{ "INS", VALID | EXCEPTION | CODE | VECTOR_PF, 2, WINDOW_PAGE(1) + 8 },
	{ "OUTS", VALID | EXCEPTION | CODE | VECTOR_GP },
	{ "MOV from DR0", VALID | EXCEPTION | VECTOR_DB, 0, DR6_BD },
};

/* It goes where one goes that the CPU raises; and nothing has happened by then. */
MINIVMX_TEST(exceptions_of_the_driver, guest_raises)
{
	set_traps(vcpu, BIT(VECTOR_DB) | BIT(VECTOR_UD) | BIT(VECTOR_GP) |
			BIT(VECTOR_PF), 0);
	for (size_t i = 0; i < ARRAY_SIZE(raised); i++) {
		const char *name = raised[i].name;
		const u32 vector = raised[i].info & 0xff;
		u64 rip = 0;

		/* Once to be tried again, once to be delivered. */
		for (int again = 0; again < 2; again++) {
			struct minivmx_sregs sregs;

			run_to_exit(vcpu, EXIT_EXCEPTION);
			sregs = get_sregs(vcpu);
			EXPECT_EQ(raised[i].info, run->interruption_info)
				TH_LOG("%s", name);
			EXPECT_EQ(raised[i].error, run->interruption_error)
				TH_LOG("%s", name);
			EXPECT_EQ(raised[i].qualification, run->qualification)
				TH_LOG("%s", name);
			EXPECT_EQ(0, run->vectoring_info) TH_LOG("%s", name);
			EXPECT_EQ(0, run->instruction_length) TH_LOG("%s", name);
			EXPECT_EQ(0, run->event.info) TH_LOG("%s", name);
			EXPECT_TRUE(!rip || rip == run->regs.rip) TH_LOG("%s", name);
			EXPECT_EQ(0, sregs.dr[4] & DR6_BD) TH_LOG("%s", name);
			if (vector == VECTOR_PF)
				EXPECT_EQ(0, sregs.cr2) TH_LOG("%s", name);
			expect_no_skip(_metadata, vcpu, name);
			rip = run->regs.rip;
		}
		run->answer = MINIVMX_ANSWER_DEFAULT;
		run_to_sync(vcpu, vector);
		EXPECT_EQ(vector, *guest_copy(vm, seen_vector)) TH_LOG("%s", name);
		EXPECT_EQ(raised[i].error, *guest_copy(vm, seen_error))
			TH_LOG("%s", name);
		if (vector == VECTOR_PF)
			EXPECT_EQ(raised[i].qualification,
				  *guest_copy(vm, seen_cr2));
	}
	EXPECT_EQ(DR6_BD, get_sregs(vcpu).dr[4] & DR6_BD);
	EXPECT_EQ(0, get_sregs(vcpu).dr[5] & DR7_GD);
	run_to_done(vcpu);
}

/* Without a trap the guest has it at once; what the program asks for, in any case. */
static void guest_reads_an_msr(void)
{
	struct gprs gprs = { .c = 0x12345678 };

	GUEST_RAISES("rdmsr", &gprs);
}

MINIVMX_TEST(exceptions_of_the_program, guest_reads_an_msr)
{
	set_traps(vcpu, BIT(VECTOR_GP), 0);
	run_to_exit(vcpu, EXIT_RDMSR);
	run->msr.fault = 1;
	run_to_sync(vcpu, VECTOR_GP);
}

/* A double fault that comes of what the program gave back is one, too. */
MINIVMX_TEST(double_fault_is_trapped, guest_dies)
{
	struct minivmx_sregs sregs = get_sregs(vcpu);

	sregs.idtr.limit = 0;
	set_sregs(vcpu, &sregs);
	set_traps(vcpu, BIT(VECTOR_GP) | BIT(VECTOR_DF), 0);
	/* #GP for want of #UD's entry, #GP for want of its own. */
	for (int i = 0; i < 2; i++) {
		run_to_exit(vcpu, EXIT_EXCEPTION);
		EXPECT_EQ(VECTOR_GP, run->interruption_info & 0xff);
		run->answer = MINIVMX_ANSWER_DEFAULT;
	}
	run_to_exit(vcpu, EXIT_EXCEPTION);
	EXPECT_EQ(VALID | EXCEPTION | CODE | VECTOR_DF, run->interruption_info);
	EXPECT_EQ(0, run->event.info);
	/* Another #GP is one within the double fault. */
	run->answer = MINIVMX_ANSWER_DEFAULT;
	run_to_exit(vcpu, EXIT_EXCEPTION);
	EXPECT_EQ(VECTOR_GP, run->interruption_info & 0xff);
	EXPECT_EQ(VECTOR_DF, run->vectoring_info & 0xff);
	run->answer = MINIVMX_ANSWER_DEFAULT;
	run_to_exit(vcpu, EXIT_TRIPLE_FAULT);
}

TEST_HARNESS_MAIN
