// SPDX-License-Identifier: GPL-2.0
/*
 * What a vCPU keeps between two calls: the event that waits for delivery, the
 * exit that waits for its answer, and what MINIVMX_SET_SREGS leaves of a guest.
 */
#include "minivmx_harness.h"

/* Interruption information (SDM Vol. 3C, "VM-Entry Controls for Event Injection"). */
enum kind {
	INTERRUPT	= 0 << 8,
	NMI		= 2 << 8,
	EXCEPTION	= 3 << 8,
	SOFTWARE	= 4 << 8,	/* INT n */
	PRIVILEGED	= 5 << 8,	/* INT1 */
	TRAP		= 6 << 8,	/* INT3, INTO */
	OTHER		= 7 << 8,
};

#define VALID		0x80000000U
#define CODE		0x800U		/* has an error code */
#define RFLAGS_IF	BIT(9)

#define EVENT(...)	((struct minivmx_event){ __VA_ARGS__ })
/* A vector without a meaning, which guest.c has an entry for. */
#define VECTOR_FREE	22

static volatile u64 taken;

/* Takes an event behind each OUT, and has said so by the next one. */
static void guest_takes_events(void)
{
	for (;;) {
		struct gprs r = { .a = UCALL_SYNC, .di = 7 };

		GUEST_TRY("outl %%eax, $0xf0\n\t"
			  "nop\n\t"
			  "nop", &r);
		taken = guest_fault.vector;
	}
}

static bool has_virtual_nmis(const struct vm *vm)
{
	return get_info(vm->device).out_capabilities & MINIVMX_CAP_VIRTUAL_NMIS;
}

static u64 vector_seen(const struct vm *vm)
{
	return *guest_copy(vm, taken);
}

/* ----------------------------------------------------- events of the program */

static const struct {
	const char *name;
	struct minivmx_event event;
	u64 vector;
} deliverable[] = {
	{ "#DE", EVENT(VALID | EXCEPTION | 0), 0 },
	{ "#DB", EVENT(VALID | EXCEPTION | 1), 1 },
	{ "#BP", EVENT(VALID | EXCEPTION | 3), 3 },
	{ "#UD", EVENT(VALID | EXCEPTION | 6), 6 },
	{ "#DF", EVENT(VALID | EXCEPTION | CODE | 8), 8 },
	{ "#TS", EVENT(VALID | EXCEPTION | CODE | 10, 0x18), 10 },
	{ "#NP", EVENT(VALID | EXCEPTION | CODE | 11, 0x1a), 11 },
	{ "#SS", EVENT(VALID | EXCEPTION | CODE | 12), 12 },
	{ "#GP", EVENT(VALID | EXCEPTION | CODE | 13, 0x1234), 13 },
	{ "#PF", EVENT(VALID | EXCEPTION | CODE | 14, 7), 14 },
	{ "#MF", EVENT(VALID | EXCEPTION | 16), 16 },
	{ "#AC", EVENT(VALID | EXCEPTION | CODE | 17), 17 },
	{ "NMI", EVENT(VALID | NMI | 2), 2 },
	{ "interrupt", EVENT(VALID | INTERRUPT | VECTOR_FREE), VECTOR_FREE },
	{ "INT n", EVENT(VALID | SOFTWARE | VECTOR_FREE, 0, 1), VECTOR_FREE },
	{ "INT1", EVENT(VALID | PRIVILEGED | 1, 0, 1), 1 },
	{ "INT3", EVENT(VALID | TRAP | 3, 0, 1), 3 },
};

/* The exit is finished first; the return address of INT is behind it. */
MINIVMX_TEST(program_events, guest_takes_events)
{
	volatile struct guest_fault *fault = guest_copy(vm, guest_fault);

	run_to_sync(vcpu, 7);
	for (size_t i = 0; i < ARRAY_SIZE(deliverable); i++) {
		const struct minivmx_event *event = &deliverable[i].event;
		u64 next = run->regs.rip + run->instruction_length;
		u64 count = fault->count;

		if ((event->info & OTHER) == NMI && !has_virtual_nmis(vm))
			continue;
		run->event = *event;
		run_to_sync(vcpu, 7);
		EXPECT_EQ(count + 1, fault->count) TH_LOG("%s", deliverable[i].name);
		EXPECT_EQ(deliverable[i].vector, vector_seen(vm))
			TH_LOG("%s", deliverable[i].name);
		EXPECT_EQ(event->error, fault->error)
			TH_LOG("%s", deliverable[i].name);
		EXPECT_EQ(next + event->length, fault->rip)
			TH_LOG("%s", deliverable[i].name);
		EXPECT_EQ(0, run->event.info);
	}
	/* One is delivered once. */
	run_to_sync(vcpu, 7);
	EXPECT_EQ(NO_FAULT, vector_seen(vm));
}

static const struct {
	const char *name;
	struct minivmx_event event;
} undeliverable[] = {
	{ "not valid", EVENT(EXCEPTION | 6) },
	{ "only a vector", EVENT(1) },
	{ "reserved bit 12", EVENT(VALID | EXCEPTION | 0x1000 | 6) },
	{ "reserved bit 30", EVENT(VALID | EXCEPTION | 0x40000000 | 6) },
	{ "reserved kind 1", EVENT(VALID | 1 << 8 | 6) },
	{ "kind 7", EVENT(VALID | OTHER) },
	{ "NMI 3", EVENT(VALID | NMI | 3) },
	{ "exception 32", EVENT(VALID | EXCEPTION | 32) },
	{ "INT1 32", EVENT(VALID | PRIVILEGED | 32, 0, 1) },
	{ "INT3 255", EVENT(VALID | TRAP | 255, 0, 1) },
	{ "#UD with a code", EVENT(VALID | EXCEPTION | CODE | 6) },
	{ "#GP without", EVENT(VALID | EXCEPTION | 13) },
	{ "interrupt with a code", EVENT(VALID | INTERRUPT | CODE | 13) },
	{ "INT 13 with a code", EVENT(VALID | SOFTWARE | CODE | 13, 0, 2) },
	{ "code 10000H", EVENT(VALID | EXCEPTION | CODE | 13, 0x10000) },
	{ "code 80000000H", EVENT(VALID | EXCEPTION | CODE | 14, VALID) },
	{ "INT n of 16 bytes", EVENT(VALID | SOFTWARE | 32, 0, 16) },
	{ "INT3 of 4 GiB", EVENT(VALID | TRAP | 3, 0, ~0U) },
	{ "__reserved", EVENT(VALID | EXCEPTION | 6, 0, 0, 1) },
	{ "nothing, but __reserved", EVENT(0, 0, 0, VALID) },
};

/* And nothing is lost by that: neither the event, nor the exit that waits. */
MINIVMX_TEST(undeliverable_events, guest_takes_events)
{
	run_to_sync(vcpu, 7);
	for (size_t i = 0; i < ARRAY_SIZE(undeliverable); i++) {
		const struct minivmx_event *event = &undeliverable[i].event;
		const struct minivmx_regs regs = run->regs;
		u64 entries = get_stats(vm).out_entries;

		run->event = *event;
		EXPECT_EQ(EINVAL, run_error(vcpu))
			TH_LOG("%s", undeliverable[i].name);
		EXPECT_EQ(0, memcmp(event, &run->event, sizeof(*event)))
			TH_LOG("%s", undeliverable[i].name);
		EXPECT_EQ(0, memcmp(&regs, &run->regs, sizeof(regs)))
			TH_LOG("%s", undeliverable[i].name);
		EXPECT_EQ(entries, get_stats(vm).out_entries);
		run->event = EVENT(0);
	}
	run_to_sync(vcpu, 7);
	EXPECT_EQ(NO_FAULT, vector_seen(vm));
}

static void guest_asks_and_tells(void)
{
	u32 eax = 0, ebx, ecx = 0, edx;

	asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	GUEST_SYNC(eax);
}

/* An answer that an error keeps from the exit is there for the next try. */
MINIVMX_TEST(answer_outlives_an_error, guest_asks_and_tells)
{
	set_trap(vcpu, EXIT_CPUID);
	run_to_exit(vcpu, EXIT_CPUID);
	run->regs.rax = 0x1111;
	run->answer = MINIVMX_ANSWER_SKIP;
	run->event = undeliverable[0].event;
	EXPECT_EQ(EINVAL, run_error(vcpu));
	EXPECT_EQ(MINIVMX_ANSWER_SKIP, run->answer);
	run->event = EVENT(0);
	run_to_sync(vcpu, 0x1111);
	EXPECT_EQ(0, run->answer);
}

/* No bytes are for CPUs that say so, in bit 30 of an MSR that guests do not have. */
MINIVMX_TEST(event_without_bytes, guest_takes_events)
{
	int error;

	run_to_sync(vcpu, 7);
	run->event = EVENT(VALID | SOFTWARE | VECTOR_FREE);
	error = run_error(vcpu);
	if (error) {
		EXPECT_EQ(EINVAL, error);
		run->event = EVENT(0);
		run_to_sync(vcpu, 7);
		EXPECT_EQ(NO_FAULT, vector_seen(vm));
	} else {
		EXPECT_EQ(UCALL_SYNC, get_ucall(vcpu));
		EXPECT_EQ(VECTOR_FREE, vector_seen(vm));
	}
}

/* An NMI would block the host's. */
MINIVMX_TEST(nmi_where_it_is_not_virtual, guest_takes_events)
{
	if (has_virtual_nmis(vm))
		SKIP(return, "this CPU has virtual NMIs");
	run_to_sync(vcpu, 7);
	run->event = EVENT(VALID | NMI | 2);
	EXPECT_EQ(EOPNOTSUPP, run_error(vcpu));
	EXPECT_EQ(VALID | NMI | 2, run->event.info);
	run->event = EVENT(0);
	run_to_sync(vcpu, 7);
}

/*
 * What the guest cannot take now fails the entry, and waits on. So it is with an
 * NMI while NMIs are blocked, which Bochs 3.0 lets through.
 */
MINIVMX_TEST(events_that_are_blocked, guest_takes_events)
{
	const struct {
		const char *name;
		u32 info;
		u64 clear_flags;
		u32 interruptibility;
	} blocked[] = {
		{ "IF", VALID | INTERRUPT | VECTOR_FREE, RFLAGS_IF, 0 },
		{ "STI", VALID | INTERRUPT | VECTOR_FREE, 0, 1 },
		{ "MOV SS", VALID | INTERRUPT | VECTOR_FREE, 0, 2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(blocked); i++) {
		struct minivmx_sregs sregs;

		run_to_sync(vcpu, 7);
		/* The OUT is finished, which ends blocking by STI and MOV SS. */
		run->immediate_exit = 1;
		EXPECT_EQ(EINTR, run_error(vcpu));
		run->immediate_exit = 0;
		sregs = get_sregs(vcpu);
		sregs.interruptibility = blocked[i].interruptibility;
		set_sregs(vcpu, &sregs);
		run->regs.rflags &= ~blocked[i].clear_flags;
		run->event = EVENT(blocked[i].info);
		vcpu_run(vcpu);
		EXPECT_EQ(EXIT_INVALID_GUEST, run->reason)
			TH_LOG("%s: %s", blocked[i].name, describe_exit(vcpu));
		EXPECT_EQ(1, run->entry_failure) TH_LOG("%s", blocked[i].name);
		EXPECT_EQ(blocked[i].info, run->event.info)
			TH_LOG("%s", blocked[i].name);

		run->regs.rflags |= RFLAGS_IF;
		sregs.interruptibility = 0;
		set_sregs(vcpu, &sregs);
		run->event = EVENT(blocked[i].info);
		run_to_sync(vcpu, 7);
		EXPECT_EQ(blocked[i].info & 0xff, vector_seen(vm))
			TH_LOG("%s", blocked[i].name);
		EXPECT_EQ(0, run->event.info);
	}
}

/* An error code is for protected mode. */
GUEST_BLOB(real_mode_guest, 16,
	   "1: outl %eax, $0x10\n\t"
	   "jmp 1b\n\t"
	   "nop\n\t"
	   "outl %eax, $0x11");

TEST_F(vm, event_in_real_mode)
{
	struct vcpu *vcpu = &self->vm.vcpu;
	struct minivmx_run *run = vcpu->run;
	u16 *vectors = (void *)self->vm.memory;

	if (!uses_ept(&self->vm))
		SKIP(return, NEEDS_REAL_MODE);
	start_real(&self->vm, real_mode_guest);
	vectors[2 * VECTOR_GP] = GUEST_BLOB_BASE +
		(real_mode_guest_end - real_mode_guest) - 3;
	run_to_exit(vcpu, EXIT_IO);
	run->event = EVENT(VALID | EXCEPTION | CODE | VECTOR_GP);
	EXPECT_EQ(EINVAL, run_error(vcpu));
	run->event = EVENT(VALID | EXCEPTION | VECTOR_GP);
	run_to_exit(vcpu, EXIT_IO);
	EXPECT_EQ(0x11, run->io.port);
}

/* ------------------------------------------------------ events of the driver */

#define UNKNOWN_MSR	0x12345678

static void guest_reads_an_msr(void)
{
	for (;;) {
		struct gprs r = { .c = UNKNOWN_MSR };

		GUEST_TRY("rdmsr", &r);
		GUEST_SYNC(guest_fault.vector);
	}
}

/* An exception that the driver raised, but the guest did not get yet. */
static void raise_gp(struct __test_metadata *_metadata, const struct vcpu *vcpu)
{
	struct minivmx_run *run = vcpu->run;

	run_to_exit(vcpu, EXIT_RDMSR);
	run->msr.fault = 1;
	run->immediate_exit = 1;
	EXPECT_EQ(EINTR, run_error(vcpu));
	run->immediate_exit = 0;
	EXPECT_EQ(VALID | EXCEPTION | CODE | VECTOR_GP, run->event.info);
	EXPECT_EQ(0, run->event.error);
}

MINIVMX_TEST(driver_event_is_seen, guest_reads_an_msr)
{
	raise_gp(_metadata, vcpu);
	/* It waits as long as it has to. */
	run->immediate_exit = 1;
	EXPECT_EQ(EINTR, run_error(vcpu));
	run->immediate_exit = 0;
	EXPECT_EQ(VALID | EXCEPTION | CODE | VECTOR_GP, run->event.info);
	run_to_sync(vcpu, VECTOR_GP);
	EXPECT_EQ(0, run->event.info);
}

MINIVMX_TEST(driver_event_is_replaced, guest_reads_an_msr)
{
	raise_gp(_metadata, vcpu);
	run->event = EVENT(VALID | EXCEPTION | VECTOR_UD);
	run_to_sync(vcpu, VECTOR_UD);
}

/* Without the exception the guest is before its instruction. */
MINIVMX_TEST(driver_event_is_cancelled, guest_reads_an_msr)
{
	raise_gp(_metadata, vcpu);
	run->event = EVENT(0);
	run_to_exit(vcpu, EXIT_RDMSR);
	run_to_sync(vcpu, NO_FAULT);
}

/* The program's interrupt comes first, then the instruction faults again. */
MINIVMX_TEST(event_before_a_fault, guest_reads_an_msr)
{
	u64 rip;

	run_to_exit(vcpu, EXIT_RDMSR);
	rip = run->regs.rip;
	run->msr.fault = 1;
	run->event = EVENT(VALID | INTERRUPT | VECTOR_FREE);
	run_to_sync(vcpu, VECTOR_FREE);
	EXPECT_EQ(rip, guest_copy(vm, guest_fault)->rip);
	EXPECT_EQ(0, run->event.info);
}

#define HOLE		(256 * MIB)

static void guest_undefined(void)
{
	for (;;) {
		struct gprs r = {};

		GUEST_TRY("ud2", &r);
		GUEST_SYNC(guest_fault.vector);
	}
}

static void take_idt_away(const struct vcpu *vcpu)
{
	struct minivmx_sregs sregs = get_sregs(vcpu);

	sregs.idtr.base = HOLE;
	set_sregs(vcpu, &sregs);
	run_to_exit(vcpu, MINIVMX_EXIT_MEMORY);
}

static void bring_idt_back(const struct vm *vm)
{
	map_memory(vm, HOLE, PAGE_4K, 0);
	memcpy(mmap_memory(vm, HOLE, PAGE_4K), vm->memory + GUEST_IDT, PAGE_4K);
}

/* One whose delivery was cut short. */
MINIVMX_TEST(interrupted_event_is_seen, guest_undefined)
{
	take_idt_away(vcpu);
	EXPECT_EQ(VALID | EXCEPTION | VECTOR_UD, run->event.info);
	bring_idt_back(vm);
	run_to_sync(vcpu, VECTOR_UD);
	EXPECT_EQ(0, run->event.info);
}

MINIVMX_TEST(interrupted_event_is_cancelled, guest_undefined)
{
	take_idt_away(vcpu);
	run->event = EVENT(0);
	run->regs.rip += 2;
	run_to_sync(vcpu, NO_FAULT);
}

/* The delivery runs into a page fault that the program traps, and mends. */
MINIVMX_TEST(event_interrupted_by_a_trap, guest_undefined)
{
	hide_idt(vm);
	set_traps(vcpu, BIT(VECTOR_PF), 0);
	run_to_exit(vcpu, EXIT_EXCEPTION);
	EXPECT_EQ(VECTOR_PF, run->interruption_info & 0xff);
	EXPECT_EQ(VALID | EXCEPTION | VECTOR_UD, run->vectoring_info);
	EXPECT_EQ(VALID | EXCEPTION | VECTOR_UD, run->event.info);
	show_idt(vm);
	run->event = EVENT(VALID | EXCEPTION | VECTOR_UD);
	run_to_sync(vcpu, VECTOR_UD);
}

/* ----------------------------------------------------------- another guest */

/* Makes another guest of the vCPU, which begins at @code. */
static void start_another(const struct vcpu *vcpu, void (*code)(void))
{
	struct minivmx_sregs sregs = get_sregs(vcpu);

	sregs.pending_debug = 0;
	sregs.flags = 0;
	set_sregs(vcpu, &sregs);
	vcpu->run->regs.rip = (uintptr_t)code;
	vcpu->run->regs.rflags = RFLAGS_IF | 2;
}

static void guest_says_five(void)
{
	GUEST_SYNC(guest_fault.count + 5);
}

/* An exception of the former guest's is none of this one's. */
MINIVMX_TEST(another_guest_without_the_event, guest_reads_an_msr)
{
	raise_gp(_metadata, vcpu);
	start_another(vcpu, guest_says_five);
	EXPECT_EQ(0, run->event.info);
	run_to_sync(vcpu, 5);
}

/* With some registers changed it is the same guest. */
MINIVMX_TEST(same_guest_with_the_event, guest_reads_an_msr)
{
	struct minivmx_sregs sregs;

	raise_gp(_metadata, vcpu);
	sregs = get_sregs(vcpu);
	sregs.dr[0] = 0x1234;
	sregs.cr8 = 7;
	set_sregs(vcpu, &sregs);
	EXPECT_EQ(VALID | EXCEPTION | CODE | VECTOR_GP, run->event.info);
	run_to_sync(vcpu, VECTOR_GP);
}

static void guest_steps_over_output(void)
{
	asm volatile("pushfq; orq $0x100, (%%rsp); popfq\n\t"
		     "outl %%eax, $0x10" : : : "memory", "cc");
}

/* Nor is the trap of its last instruction. */
MINIVMX_TEST(another_guest_without_the_trap, guest_steps_over_output)
{
	run_to_exit(vcpu, EXIT_IO);
	run->immediate_exit = 1;
	EXPECT_EQ(EINTR, run_error(vcpu));
	run->immediate_exit = 0;
	start_another(vcpu, guest_says_five);
	run_to_sync(vcpu, 5);
}

static u64 input;

static void guest_reads_a_port(void)
{
	for (;;) {
		asm volatile("inl $0x10, %%eax" : "=a"(input) : "0"(~0UL));
		GUEST_SYNC(input);
	}
}

/* The exit of the former guest gets no answer, though this one stands at the same IN. */
MINIVMX_TEST(another_guest_without_the_exit, guest_reads_a_port)
{
	u64 rip;

	run_to_exit(vcpu, EXIT_IO);
	rip = run->regs.rip;
	run->io.data = 1;
	start_another(vcpu, guest_reads_a_port);
	run->regs.rip = rip;
	run->answer = MINIVMX_ANSWER_SKIP;
	EXPECT_EQ(EINVAL, run_error(vcpu));
	run->answer = MINIVMX_ANSWER_FINISH;
	run_to_exit(vcpu, EXIT_IO);
	EXPECT_EQ(rip, run->regs.rip);
	run->io.data = 2;
	run_to_sync(vcpu, 2);
}

/* A debugger, say, changes registers while an exit waits. */
MINIVMX_TEST(same_guest_with_the_exit, guest_reads_a_port)
{
	struct minivmx_sregs sregs;

	run_to_exit(vcpu, EXIT_IO);
	run->io.data = 1;
	sregs = get_sregs(vcpu);
	sregs.dr[1] = 0x1234;
	sregs.ldtr.limit = 7;
	set_sregs(vcpu, &sregs);
	run_to_sync(vcpu, 1);
}

static int set_first_version(const struct vcpu *vcpu, struct minivmx_sregs sregs)
{
	sregs.size = offsetof(struct minivmx_sregs, cr8);
	/* What is beyond is not read. */
	sregs.cr8 = ~0UL;
	sregs.flags = ~0U;
	return call_error(vcpu->fd, MINIVMX_SET_SREGS, &sregs);
}

/* The first version of the structure says nothing of what came later: that stays. */
MINIVMX_TEST(first_version_of_the_structure, guest_reads_a_port)
{
	struct minivmx_sregs sregs, now;

	run_to_exit(vcpu, EXIT_IO);
	run->io.data = 1;
	sregs = get_sregs(vcpu);
	sregs.cr8 = 9;
	sregs.pending_debug = BIT(14);
	sregs.activity = 1;
	set_sregs(vcpu, &sregs);
	sregs.dr[1] = 0x1234;
	EXPECT_EQ(0, set_first_version(vcpu, sregs));
	now = get_sregs(vcpu);
	EXPECT_EQ(0x1234, now.dr[1]);
	EXPECT_EQ(9, now.cr8);
	EXPECT_EQ(BIT(14), now.pending_debug);
	EXPECT_EQ(1, now.activity);
	now.pending_debug = 0;
	now.activity = 0;
	set_sregs(vcpu, &now);
	run_to_sync(vcpu, 1);
	/* And it gets no more than it has room for. */
	now = (struct minivmx_sregs) {
		.size = offsetof(struct minivmx_sregs, cr8), .cr8 = 0xee,
	};
	test_cmd(vcpu->fd, MINIVMX_GET_SREGS, &now);
	EXPECT_EQ(0x1234, now.dr[1]);
	EXPECT_EQ(0xee, now.cr8);
}

TEST_HARNESS_MAIN
