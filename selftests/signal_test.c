// SPDX-License-Identifier: GPL-2.0
/*
 * A guest that would run for ever: signals, preemption, death, and moves
 * between threads and CPUs.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>

#include "alarm.h"
#include "interrupted.h"
#include "minivmx_harness.h"

static void expect_alarms_to_end_runs(struct __test_metadata *_metadata,
				      const struct vm *vm)
{
	const struct vcpu *vcpu = &vm->vcpu;
	volatile u64 *seen = guest_copy(vm, turns);

	catch_signal(SIGALRM, no_action);
	for (int i = 0; i < 10; i++) {
		u64 before = *seen;
		double start = now();

		set_alarm(20000);
		EXPECT_EQ(EINTR, run_error(vcpu));
		EXPECT_GT(1.0, now() - start);
		EXPECT_LT(before, *seen);
	}
}

MINIVMX_TEST(alarm, guest_spins)
{
	expect_alarms_to_end_runs(_metadata, vm);
}

MINIVMX_TEST(alarm_with_interrupts_off, guest_spins_without_interrupts)
{
	expect_alarms_to_end_runs(_metadata, vm);
}

static inline u64 stack_pointer(void)
{
	u64 value;

	asm volatile("movq %%rsp, %0" : "=r"(value));
	return value;
}

static volatile sig_atomic_t came;

static void remember(int signal)
{
	came = signal;
}

/*
 * Of a process's own time, which the kernel looks at on a task's way to user mode: this one
 * is in the kernel and in the guest only.
 */
MINIVMX_TEST(timer_of_cpu_time, guest_spins)
{
	const struct itimerval soon = { .it_value = { 0, 50000 } };

	catch_signal(SIGPROF, remember);
	catch_signal(SIGALRM, remember);
	set_alarm(900000);
	setitimer(ITIMER_PROF, &soon, NULL);
	EXPECT_EQ(EINTR, run_error(vcpu));
	EXPECT_EQ(SIGPROF, came);
	set_alarm(0);
}

static void guest_raises_exceptions(void)
{
	struct gprs gprs = {};
	const u64 before = stack_pointer();

	for (;;) {
		GUEST_ASSERT(GUEST_TRY("ud2", &gprs) == VECTOR_UD);
		GUEST_ASSERT(stack_pointer() == before);
	}
}

/*
 * An interrupt before the first instruction of a handler: the exit has to be from there.
 * Debian's Bochs 3.0 with several CPUs reports the instruction that raised the exception, with
 * the handler's stack, and the guest takes a second frame (lab/bochs-several-cpus.patch).
 */
MINIVMX_TEST(between_exception_and_handler, guest_raises_exceptions)
{
	catch_signal(SIGALRM, no_action);
	set_ticks(500);
	for (int i = 0; i < 300; i++) {
		ASSERT_EQ(EINTR, run_error(vcpu))
			TH_LOG("run %d: %s", i, describe_exit(vcpu));
	}
	set_ticks(0);
}

MINIVMX_TEST(immediate_exit, guest_counts)
{
	u64 entries;

	run_to_sync(vcpu, 0);
	entries = get_stats(vm).out_entries;
	run->immediate_exit = 1;
	EXPECT_EQ(EINTR, run_error(vcpu));
	EXPECT_EQ(EINTR, run_error(vcpu));
	EXPECT_EQ(entries, get_stats(vm).out_entries);
	run->immediate_exit = 0;
	run_to_sync(vcpu, 1);
}

static struct minivmx_run *run_of_handler;

static void ask_for_exit(int signal)
{
	(void)signal;
	run_of_handler->immediate_exit = 1;
}

/* The signal may come before the call: the flag that its handler sets stays. */
MINIVMX_TEST(immediate_exit_by_a_handler, guest_spins)
{
	run_of_handler = run;
	catch_signal(SIGUSR1, ask_for_exit);
	raise(SIGUSR1);
	EXPECT_EQ(EINTR, run_error(vcpu));
}

/* An answer is taken once, whether or not the guest was entered then. */
MINIVMX_TEST(answer_survives_eintr, guest_reads_a_port)
{
	run_to_exit(vcpu, EXIT_IO);
	run->io.data = 0x5555;
	run->immediate_exit = 1;
	EXPECT_EQ(EINTR, run_error(vcpu));
	run->immediate_exit = 0;
	run_to_done(vcpu);
	EXPECT_EQ(0x5555, *guest_copy(vm, input));
}

/* One CPU for both: the guest is preempted as any program. */
MINIVMX_TEST(host_goes_on, guest_spins)
{
	volatile u64 *seen = guest_copy(vm, turns);
	double start = now();
	pthread_t thread;
	void *result;

	catch_signal(SIGUSR1, no_action);
	ASSERT_TRUE(pin_to_cpu(sched_getcpu()));
	ASSERT_EQ(0, pthread_create(&thread, NULL, run_in_thread, vcpu));
	for (int i = 0; i < 10; i++) {
		u64 before = *seen;

		while (*seen == before)
			usleep(5000);
	}
	EXPECT_GT(5.0, now() - start);
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, &result);
	EXPECT_EQ(EINTR, (long)result);
}

/* Stopped and continued: the guest goes on without the program's doing. */
TEST(stop_and_continue)
{
	volatile u64 *progress = mmap(NULL, PAGE_4K, PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct vm vm;
	const char *reason = create_vm(&vm);
	pid_t child;
	int status;

	if (reason)
		SKIP(return, "%s", reason);
	start_guest(&vm, guest_counts);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		for (;;) {
			int error = run_error(&vm.vcpu);

			require(!error || error == EINTR, "MINIVMX_RUN: %s",
				strerrorname_np(error));
			(*progress)++;
		}
	}
	for (int i = 0; i < 5; i++) {
		u64 before = *progress;

		while (*progress == before)
			usleep(1000);
		kill(child, SIGSTOP);
		ASSERT_EQ(child, waitpid(child, &status, WUNTRACED));
		ASSERT_TRUE(WIFSTOPPED(status));
		kill(child, SIGCONT);
	}
	kill(child, SIGKILL);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	close_vm(&vm);
}

/* A child with a VM of its own, killed within MINIVMX_RUN. */
static void run_and_be_killed(struct __test_metadata *_metadata)
{
	volatile bool *started = mmap(NULL, PAGE_4K, PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child = fork();
	int status;

	ASSERT_LE(0, child);
	if (!child) {
		struct vm vm;

		require(!create_vm(&vm), "no VM");
		map_memory(&vm, 64 * MIB, 8 * MIB,
			   MINIVMX_MAP_2M | MINIVMX_MAP_POPULATE);
		start_guest(&vm, guest_spins);
		*started = true;
		run_error(&vm.vcpu);
		_exit(KSFT_FAIL);
	}
	while (!*started)
		usleep(1000);
	usleep(5000);
	kill(child, SIGKILL);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	munmap((void *)started, PAGE_4K);
}

/* Thirty seconds are few where each page is poisoned and checked. */
TEST_F_TIMEOUT(vm, killed_in_run, 120)
{
	long before, after;

	for (int i = 0; i < 3; i++)
		run_and_be_killed(_metadata);
	before = free_memory();
	for (int i = 0; i < 10; i++)
		run_and_be_killed(_metadata);
	after = free_memory();
	/* One VM lost would be 8 MiB. */
	EXPECT_LT(before - after, 4096) TH_LOG("%ld KiB lost", before - after);
}

static void *sync_in_thread(void *arg)
{
	run_to_sync((struct vcpu *)arg, turns);
	return NULL;
}

MINIVMX_TEST(threads_take_turns, guest_counts)
{
	for (turns = 0; turns < 20; turns++) {
		pthread_t thread;

		ASSERT_EQ(0, pthread_create(&thread, NULL, sync_in_thread, vcpu));
		pthread_join(thread, NULL);
	}
}

MINIVMX_TEST(cpus_take_turns, guest_counts)
{
	if (online_cpus() < 2)
		SKIP(return, "this machine has one CPU");
	for (u64 i = 0; i < 100; i++) {
		ASSERT_TRUE(pin_to_cpu(i % 2));
		run_to_sync(vcpu, i);
	}
}

#define SHOWN	(1UL << 30)	/* linear: shows one of two pages in turn */
#define PAGE_A	(64 * MIB)
#define PAGE_B	(66 * MIB)

/* Shows the other page, flushes it, reads; then reads again when told to. */
static void guest_remaps(void)
{
	volatile u64 *entry = (u64 *)(GUEST_PML4 + 3 * PAGE_4K);
	volatile u64 *window = (u64 *)SHOWN;

	for (u64 i = 0; ; i++) {
		*entry = (i % 2 ? PAGE_B : PAGE_A) | 0x83;
		asm volatile("invlpg (%0)" : : "r"(window) : "memory");
		GUEST_SYNC(*window);
		GUEST_SYNC(*window);
	}
}

/*
 * The guest flushes its own translation on one CPU, and is then moved to the
 * other, which may hold the stale one from before.
 */
MINIVMX_TEST(invlpg_counts_on_all_cpus, guest_remaps)
{
	if (online_cpus() < 2)
		SKIP(return, "this machine has one CPU");
	map_memory(vm, PAGE_A, PAGE_2M, 0);
	map_memory(vm, PAGE_B, PAGE_2M, 0);
	*(u64 *)mmap_memory(vm, PAGE_A, PAGE_4K) = 'A';
	*(u64 *)mmap_memory(vm, PAGE_B, PAGE_4K) = 'B';
	for (int i = 0; i < 50; i++) {
		ASSERT_TRUE(pin_to_cpu(i % 2));
		run_to_sync(vcpu, i % 2 ? 'B' : 'A');
		ASSERT_TRUE(pin_to_cpu(!(i % 2)));
		run_to_sync(vcpu, i % 2 ? 'B' : 'A');
	}
}

/* A signal in the middle of the driver's step: the program sees none of it. */
MINIVMX_TEST(step_ends_with_the_run, guest_writes_tables)
{
	if (uses_ept(vm))
		SKIP(return, "not with EPT: nothing is stepped there");
	catch_signal(SIGALRM, no_action);
	for (int i = 0; i < 50; i++) {
		set_alarm(3000);
		ASSERT_EQ(EINTR, run_error(vcpu))
			TH_LOG("got %s", describe_exit(vcpu));
		expect_no_step(_metadata, vcpu);
	}
}

TEST_HARNESS_MAIN
