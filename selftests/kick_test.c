// SPDX-License-Identifier: GPL-2.0
/*
 * MINIVMX_KICK: another thread ends a MINIVMX_RUN, whatever the vCPU does then, and
 * no kick is lost.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>

#include "alarm.h"
#include "interrupted.h"
#include "minivmx_harness.h"

static void kick(const struct vcpu *vcpu)
{
	test_cmd(vcpu->fd, MINIVMX_KICK, NULL);
}

/* The next run is the one that ends, before the guest is entered, and only that. */
MINIVMX_TEST(before_the_run, guest_counts)
{
	u64 entries;

	run_to_sync(vcpu, 0);
	entries = get_stats(vm).out_entries;
	kick(vcpu);
	run_to_exit(vcpu, MINIVMX_EXIT_KICK);
	EXPECT_EQ(entries, get_stats(vm).out_entries);
	run_to_sync(vcpu, 1);
}

MINIVMX_TEST(several_end_one_run, guest_counts)
{
	kick(vcpu);
	kick(vcpu);
	kick(vcpu);
	run_to_exit(vcpu, MINIVMX_EXIT_KICK);
	run_to_sync(vcpu, 0);
}

/* Whatever else ends a run leaves the kick to the next one. */
MINIVMX_TEST(is_left_to_the_next_run, guest_counts)
{
	kick(vcpu);
	run->immediate_exit = 1;
	EXPECT_EQ(EINTR, run_error(vcpu));
	run->immediate_exit = 0;
	run->answer = MINIVMX_ANSWER_DEFAULT + 1;
	EXPECT_EQ(EINVAL, run_error(vcpu));
	run->answer = 0;
	run_to_exit(vcpu, MINIVMX_EXIT_KICK);
	run_to_sync(vcpu, 0);
}

/* All that a run tells of an exit is told of this one, too. */
MINIVMX_TEST(tells_of_itself, guest_counts)
{
	run_to_sync(vcpu, 0);
	kick(vcpu);
	run_to_exit(vcpu, MINIVMX_EXIT_KICK);
	EXPECT_EQ(0, run->entry_failure);
	EXPECT_EQ(0, run->qualification);
	EXPECT_EQ(0, run->instruction_length);
	EXPECT_EQ(0, run->interruption_info);
	EXPECT_EQ(0, run->vectoring_info);
	EXPECT_EQ('\0', run->cause[0]);
	/* It wants no answer. */
	run->answer = MINIVMX_ANSWER_SKIP;
	EXPECT_EQ(EINVAL, run_error(vcpu));
	run->answer = 0;
	run_to_sync(vcpu, 1);
}

/* The exit before is ended first. */
MINIVMX_TEST(after_the_answer, guest_reads_a_port)
{
	run_to_exit(vcpu, EXIT_IO);
	run->io.data = 0x5555;
	kick(vcpu);
	run_to_exit(vcpu, MINIVMX_EXIT_KICK);
	run->io.data = 0;
	run_to_done(vcpu);
	EXPECT_EQ(0x5555, *guest_copy(vm, input));
}

/* A thread that kicks when it is told to, after a moment. */
struct kicker {
	const struct vcpu *vcpu;
	long microseconds;
	pthread_t thread;
};

static void *kick_later(void *arg)
{
	const struct kicker *kicker = arg;

	usleep(kicker->microseconds);
	kick(kicker->vcpu);
	return NULL;
}

static void start_kicker(struct kicker *kicker, const struct vcpu *vcpu,
			 long microseconds)
{
	kicker->vcpu = vcpu;
	kicker->microseconds = microseconds;
	require(!pthread_create(&kicker->thread, NULL, kick_later, kicker),
		"pthread_create");
}

static void expect_kicks_to_end_runs(struct __test_metadata *_metadata,
				     const struct vm *vm)
{
	volatile u64 *seen = guest_copy(vm, turns);

	for (int i = 0; i < 10; i++) {
		struct kicker kicker;
		u64 before = *seen;
		double start = now();

		start_kicker(&kicker, &vm->vcpu, 20000);
		run_to_exit(&vm->vcpu, MINIVMX_EXIT_KICK);
		pthread_join(kicker.thread, NULL);
		EXPECT_GT(1.0, now() - start);
		EXPECT_LT(before, *seen);
	}
}

MINIVMX_TEST(while_it_runs, guest_spins)
{
	expect_kicks_to_end_runs(_metadata, vm);
}

MINIVMX_TEST(while_it_runs_with_interrupts_off, guest_spins_without_interrupts)
{
	expect_kicks_to_end_runs(_metadata, vm);
}

/*
 * From another CPU, while nothing else interrupts the guest's: a kick is an interrupt of its
 * own.
 */
MINIVMX_TEST(from_another_cpu, guest_spins)
{
	struct minivmx_stats before, after;
	struct kicker kicker;

	if (online_cpus() < 2)
		SKIP(return, "this machine has one CPU");
	before = get_stats(vm);
	for (int i = 0; i < 10; i++) {
		start_kicker(&kicker, vcpu, 5000);
		run_to_exit(vcpu, MINIVMX_EXIT_KICK);
		pthread_join(kicker.thread, NULL);
	}
	after = get_stats(vm);
	EXPECT_LT(before.out_kicks, after.out_kicks);
}

/* A kick in the middle of the driver's step: the program sees none of it. */
MINIVMX_TEST(step_ends_with_the_run, guest_writes_tables)
{
	if (uses_ept(vm))
		SKIP(return, "not with EPT: nothing is stepped there");
	for (int i = 0; i < 30; i++) {
		struct kicker kicker;

		start_kicker(&kicker, vcpu, 2000);
		run_to_exit(vcpu, MINIVMX_EXIT_KICK);
		pthread_join(kicker.thread, NULL);
		expect_no_step(_metadata, vcpu);
	}
}

/* A child that has the file kicks as well as a thread does. */
MINIVMX_TEST(from_another_process, guest_spins)
{
	pid_t child = fork();

	ASSERT_LE(0, child);
	if (!child) {
		usleep(20000);
		kick(vcpu);
		_exit(0);
	}
	run_to_exit(vcpu, MINIVMX_EXIT_KICK);
	waitpid(child, NULL, 0);
}

TEST_F(vm, argument)
{
	const struct vm *vm = &self->vm;

	test_err(EINVAL, vm->vcpu.fd, MINIVMX_KICK, (void *)1);
	test_err(ENOTTY, vm->fd, MINIVMX_KICK, NULL);
	test_err(ENOTTY, vm->device, MINIVMX_KICK, NULL);
}

/*
 * A device on a thread of its own, whose interrupts the guest counts. It raises a few at once,
 * and then waits until the guest has had them: a kick that is lost is waited for in vain.
 */
#define VECTOR_DEVICE		0x40
#define EVENT_INTERRUPT		(0x80000000U | VECTOR_DEVICE)
#define MOST_AT_ONCE		8

static volatile u64 interrupts;

static void __attribute__((naked)) count_interrupt(void)
{
	asm volatile("incq interrupts\n\t"
		     "iretq");
}

static void guest_is_interrupted(void)
{
	for (u64 i = 0; ; i++) {
		asm volatile("sti");
		/* Sometimes the next one comes while it computes, sometimes not. */
		for (u64 j = 0; j < i % 16 * 16; j++)
			turns++;
		asm volatile("cli");
		turns++;
		if (i % 4)
			asm volatile("sti\n\thlt");
	}
}

struct device {
	const struct vm *vm;
	u64 count;
	volatile u64 raised;
	pthread_t thread;
};

static void *raise_interrupts(void *arg)
{
	struct device *device = arg;
	volatile u64 *had = guest_copy(device->vm, interrupts);
	u64 random = 1;

	while (device->raised < device->count) {
		u64 left = device->count - device->raised, some;

		random = random * 6364136223846793005UL + 1442695040888963407UL;
		some = 1 + (random >> 33) % MOST_AT_ONCE;
		for (some = some < left ? some : left; some; some--) {
			__atomic_fetch_add(&device->raised, 1, __ATOMIC_RELEASE);
			kick(&device->vm->vcpu);
		}
		while (*had != device->raised)
			sched_yield();
	}
	kick(&device->vm->vcpu);
	return NULL;
}

static void set_gate(const struct vm *vm, u32 vector, void (*handler)(void))
{
	volatile u64 *gate = (u64 *)(vm->memory + GUEST_IDT + 16 * vector);
	const u64 address = (uintptr_t)handler;

	/* A 64-bit interrupt gate of the supervisor's (SDM Vol. 3A, "64-Bit Mode IDT"). */
	gate[0] = (address & 0xffff) | (u64)GUEST_CS << 16 | 0x8eUL << 40 |
		  (address >> 16 & 0xffff) << 48;
	gate[1] = address >> 32;
}

/* Gives the guest as many as the device has raised, each when it can be taken. */
static void run_with_device(struct __test_metadata *_metadata,
			    const struct device *device)
{
	const struct vcpu *vcpu = &device->vm->vcpu;
	volatile u64 *had = guest_copy(device->vm, interrupts);
	struct minivmx_run *run = vcpu->run;
	u64 given = 0;

	while (*had < device->count) {
		const u64 raised = __atomic_load_n(&device->raised, __ATOMIC_ACQUIRE);

		if (given < raised && run->ready & MINIVMX_WINDOW_INTERRUPT) {
			run->event.info = EVENT_INTERRUPT;
			given++;
		}
		run->windows = given < raised ? MINIVMX_WINDOW_INTERRUPT : 0;
		vcpu_run(vcpu);
		ASSERT_TRUE(run->reason == MINIVMX_EXIT_KICK ||
			    run->reason == EXIT_INTERRUPT_WINDOW)
			TH_LOG("got %s", describe_exit(vcpu));
		ASSERT_GE(given, *had);
	}
}

/*
 * How many it is to be: MINIVMX_INTERRUPTS says so, or how slow the machine is. The debug
 * kernel checks each VM entry, and one within KVM takes many exits of the outer kind.
 */
static u64 number_of_interrupts(void)
{
	const char *text = getenv("MINIVMX_INTERRUPTS");

	if (text)
		return strtoull(text, NULL, 0);
	return kmemleak_watches() || runs_in_kvm() ? 1000 : 20000;
}

TEST_F_TIMEOUT(vm, no_interrupt_is_lost_or_doubled, 900)
{
	struct device device = {
		.vm = &self->vm, .count = number_of_interrupts(),
	};
	const double start = now();

	start_guest(&self->vm, guest_is_interrupted);
	set_gate(&self->vm, VECTOR_DEVICE, count_interrupt);
	self->vm.vcpu.run->flags = MINIVMX_RUN_WAIT;
	ASSERT_EQ(0, pthread_create(&device.thread, NULL, raise_interrupts, &device));
	run_with_device(_metadata, &device);
	pthread_join(device.thread, NULL);
	EXPECT_EQ(device.count, *guest_copy(&self->vm, interrupts));
	TH_LOG("%llu interrupts in %.1f s", (unsigned long long)device.count,
	       now() - start);
}

TEST_HARNESS_MAIN
