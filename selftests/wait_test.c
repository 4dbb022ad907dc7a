// SPDX-License-Identifier: GPL-2.0
/*
 * A MINIVMX_RUN that waits at HLT, and one that ends at a deadline.
 */
#include <pthread.h>
#include <sys/wait.h>

#include "alarm.h"
#include "interrupted.h"
#include "minivmx_harness.h"

#define VALID			0x80000000U
#define NMI			(2 << 8)
#define VECTOR_NMI		2
/* A vector without a meaning, which guest.c has an entry for. */
#define VECTOR_FREE		22
#define EVENT_INTERRUPT		(VALID | VECTOR_FREE)
#define EVENT_NMI		(VALID | NMI | VECTOR_NMI)

#define ACTIVE			0
#define HLT			1

#define FLAG_TF			BIT(8)
#define FLAG_IF			BIT(9)
#define MILLISECOND		1000000ULL

/* Of CLOCK_MONOTONIC, in nanoseconds. */
static u64 moment(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

/* That this thread has used. */
static double cpu_time(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

extern const char behind_hlt[];

static void guest_halts(void)
{
	struct gprs r = {};

	GUEST_SYNC(1);
	GUEST_TRY("sti\n\t"
		  "hlt\n"
		  ".globl behind_hlt\n"
		  "behind_hlt:\n\t"
		  "nop", &r);
	GUEST_SYNC(guest_fault.vector);
	GUEST_DONE();
}

static void *kick_later(void *vcpu)
{
	usleep(300000);
	test_cmd(((struct vcpu *)vcpu)->fd, MINIVMX_KICK, NULL);
	return NULL;
}

/* The guest is in HLT, and what MINIVMX_RUN says is @reason. */
static void expect_wait(struct __test_metadata *_metadata, const struct vcpu *vcpu,
			u32 reason)
{
	run_to_exit(vcpu, reason);
	EXPECT_EQ((uintptr_t)behind_hlt, vcpu->run->regs.rip);
	EXPECT_EQ(HLT, get_sregs(vcpu).activity);
	EXPECT_TRUE(vcpu->run->ready & MINIVMX_WINDOW_INTERRUPT);
}

static void run_into_wait(struct __test_metadata *_metadata, const struct vcpu *vcpu)
{
	run_to_sync(vcpu, 1);
	vcpu->run->flags = MINIVMX_RUN_WAIT | MINIVMX_RUN_DEADLINE;
	vcpu->run->deadline = moment() + 5 * MILLISECOND;
	expect_wait(_metadata, vcpu, MINIVMX_EXIT_DEADLINE);
	vcpu->run->flags = MINIVMX_RUN_WAIT;
}

static void expect_to_wake(struct __test_metadata *_metadata,
			   const struct vcpu *vcpu, u32 event)
{
	vcpu->run->event.info = event;
	run_to_sync(vcpu, event & 0xff);
	EXPECT_EQ(ACTIVE, get_sregs(vcpu).activity);
	run_to_done(vcpu);
}

/* A kick ends the wait, and the guest is still in HLT: the event is what wakes it. */
MINIVMX_TEST(kick_ends_it, guest_halts)
{
	double start, used;
	pthread_t thread;

	run_to_sync(vcpu, 1);
	run->flags = MINIVMX_RUN_WAIT;
	start = now();
	used = cpu_time();
	ASSERT_EQ(0, pthread_create(&thread, NULL, kick_later, vcpu));
	expect_wait(_metadata, vcpu, MINIVMX_EXIT_KICK);
	EXPECT_LE(0.3, now() - start);
	/* The CPU is for others meanwhile. */
	EXPECT_GT(0.15, cpu_time() - used);
	pthread_join(thread, NULL);
	expect_to_wake(_metadata, vcpu, EVENT_INTERRUPT);
}

MINIVMX_TEST(kick_comes_first, guest_halts)
{
	run_to_sync(vcpu, 1);
	run->flags = MINIVMX_RUN_WAIT;
	test_cmd(vcpu->fd, MINIVMX_KICK, NULL);
	run_to_exit(vcpu, MINIVMX_EXIT_KICK);
	EXPECT_EQ(ACTIVE, get_sregs(vcpu).activity);
	run->flags |= MINIVMX_RUN_DEADLINE;
	run->deadline = moment() + 5 * MILLISECOND;
	expect_wait(_metadata, vcpu, MINIVMX_EXIT_DEADLINE);
}

/* Nobody comes with an event: the guest does not go on. */
MINIVMX_TEST(it_waits_on, guest_halts)
{
	run_into_wait(_metadata, vcpu);
	for (int i = 0; i < 3; i++) {
		run->flags = MINIVMX_RUN_WAIT | MINIVMX_RUN_DEADLINE;
		run->deadline = moment() + 5 * MILLISECOND;
		expect_wait(_metadata, vcpu, MINIVMX_EXIT_DEADLINE);
		EXPECT_LE(run->deadline, moment());
	}
	run->flags = MINIVMX_RUN_WAIT;
	expect_to_wake(_metadata, vcpu, EVENT_INTERRUPT);
}

MINIVMX_TEST(signal_ends_it, guest_halts)
{
	run_into_wait(_metadata, vcpu);
	catch_signal(SIGALRM, no_action);
	set_alarm(20000);
	EXPECT_EQ(EINTR, run_error(vcpu));
	EXPECT_EQ(HLT, get_sregs(vcpu).activity);
	expect_to_wake(_metadata, vcpu, EVENT_INTERRUPT);
}

MINIVMX_TEST(immediate_exit_ends_it, guest_halts)
{
	run_into_wait(_metadata, vcpu);
	run->immediate_exit = 1;
	EXPECT_EQ(EINTR, run_error(vcpu));
	run->immediate_exit = 0;
	EXPECT_EQ(HLT, get_sregs(vcpu).activity);
}

MINIVMX_TEST(nmi_wakes, guest_halts)
{
	if (!(get_info(vm->device).out_capabilities & MINIVMX_CAP_VIRTUAL_NMIS))
		SKIP(return, "this CPU has no virtual NMIs");
	run_into_wait(_metadata, vcpu);
	expect_to_wake(_metadata, vcpu, EVENT_NMI);
}

/* A window that is open is no reason to wait. */
MINIVMX_TEST(window_is_open, guest_halts)
{
	run_to_sync(vcpu, 1);
	run->regs.rflags &= ~FLAG_IF;
	run->flags = MINIVMX_RUN_WAIT;
	run->windows = MINIVMX_WINDOW_INTERRUPT;
	run_to_exit(vcpu, EXIT_INTERRUPT_WINDOW);
	EXPECT_EQ((uintptr_t)behind_hlt, run->regs.rip);
	run->windows = 0;
	expect_to_wake(_metadata, vcpu, EVENT_INTERRUPT);
}

MINIVMX_TEST(window_opens_a_wait, guest_halts)
{
	run_into_wait(_metadata, vcpu);
	run->windows = MINIVMX_WINDOW_INTERRUPT;
	run_to_exit(vcpu, EXIT_INTERRUPT_WINDOW);
	run->windows = 0;
	expect_to_wake(_metadata, vcpu, EVENT_INTERRUPT);
}

static void guest_halts_for_good(void)
{
	asm volatile("cli\n\t"
		     "hlt");
	GUEST_DONE();
}

MINIVMX_TEST(interrupts_are_off, guest_halts_for_good)
{
	run->flags = MINIVMX_RUN_WAIT;
	run_to_exit(vcpu, EXIT_HLT);
	EXPECT_EQ(ACTIVE, get_sregs(vcpu).activity);
	run_to_done(vcpu);
}

/* The program may have it wait all the same. */
MINIVMX_TEST(interrupts_are_off_and_it_waits, guest_halts_for_good)
{
	struct minivmx_sregs sregs;

	run->flags = MINIVMX_RUN_WAIT | MINIVMX_RUN_DEADLINE;
	run->deadline = moment() + 1000 * MILLISECOND;
	run_to_exit(vcpu, EXIT_HLT);
	sregs = get_sregs(vcpu);
	sregs.activity = HLT;
	set_sregs(vcpu, &sregs);
	run->windows = MINIVMX_WINDOW_INTERRUPT;
	run->deadline = moment() + 20 * MILLISECOND;
	run_to_exit(vcpu, MINIVMX_EXIT_DEADLINE);
	EXPECT_LE(run->deadline, moment());
	EXPECT_EQ(HLT, get_sregs(vcpu).activity);
}

/* The trap of a single step comes behind HLT, and is what a CPU wakes for. */
MINIVMX_TEST(debug_trap_wakes, guest_halts)
{
	run_to_sync(vcpu, 1);
	run->flags = MINIVMX_RUN_WAIT;
	run->regs.rflags |= FLAG_TF;
	set_traps(vcpu, BIT(VECTOR_DB), 0);
	do {
		vcpu_run(vcpu);
		ASSERT_EQ(0, run->reason) TH_LOG("got %s", describe_exit(vcpu));
	} while (run->regs.rip != (uintptr_t)behind_hlt);
	EXPECT_EQ(ACTIVE, get_sregs(vcpu).activity);
}

MINIVMX_TEST(deadline_of_a_guest_that_runs, guest_spins)
{
	volatile u64 *seen = guest_copy(vm, turns);

	run->flags = MINIVMX_RUN_DEADLINE;
	for (int i = 0; i < 10; i++) {
		u64 before = *seen, late;

		run->deadline = moment() + 20 * MILLISECOND;
		run_to_exit(vcpu, MINIVMX_EXIT_DEADLINE);
		EXPECT_LT(before, *seen);
		late = moment() - run->deadline;
		EXPECT_GT(1000 * MILLISECOND, late) TH_LOG("%lld ns late", (long long)late);
	}
}

/* It is over for every run that asks for it, and the guest is not entered. */
MINIVMX_TEST(deadline_stays_over, guest_spins)
{
	u64 entries;

	run->flags = MINIVMX_RUN_DEADLINE;
	run->deadline = moment() + 5 * MILLISECOND;
	run_to_exit(vcpu, MINIVMX_EXIT_DEADLINE);
	entries = get_stats(vm).out_entries;
	run_to_exit(vcpu, MINIVMX_EXIT_DEADLINE);
	run->deadline--;
	run_to_exit(vcpu, MINIVMX_EXIT_DEADLINE);
	run->deadline = 0;
	run_to_exit(vcpu, MINIVMX_EXIT_DEADLINE);
	EXPECT_EQ(entries, get_stats(vm).out_entries);
}

/* It goes on between runs, and comes to nothing where it is not asked for any more. */
MINIVMX_TEST(deadline_between_runs, guest_counts)
{
	run->flags = MINIVMX_RUN_DEADLINE;
	run->deadline = moment() + 500 * MILLISECOND;
	run_to_sync(vcpu, 0);
	run_to_sync(vcpu, 1);
	while (moment() <= run->deadline)
		usleep(10000);
	run_to_exit(vcpu, MINIVMX_EXIT_DEADLINE);
	run->flags = 0;
	run_to_sync(vcpu, 2);
	run->flags = MINIVMX_RUN_DEADLINE;
	run->deadline = ~0ULL;
	run_to_sync(vcpu, 3);
	run->deadline = moment() + 3600 * 1000 * MILLISECOND;
	run_to_sync(vcpu, 4);
}

/* A kick comes before a deadline, and both are told of. */
MINIVMX_TEST(kick_and_deadline, guest_counts)
{
	run->flags = MINIVMX_RUN_DEADLINE;
	run->deadline = moment();
	test_cmd(vcpu->fd, MINIVMX_KICK, NULL);
	run_to_exit(vcpu, MINIVMX_EXIT_KICK);
	run_to_exit(vcpu, MINIVMX_EXIT_DEADLINE);
}

/* The answer is taken first. */
MINIVMX_TEST(deadline_after_the_answer, guest_reads_a_port)
{
	run_to_exit(vcpu, EXIT_IO);
	run->io.data = 0x5555;
	run->flags = MINIVMX_RUN_DEADLINE;
	run->deadline = 1;
	run_to_exit(vcpu, MINIVMX_EXIT_DEADLINE);
	run->flags = 0;
	run->io.data = 0;
	run_to_done(vcpu);
	EXPECT_EQ(0x5555, *guest_copy(vm, input));
}

MINIVMX_TEST(undefined_flags, guest_halts)
{
	for (u32 flag = MINIVMX_RUN_DEADLINE << 1; flag; flag <<= 1) {
		run->flags = flag;
		EXPECT_EQ(EINVAL, run_error(vcpu)) TH_LOG("flag %#x", flag);
	}
	run->flags = 0;
	run_to_sync(vcpu, 1);
}

/* A process that is killed while it waits ends, with its timer. */
MINIVMX_TEST(killed_while_it_waits, guest_halts)
{
	int status;
	pid_t child;

	for (int i = 0; i < 5; i++) {
		child = fork();
		ASSERT_LE(0, child);
		if (!child) {
			struct vm own;

			require(!create_vm(&own), "no VM");
			start_guest(&own, guest_halts);
			run_to_sync(&own.vcpu, 1);
			own.vcpu.run->flags = MINIVMX_RUN_WAIT | MINIVMX_RUN_DEADLINE;
			own.vcpu.run->deadline = moment() + 3600 * 1000 * MILLISECOND;
			run_error(&own.vcpu);
			_exit(KSFT_FAIL);
		}
		usleep(100000);
		kill(child, SIGKILL);
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
	}
}

TEST_HARNESS_MAIN
