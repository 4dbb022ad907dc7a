// SPDX-License-Identifier: GPL-2.0
/*
 * A guest moves to another vCPU: what the calls read of one, written to another with
 * the same memory, makes the guest go on there as if nothing had happened.
 */
#include "alarm.h"
#include "minivmx_harness.h"
#include "registers.h"
#include "vcpu_state.h"
#include "window.h"

#define PORT			0x30
#define ROUNDS			40
#define RFLAGS_TF		BIT(8)
#define DR6_INIT		0xffff0ff0UL
#define CR0_PG			BIT(31)
#define CR4_PAE			BIT(5)

#define BLOCKING_BY_STI		BIT(0)
#define BLOCKING_BY_MOV_SS	BIT(1)
#define BLOCKING_BY_NMI		BIT(3)

/* Tables of PAE paging, which map page n of 2 MiB, and what is in that page. */
#define PDPT			0x20000UL
#define PD(n)			(0x21000UL + (n) * PAGE_4K)
#define MARK_AT(n)		((n) * PAGE_2M + 0x50000)
#define MARK(n)			(0x1111 * ((n) + 1))

#define IA32_LSTAR		0xc0000082
#define IA32_KERNEL_GS_BASE	0xc0000102

static void copy_state(const struct vcpu *from, const struct vcpu *to)
{
	struct vcpu_state state;

	get_state(from, &state);
	set_state(to, &state);
}

extern const char __executable_start[], _end[];

/* What guests here use: memory below 512 KiB, the program, and where the marks are. */
static void copy_memory(const struct vm *from, const struct vm *to)
{
	const uintptr_t program = (uintptr_t)__executable_start;

	memcpy(to->memory, from->memory, GUEST_STACK + 0x40000);
	memcpy(to->memory + program, from->memory + program,
	       (uintptr_t)_end - program);
	for (u64 n = 0; n < 3; n++)
		*(u32 *)(to->memory + MARK_AT(n)) =
			*(u32 *)(from->memory + MARK_AT(n));
}

/* Replaces @vm by another one, which goes on in its place. */
static void move(struct vm *vm)
{
	struct vm next;

	require(!create_vm_with(&next, vm->mmu), "no second VM");
	copy_memory(vm, &next);
	copy_state(&vm->vcpu, &next.vcpu);
	close_vm(vm);
	*vm = next;
}

/* ------------------------------------------------------ at whatever moment it is */

/* What the guest saw, in its order. */
#define VALUES		9
static volatile u64 seen[ROUNDS * VALUES];
static volatile u32 nr_seen;

static void see(u64 value)
{
	seen[nr_seen] = value;
	nr_seen++;
}

static u64 read_cr8(void)
{
	u64 value;

	asm volatile("movq %%cr8, %0" : "=r"(value));
	return value;
}

/* A bit of everything that is kept from one exit to the next. */
static void work(u64 round)
{
	struct gprs gprs = { .d = PORT };
	u64 value;

	GUEST_ASSERT(GUEST_TRY("inl %%dx, %%eax", &gprs) == NO_FAULT);
	see(gprs.a);
	map_page(round % 8, round & 1 ? &page_a : &page_b);
	see(read_at(WINDOW_PAGE(round % 8)));
	GUEST_ASSERT(GUEST_TRY("ud2", &gprs) == VECTOR_UD);
	asm volatile("movq %0, %%cr8" : : "r"(round % 16));
	asm volatile("movq %0, %%dr2" : : "r"(round << 11));
	/* The compiler uses none of these two. */
	asm volatile("movq %0, %%xmm15" : : "r"(round << 14));
	asm volatile("fninit; fildll %0" : : "m"(round));
	GUEST_ASSERT(try_wrmsr(IA32_LSTAR, round << 12) == NO_FAULT);
	GUEST_ASSERT(try_wrmsr(IA32_KERNEL_GS_BASE, round << 13) == NO_FAULT);
	GUEST_ASSERT(GUEST_TRY("outl %%eax, %%dx", &gprs) == NO_FAULT);
	see(read_cr8());
	asm volatile("movq %%dr2, %0" : "=r"(value));
	see(value);
	GUEST_ASSERT(try_rdmsr(IA32_LSTAR, &value) == NO_FAULT);
	see(value);
	GUEST_ASSERT(try_rdmsr(IA32_KERNEL_GS_BASE, &value) == NO_FAULT);
	see(value);
	asm volatile("movq %%xmm15, %0" : "=r"(value));
	see(value);
	asm volatile("fistpll %0" : "=m"(value));
	see(value);
	write_cr3(read_cr3());
	see(guest_fault.count);
}

static void guest_works(void)
{
	open_window();
	for (u64 round = 0; round < ROUNDS; round++)
		work(round);
	GUEST_DONE();
}

static u64 random_state;

static u32 random_below(u32 limit)
{
	random_state = random_state * 6364136223846793005UL + 1442695040888963407UL;
	return (random_state >> 33) % limit;
}

/* Answers the guest's I/O; moves it after one exit in @every, if that is not 0. */
static void run_to_the_end(struct vm *vm, u32 every)
{
	u32 answers = 0;

	for (;;) {
		int error = run_error(&vm->vcpu);
		struct minivmx_run *run = vm->vcpu.run;

		if (!error && get_ucall(&vm->vcpu) == UCALL_DONE)
			return;
		if (!error) {
			require(run->reason == EXIT_IO && run->io.port == PORT, "%s",
				describe_exit(&vm->vcpu));
			run->io.data = ++answers * 0x01234567;
			end_exit(&vm->vcpu);
		} else {
			require(error == EINTR, "MINIVMX_RUN: %s",
				strerrorname_np(error));
		}
		if (every && !random_below(every))
			move(vm);
	}
}

/* Has it seen what a guest sees that stays where it is? */
static void expect_the_same(struct __test_metadata *_metadata, const struct vm *vm)
{
	const u64 *values = (u64 *)guest_copy(vm, seen), *wanted;
	struct vm other;

	require(!create_vm_with(&other, vm->mmu), "no second VM");
	wanted = (u64 *)guest_copy(&other, seen);
	start_guest(&other, guest_works);
	run_to_the_end(&other, 0);
	EXPECT_EQ(ROUNDS * VALUES, *(u32 *)guest_copy(vm, nr_seen));
	for (int i = 0; i < ROUNDS * VALUES; i++) {
		EXPECT_EQ(wanted[i], values[i])
			TH_LOG("value %d of round %d", i % VALUES, i / VALUES);
	}
	close_vm(&other);
}

/* Slow on the debug kernel, with all the VMs. */
TEST_F_TIMEOUT(vm, moves_between_exits, 120)
{
	struct vm *vm = &self->vm;

	start_guest(vm, guest_works);
	random_state = 1;
	run_to_the_end(vm, 8);
	expect_the_same(_metadata, vm);
}

/* Signals stop it anywhere between two instructions. */
TEST_F_TIMEOUT(vm, moves_at_signals, 120)
{
	struct vm *vm = &self->vm;

	start_guest(vm, guest_works);
	random_state = 2;
	catch_signal(SIGALRM, no_action);
	/* Slowly where an exit takes long: no less of it is done between two ticks. */
	set_ticks(kmemleak_watches() || runs_in_kvm() ? 20000 : 500);
	run_to_the_end(vm, 12);
	set_ticks(0);
	expect_the_same(_metadata, vm);
}

/* ------------------------------------------------------------------- PAE paging */

/* Reports what it sees at 1 GiB, which the second of the four entries maps. */
GUEST_BLOB(looks_at_1g, 32,
	   "1: movl %cr3, %eax\n\t"
	   "movl 0x40050000, %eax\n\t"
	   "outl %eax, $0x30\n\t"
	   "jmp 1b");

static void start_pae(const struct vm *vm)
{
	u64 *pdpt = (u64 *)(vm->memory + PDPT);
	struct minivmx_sregs sregs;

	start_protected(vm, looks_at_1g);
	pdpt[0] = PD(0) | 1;
	pdpt[1] = PD(0) | 1;
	for (u64 n = 0; n < 3; n++) {
		u64 *pd = (u64 *)(vm->memory + PD(n));

		for (int i = 0; i < 512; i++)
			pd[i] = n * PAGE_2M | 0x83;
		*(u32 *)(vm->memory + MARK_AT(n)) = MARK(n);
	}
	sregs = get_sregs(&vm->vcpu);
	sregs.cr3 = PDPT;
	sregs.cr4 = CR4_PAE;
	sregs.cr0 |= CR0_PG;
	set_sregs(&vm->vcpu, &sregs);
}

static void expect_mark(struct __test_metadata *_metadata, const struct vm *vm, u64 n)
{
	run_to_exit(&vm->vcpu, EXIT_IO);
	EXPECT_EQ(MARK(n), vm->vcpu.run->io.data);
}

/* The entries are registers: what stands in memory by then counts at a load of CR3. */
TEST_F(vm, pdptes_are_registers)
{
	struct vm *vm = &self->vm;
	struct minivmx_sregs sregs;

	start_pae(vm);
	expect_mark(_metadata, vm, 0);
	*(u64 *)(vm->memory + PDPT + 8) = PD(1) | 1;
	sregs = get_sregs(&vm->vcpu);
	EXPECT_EQ(MINIVMX_SREGS_KEEP | MINIVMX_SREGS_PDPTES, sregs.flags);
	EXPECT_EQ(PD(0) | 1, sregs.pdptes[0]);
	EXPECT_EQ(PD(0) | 1, sregs.pdptes[1]);
	EXPECT_EQ(0, sregs.pdptes[2]);
	set_sregs(&vm->vcpu, &sregs);
	expect_mark(_metadata, vm, 0);
	end_exit(&vm->vcpu);
	move(vm);
	EXPECT_EQ(PD(0) | 1, get_sregs(&vm->vcpu).pdptes[1]);
	expect_mark(_metadata, vm, 0);
	/* Others of the program's choice. */
	sregs.pdptes[1] = PD(2) | 1;
	set_sregs(&vm->vcpu, &sregs);
	expect_mark(_metadata, vm, 2);
	/* And as a load of CR3 does. */
	sregs.flags = MINIVMX_SREGS_KEEP;
	set_sregs(&vm->vcpu, &sregs);
	EXPECT_EQ(PD(1) | 1, get_sregs(&vm->vcpu).pdptes[1]);
	expect_mark(_metadata, vm, 1);
	/* What no CPU can have there fails the entry, by qualification 2. */
	sregs.flags |= MINIVMX_SREGS_PDPTES;
	sregs.pdptes[1] |= BIT(1);
	set_sregs(&vm->vcpu, &sregs);
	run_to_exit(&vm->vcpu, EXIT_INVALID_GUEST);
	EXPECT_EQ(1, vm->vcpu.run->entry_failure);
	EXPECT_EQ(2, vm->vcpu.run->qualification);
}

/* In other modes there are none. */
TEST_F(vm, pdptes_without_pae)
{
	struct vm *vm = &self->vm;
	struct minivmx_sregs sregs;

	start_pae(vm);
	expect_mark(_metadata, vm, 0);
	sregs = get_sregs(&vm->vcpu);
	sregs.cr0 &= ~CR0_PG;
	set_sregs(&vm->vcpu, &sregs);
	sregs = get_sregs(&vm->vcpu);
	EXPECT_EQ(MINIVMX_SREGS_KEEP, sregs.flags);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(0, sregs.pdptes[i]);
}

/* --------------------------------------------------- between two instructions */

static void guest_blocks(void)
{
	asm volatile("cli\n\t"
		     "sti\n\t"
		     "cpuid\n\t"
		     "movl %%ss, %%eax\n\t"
		     "movl %%eax, %%ss\n\t"
		     "cpuid"
		     : : : "eax", "ebx", "ecx", "edx");
}

/* Events are blocked for one instruction, which exits again on the other vCPU. */
MINIVMX_TEST(moves_while_events_are_blocked, guest_blocks)
{
	static const u32 blocking[] = { BLOCKING_BY_STI, BLOCKING_BY_MOV_SS };

	set_trap(vcpu, EXIT_CPUID);
	for (size_t i = 0; i < ARRAY_SIZE(blocking); i++) {
		run_to_exit(vcpu, EXIT_CPUID);
		EXPECT_EQ(blocking[i], get_sregs(vcpu).interruptibility);
		move(vm);
		set_trap(vcpu, EXIT_CPUID);
		EXPECT_EQ(blocking[i], get_sregs(vcpu).interruptibility);
		run_to_exit(vcpu, EXIT_CPUID);
		EXPECT_EQ(blocking[i], get_sregs(vcpu).interruptibility);
		vcpu->run->answer = MINIVMX_ANSWER_DEFAULT;
	}
	run_to_done(vcpu);
	EXPECT_EQ(0, get_sregs(vcpu).interruptibility);
}

static void guest_unblocks_nmis(void)
{
	GUEST_SYNC(1);
	asm volatile("movq %%rsp, %%rcx\n\t"
		     "pushq %[ss]\n\t"
		     "pushq %%rcx\n\t"
		     "pushfq\n\t"
		     "pushq %[cs]\n\t"
		     "leaq 1f(%%rip), %%rax\n\t"
		     "pushq %%rax\n\t"
		     "iretq\n"
		     "1:"
		     : : [ss] "i"(GUEST_DS), [cs] "i"(GUEST_CS)
		     : "rax", "rcx", "memory");
	GUEST_SYNC(2);
}

MINIVMX_TEST(moves_while_nmis_are_blocked, guest_unblocks_nmis)
{
	struct minivmx_sregs sregs;

	if (!(get_info(vm->device).out_capabilities & MINIVMX_CAP_VIRTUAL_NMIS))
		SKIP(return, "this CPU has no virtual NMIs");
	sregs = get_sregs(vcpu);
	sregs.interruptibility = BLOCKING_BY_NMI;
	set_sregs(vcpu, &sregs);
	run_to_sync(vcpu, 1);
	end_exit(vcpu);
	move(vm);
	EXPECT_EQ(BLOCKING_BY_NMI, get_sregs(vcpu).interruptibility);
	run_to_sync(vcpu, 2);
	EXPECT_EQ(0, get_sregs(vcpu).interruptibility);
}

static u64 read_dr6(void)
{
	u64 value;

	asm volatile("movq %%dr6, %0" : "=r"(value));
	return value;
}

static void guest_steps_over_output(void)
{
	struct gprs gprs = { .d = PORT };

	asm volatile("movq %0, %%dr6" : : "r"(DR6_INIT));
	GUEST_ASSERT(GUEST_TRY("pushfq; orq $0x100, (%%rsp); popfq\n\t"
			       "outl %%eax, %%dx", &gprs) == VECTOR_DB);
	GUEST_ASSERT(guest_fault.rip == guest_fault.resume);
	GUEST_ASSERT(read_dr6() == (DR6_INIT | BIT(14)));
}

/* The trap of an instruction that is over waits for the next entry. */
MINIVMX_TEST(moves_with_a_trap, guest_steps_over_output)
{
	set_traps(vcpu, 0, 0);
	run_to_exit(vcpu, EXIT_IO);
	end_exit(vcpu);
	EXPECT_EQ(BIT(14), get_sregs(vcpu).pending_debug);
	move(vm);
	EXPECT_EQ(BIT(14), get_sregs(vcpu).pending_debug);
	run_to_done(vcpu);
}

#define UNKNOWN_MSR	0x12345678

static void guest_reads_an_msr(void)
{
	struct gprs gprs = { .c = UNKNOWN_MSR };

	GUEST_ASSERT(GUEST_TRY("rdmsr", &gprs) == VECTOR_GP);
	GUEST_ASSERT(guest_fault.rip != guest_fault.resume);
}

MINIVMX_TEST(moves_with_an_exception, guest_reads_an_msr)
{
	run_to_exit(vcpu, EXIT_RDMSR);
	run->msr.fault = 1;
	end_exit(vcpu);
	move(vm);
	run_to_done(vcpu);
}

static void guest_waits(void)
{
	for (;;) {
		asm volatile("hlt");
		GUEST_SYNC(guest_fault.count);
	}
}

/*
 * In HLT the guest waits for an event, on whatever vCPU. (That it does wait does not
 * show with Bochs 3.0, where an interrupt of the host's ends the HLT, too.)
 */
MINIVMX_TEST(moves_in_hlt, guest_waits)
{
	struct minivmx_sregs sregs;

	run_to_exit(vcpu, EXIT_HLT);
	sregs = get_sregs(vcpu);
	EXPECT_EQ(0, sregs.activity);
	sregs.activity = 1;
	set_sregs(vcpu, &sregs);
	EXPECT_EQ(1, get_sregs(vcpu).activity);
	move(vm);
	EXPECT_EQ(1, get_sregs(vcpu).activity);
	*(u64 *)guest_copy(vm, guest_resume) = vcpu->run->regs.rip;
	/* An interrupt of vector 22. */
	vcpu->run->event.info = 0x80000016;
	run_to_sync(vcpu, 1);
	EXPECT_EQ(0, get_sregs(vcpu).activity);
}

TEST_HARNESS_MAIN
