// SPDX-License-Identifier: GPL-2.0
/*
 * Programs of a guest that are drawn from a seed (stress.h), under every MMU that
 * this machine offers: page faults and memory must come out the same.
 *
 * MINIVMX_SEED=number in the environment replays one seed:
 *
 *   make check T=stress SEED=number
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "alarm.h"
#include "guest.h"
#include "kselftest_harness.h"
#include "minivmx_util.h"
#include "snapshot.h"
#include "stress.h"

#define FIXED_SEEDS	50
#define OPERATIONS	150

static const char *const how_names[STRESS_HOWS] = {
	"MOV from", "JMP to", "MOV to", "two MOV, the low half first, to",
	"two MOV, the high half first, to", "MOVNTI to", "XCHG with",
	"LOCK CMPXCHG with", "LOCK AND with", "LOCK OR with", "REP STOSQ to",
	"REP MOVSQ to", "MOV across a page boundary from",
};

static const char *const complaints[] = {
	[STRESS_WRONG_FAULT]	= "not the right page fault",
	[STRESS_WRONG_VALUE]	= "not the right value read",
	[STRESS_WRONG_MEMORY]	= "not the right contents of memory",
};

/* ---------------------------------------------------------- a run in words */

static void describe_steps(const struct stress_report *report)
{
	u32 first = report->steps > STRESS_STEPS ?
		    report->steps - STRESS_STEPS : 0;

	for (u32 i = first; i < report->steps; i++) {
		const struct stress_step *step = &report->last[i % STRESS_STEPS];

		ksft_print_msg("  step %u: %s %#llx at CPL %u, value %#llx, count %u\n",
			       i, step->how < STRESS_HOWS ? how_names[step->how] : "?",
			       step->linear, step->user ? 3 : 0, step->value,
			       step->count);
	}
}

static void describe_fault(const char *what, u32 error, u64 cr2)
{
	if (error == ACCESS_NO_FAULT)
		ksft_print_msg("  %s: no page fault\n", what);
	else
		ksft_print_msg("  %s: page fault, error code %#x, CR2 %#llx\n",
			       what, error, cr2);
}

static void describe_complaint(const struct stress_report *report)
{
	ksft_print_msg("  operation %u: %s\n", report->operation,
		       complaints[report->complaint]);
	if (report->complaint == STRESS_WRONG_FAULT) {
		describe_fault("expected", report->expected_error,
			       report->expected);
		describe_fault("seen", report->seen_error, report->seen);
	} else {
		ksft_print_msg("  at %#llx, expected %#llx, seen %#llx\n",
			       report->where, report->expected, report->seen);
	}
}

static void describe_seed(u32 mmu, u64 seed)
{
	ksft_print_msg("seed %llu with %s (MINIVMX_SEED=%llu replays it):\n", seed,
		       mmu_name(mmu), seed);
}

/* The first page fault that is not the same. */
static void describe_difference(const struct stress_report *a,
				const struct stress_report *b)
{
	for (u32 i = 0; i < STRESS_FAULTS; i++) {
		const struct stress_fault *x = &a->trace[i], *y = &b->trace[i];

		if (!memcmp(x, y, sizeof(*x)))
			continue;
		ksft_print_msg("  page fault %u, in operations %u and %u:\n", i,
			       x->operation, y->operation);
		describe_fault("one", x->error, x->cr2);
		describe_fault("the other", y->error, y->cr2);
		return;
	}
	ksft_print_msg("  %u and %u page faults, all the same as far as recorded\n",
		       a->faults, b->faults);
}

/* ------------------------------------------------------------------ one run */

/* What the guest did, and what the arena is in the end. */
struct outcome {
	struct stress_report report;
	u64 memory[STRESS_WORDS];
};

static void start(const struct vm *vm, u64 seed)
{
	start_guest(vm, stress_main);
	guest_copy(vm, stress_report)->seed = seed;
	guest_copy(vm, stress_report)->operations = OPERATIONS;
}

/* What has come of it; false if that is wrong. */
static bool judge(const struct vm *vm, u64 seed, struct outcome *outcome)
{
	memcpy(&outcome->report, guest_copy(vm, stress_report),
	       sizeof(outcome->report));
	memcpy(outcome->memory, vm->memory + STRESS_ARENA,
	       sizeof(outcome->memory));
	if (get_ucall(&vm->vcpu) == UCALL_DONE && !outcome->report.complaint)
		return true;
	describe_seed(vm->mmu, seed);
	if (outcome->report.complaint)
		describe_complaint(&outcome->report);
	else
		ksft_print_msg("  operation %u: %s\n", outcome->report.operation,
			       describe_exit(&vm->vcpu));
	describe_steps(&outcome->report);
	return false;
}

static bool run_program(const struct vm *vm, u64 seed, struct outcome *outcome)
{
	start(vm, seed);
	vcpu_run(&vm->vcpu);
	return judge(vm, seed, outcome);
}

/* Accessed flags may be set ahead of time. */
static bool same_memory(const struct outcome *a, const struct outcome *b)
{
	for (u32 i = 0; i < STRESS_WORDS; i++) {
		if ((a->memory[i] ^ b->memory[i]) & ~PTE_A) {
			ksft_print_msg("  memory at %#x of the arena: %#llx and %#llx\n",
				       8 * i, a->memory[i], b->memory[i]);
			return false;
		}
	}
	return true;
}

static bool same_outcome(const struct outcome *a, const struct outcome *b)
{
	return a->report.digest == b->report.digest &&
	       a->report.faults == b->report.faults && same_memory(a, b);
}

/* ----------------------------------------------------------------- all runs */

/* Sums over all programs of an MMU. */
struct sums {
	u64 programs, steps, successes, faults, faults_of_users, spurious, accessed,
	    table_writes, invlpgs, flushes, hypercalls;
	/* From the driver. */
	u64 guest_faults, misses, trapped, syncs;
};

static struct sums sums[MMUS];

static void add_up(const struct vm *vm, const struct stress_report *report)
{
	struct stress_report r = *report;
	struct minivmx_stats stats = get_stats(vm);
	struct sums *sum = &sums[vm->mmu];

	sum->programs++;
	sum->steps += r.steps;
	sum->successes += r.successes;
	sum->faults += r.faults;
	sum->faults_of_users += r.faults_of_users;
	sum->spurious += r.spurious;
	sum->accessed += r.accessed;
	sum->table_writes += r.table_writes;
	sum->invlpgs += r.invlpgs;
	sum->flushes += r.flushes;
	sum->hypercalls += r.hypercalls;
	sum->guest_faults += stats.out_guest_faults;
	sum->misses += stats.out_shadow_misses;
	sum->trapped += stats.out_table_writes;
	sum->syncs += stats.out_syncs;
}

static void print_sums(u32 mmu)
{
	const struct sums *sum = &sums[mmu];

	ksft_print_msg("%s: %llu programs, %llu instructions compared\n",
		       mmu_name(mmu), sum->programs, sum->steps);
	ksft_print_msg("  %llu accesses through tables, %llu page faults, %llu of users\n",
		       sum->successes, sum->faults, sum->faults_of_users);
	ksft_print_msg("  %llu table writes, %llu INVLPG, %llu flushes, %llu hypercalls\n",
		       sum->table_writes, sum->invlpgs, sum->flushes,
		       sum->hypercalls);
	ksft_print_msg("  %llu spurious page faults, %llu accessed flags set early\n",
		       sum->spurious, sum->accessed);
	if (mmu != MINIVMX_MMU_EPT)
		ksft_print_msg("  driver: %llu guest faults, %llu misses, %llu traps, %llu syncs\n",
			       sum->guest_faults, sum->misses, sum->trapped,
			       sum->syncs);
}

FIXTURE(stress)
{
	u64 mmus;
};

FIXTURE_SETUP(stress)
{
	int device;
	const char *reason = open_device(&device);

	if (reason)
		SKIP(return, "%s", reason);
	self->mmus = get_info(device).out_mmus;
	close(device);
	if (!self->mmus)
		SKIP(return, "this driver has no MMU for this CPU");
	memset(sums, 0, sizeof(sums));
}

FIXTURE_TEARDOWN(stress)
{
}

/* Runs the program of a seed under all MMUs; false if one has gone wrong. */
static bool run_seed(u64 mmus, u64 seed)
{
	static struct outcome first, outcome;
	u32 first_mmu = MMUS;

	for (u32 mmu = MINIVMX_MMU_EPT; mmu < MMUS; mmu++) {
		struct vm vm;
		bool right;

		if (!(mmus & BIT(mmu)))
			continue;
		require(!create_vm_with(&vm, mmu), "no VM with %s", mmu_name(mmu));
		right = run_program(&vm, seed, &outcome);
		add_up(&vm, &outcome.report);
		close_vm(&vm);
		if (!right)
			return false;
		if (first_mmu == MMUS) {
			first_mmu = mmu;
			first = outcome;
		} else if (!same_outcome(&first, &outcome)) {
			describe_seed(mmu, seed);
			ksft_print_msg("  differs from %s\n", mmu_name(first_mmu));
			describe_difference(&first.report, &outcome.report);
			return false;
		}
	}
	return true;
}

static bool replay(u64 *seed)
{
	const char *text = getenv("MINIVMX_SEED");

	if (text)
		*seed = strtoull(text, NULL, 0);
	return text;
}

static void print_all_sums(u64 mmus)
{
	for (u32 mmu = MINIVMX_MMU_EPT; mmu < MMUS; mmu++) {
		if (mmus & BIT(mmu))
			print_sums(mmu);
	}
}

/* What the programs are for has happened. */
static bool is_worth_it(u32 mmu)
{
	const struct sums *sum = &sums[mmu];
	bool shadow = mmu != MINIVMX_MMU_EPT;
	bool traps = shadow && mmu != MINIVMX_MMU_VTLB;

	return sum->successes && sum->faults && sum->faults_of_users && sum->table_writes &&
	       sum->invlpgs && sum->flushes &&
	       /* The driver sees each fault, and tells it from its own. */
	       (!shadow || (sum->guest_faults == sum->faults && sum->misses &&
			    sum->syncs && !sum->spurious)) &&
	       (sum->trapped != 0) == traps &&
	       (sum->hypercalls != 0) == (mmu == MINIVMX_MMU_PV);
}

TEST_F_TIMEOUT(stress, fixed_seeds, 300)
{
	u64 seed = 1, last = FIXED_SEEDS;
	bool one = replay(&seed);

	if (one)
		last = seed;
	while (seed <= last && run_seed(self->mmus, seed))
		seed++;
	ASSERT_EQ(last + 1, seed);
	print_all_sums(self->mmus);
	for (u32 mmu = MINIVMX_MMU_EPT; mmu < MMUS; mmu++) {
		if (one || !(self->mmus & BIT(mmu)))
			continue;
		EXPECT_TRUE(is_worth_it(mmu))
			TH_LOG("%s", mmu_name(mmu));
	}
}

TEST_F_TIMEOUT(stress, seed_from_the_clock, 300)
{
	struct timespec now;
	u64 seed;

	if (replay(&seed))
		SKIP(return, "MINIVMX_SEED names the one seed to be run");
	clock_gettime(CLOCK_REALTIME, &now);
	seed = now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
	ksft_print_msg("seed %llu\n", seed);
	ASSERT_TRUE(run_seed(self->mmus, seed));
}

/* ----------------------------------------------------------------- in pieces */

#define SNAPSHOT_SEEDS	2
/* Programs that go from one MMU to another with each snapshot. */
#define WANDERERS	2

/* What a process leaves to the next one. */
struct journey {
	struct outcome outcome;
	u32 snapshots;		/* how many there were */
	bool ended, right;
	long longest_piece;	/* in microseconds */
	struct snapshot *snapshot;
};

/* Goes on with the program until a moment that nobody knows before, or to its end. */
static void run_piece(const struct vm *vm, u64 seed, struct journey *journey)
{
	int error;

	if (journey->snapshots)
		restore_snapshot(vm, journey->snapshot);
	else
		start(vm, seed);
	catch_signal(SIGALRM, no_action);
	set_alarm(1 + rand() % journey->longest_piece);
	error = run_error(&vm->vcpu);
	set_alarm(0);
	require(!error || error == EINTR, "MINIVMX_RUN: %s", strerrorname_np(error));
	if (!error) {
		journey->ended = true;
		journey->right = judge(vm, seed, &journey->outcome);
	} else {
		take_snapshot(vm, journey->snapshot);
		journey->snapshots++;
	}
}

/* As a process of its own, with a VM of its own. */
static bool run_piece_elsewhere(u32 mmu, u64 seed, struct journey *journey)
{
	pid_t child;
	int status, luck = rand();

	fflush(stdout);
	child = fork();
	require(child >= 0, "fork: %s", strerrorname_np(errno));
	if (!child) {
		struct vm vm;

		srand(luck);
		require(!create_vm_with(&vm, mmu), "no VM with %s", mmu_name(mmu));
		run_piece(&vm, seed, journey);
		fflush(stdout);
		_exit(0);
	}
	require(waitpid(child, &status, 0) == child, "waitpid: %s",
		strerrorname_np(errno));
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

/* Paravirtual guests know what they run on: they stay there. */
static u32 some_mmu(u64 mmus)
{
	u32 mmu;

	do {
		mmu = MINIVMX_MMU_EPT + rand() % (MINIVMX_MMU_PV - MINIVMX_MMU_EPT);
	} while (!(mmus & BIT(mmu)));
	return mmu;
}

/* With one of these MMUs at a time. */
static bool run_in_pieces(u64 mmus, u64 seed, struct journey *journey)
{
	u32 mmu = __builtin_ctzll(mmus);

	journey->snapshots = 0;
	journey->ended = false;
	while (!journey->ended) {
		if (mmus & (mmus - 1))
			mmu = some_mmu(mmus);
		if (!run_piece_elsewhere(mmu, seed, journey))
			return false;
	}
	return journey->right;
}

static struct journey *new_journey(void)
{
	struct journey *journey = mmap(NULL, sizeof(*journey), PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	require(journey != MAP_FAILED, "mmap: %s", strerrorname_np(errno));
	journey->snapshot = new_snapshot();
	return journey;
}

/* And how long that takes, in microseconds. */
static bool run_whole(u32 mmu, u64 seed, struct outcome *outcome, long *took)
{
	double start;
	struct vm vm;
	bool right;

	require(!create_vm_with(&vm, mmu), "no VM with %s", mmu_name(mmu));
	start = now();
	right = run_program(&vm, seed, outcome);
	*took = 1e6 * (now() - start);
	close_vm(&vm);
	return right;
}

/* The same programs, uninterrupted and in pieces: the same comes of them. */
static void compare_pieces(struct __test_metadata *_metadata, u64 mmus, u64 seeds)
{
	static struct outcome whole;
	struct journey *journey = new_journey();
	u32 mmu = __builtin_ctzll(mmus), snapshots = 0;
	u64 first = 1, last = seeds;
	long took;

	if (replay(&first))
		last = first;
	for (u64 seed = first; seed <= last; seed++) {
		ASSERT_TRUE(run_whole(mmu, seed, &whole, &took));
		journey->longest_piece = took / 6 + 1;
		ASSERT_TRUE(run_in_pieces(mmus, seed, journey))
			TH_LOG("seed %llu, after %u snapshots", seed,
			       journey->snapshots);
		EXPECT_TRUE(same_outcome(&whole, &journey->outcome))
			TH_LOG("seed %llu, after %u snapshots", seed,
			       journey->snapshots);
		snapshots += journey->snapshots;
	}
	ksft_print_msg("%s: %llu programs, %u snapshots\n",
		       mmus & (mmus - 1) ? "from one MMU to another" : mmu_name(mmu),
		       last - first + 1, snapshots);
	EXPECT_GE(snapshots, 2 * (last - first + 1));
}

/* With one MMU a time, as each piece is a VM with all that it costs. */
TEST_F_TIMEOUT(stress, snapshots, 300)
{
	if (!(self->mmus & BIT(chosen_mmu())))
		SKIP(return, "this machine does not have %s", mmu_name(chosen_mmu()));
	srand(1);
	compare_pieces(_metadata, BIT(chosen_mmu()), SNAPSHOT_SEEDS);
}

TEST_F_TIMEOUT(stress, snapshots_for_another_mmu, 300)
{
	u64 mmus = self->mmus & ~BIT(MINIVMX_MMU_PV);

	if (!(mmus & (mmus - 1)))
		SKIP(return, "there is one MMU for guests as they are");
	if (chosen_mmu() != MINIVMX_MMU_EPT)
		SKIP(return, "for all MMUs at once");
	srand(2);
	compare_pieces(_metadata, mmus, WANDERERS);
}

TEST_HARNESS_MAIN
