// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz NAME: rounds of that fuzzer, as one TAP result. In the environment are FUZZ_SEED
 * (else the clock's), FUZZ_SECONDS, and FUZZ_ROUND for that round alone.
 */
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../alarm.h"
#include "fuzz.h"

#define DEFAULT_SECONDS		20
/* Of emulated time; a round takes a hundredth of it. */
#define ROUND_SECONDS		60

static const struct fuzzer *const fuzzers[] = {
	&ioctl_fuzzer, &guest_fuzzer, &entry_fuzzer, &diff_fuzzer,
};

static const char *const count_names[COUNTS] = {
	[COUNT_CALLS]		= "calls",
	[COUNT_REFUSED]		= "refused",
	[COUNT_RUNS]		= "runs",
	[COUNT_GUESTS]		= "guests",
	[COUNT_EXITS]		= "exits",
	[COUNT_FAILED_ENTRIES]	= "failed entries",
	[COUNT_JUDGED]		= "entries judged",
	[COUNT_BROKEN]		= "of them against a rule",
	[COUNT_EXEMPT]		= "exempt",
};

bool fuzz_replays;

/* Seconds that a round took. */
static double longest;

/* In memory that all processes share. */
static u64 *counts;

void count(enum count what)
{
	__atomic_add_fetch(&counts[what], 1, __ATOMIC_RELAXED);
}

u64 odd_value(struct dice *dice)
{
	static const u64 edges[] = {
		0, 1, 2, 3, 4, 5, 7, 8, 12, 16, 31, 32, 64, 0xff, 0x100, 0xfff, 0x1000, 0x1001,
		0xffff, 0x10000, 0x1fffff, 0x200000, 0x7fffffff, 0x80000000, 0xfffffff0,
		0xffffffff, 0x100000000, 0x7fffffffffff, 0x800000000000, 0xffff7fffffffffff,
		0xffff800000000000, 0x7fffffffffffffff, 0x8000000000000000,
		0xfffffffffffff000, 0xffffffffffffffff,
	};

	switch (below(dice, 4)) {
	case 0:
		return BIT(below(dice, 64));
	case 1:
		return roll(dice) >> below(dice, 64);
	default:
		return pick(dice, edges);
	}
}

static u64 number_from(const char *name, u64 otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

/* --------------------------------------------------------------------- rounds */

static struct dice dice_of(u64 seed, u64 round)
{
	struct dice dice = { seed };

	dice.state = roll(&dice) + round;
	dice.state = roll(&dice);
	return dice;
}

static void show_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		printf("# %s: %s", path, line);
	if (file)
		fclose(file);
}

/* Where the process is, and whether its CPU's timer is still running. */
static void show_process(pid_t process)
{
	static const char *const names[] = { "stat", "status", "syscall", "stack" };
	char path[64];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", process, names[i]);
		show_file(path);
	}
	show_file("/proc/interrupts");
	show_file("/proc/timer_list");
	fflush(stdout);
}

/* The status of the process, or -1 if it does not come to an end. */
static int wait_for(pid_t child)
{
	struct pollfd end = { .fd = syscall(SYS_pidfd_open, child, 0), .events = POLLIN };
	int status;

	require(end.fd >= 0, "pidfd_open: %s", strerrorname_np(errno));
	if (poll(&end, 1, ROUND_SECONDS * 1000) <= 0) {
		ksft_print_msg("the round does not end\n");
		/* Twice, to see what stands still; healthy() would set it going. */
		show_process(child);
		usleep(100000);
		show_process(child);
		kill(-child, SIGKILL);
		return -1;
	}
	close(end.fd);
	waitpid(child, &status, 0);
	return status;
}

/* What the round has left running. */
static void end_group(pid_t group)
{
	kill(-group, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static bool round_is_fine(const struct fuzzer *fuzzer, u64 seed, u64 round)
{
	pid_t child = fork();
	int status;

	require(child >= 0, "fork: %s", strerrorname_np(errno));
	if (!child) {
		struct dice dice = dice_of(seed, round);

		setpgid(0, 0);
		fuzzer->round(&dice);
		exit(0);
	}
	setpgid(child, child);
	status = wait_for(child);
	if (status == -1)
		return false;
	end_group(child);
	if (WIFSIGNALED(status))
		ksft_print_msg("the round ended by signal %d\n", WTERMSIG(status));
	return !status;
}

/* Where the machine dies in a round, the last line of the output says in which. */
static bool do_round(const struct fuzzer *fuzzer, u64 seed, u64 round)
{
	double start = now();
	bool fine;

	printf("# %s: round %llu\n", fuzzer->name, round);
	fflush(stdout);
	fine = round_is_fine(fuzzer, seed, round);
	if (longest < now() - start)
		longest = now() - start;
	return fine & healthy();
}

static u64 clock_seed(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

static void print_counts(u64 rounds, double seconds)
{
	printf("# %llu rounds", rounds);
	for (int i = 0; i < COUNTS; i++) {
		if (counts[i])
			printf(", %llu %s", counts[i], count_names[i]);
	}
	printf(", %.1f seconds, %.2f for the longest\n", seconds, longest);
}

static bool something_was_tried(const struct fuzzer *fuzzer)
{
	if (counts[fuzzer->needed])
		return true;
	printf("# no %s at all\n", count_names[fuzzer->needed]);
	return false;
}

static const struct fuzzer *find_fuzzer(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(fuzzers); i++) {
		if (!strcmp(fuzzers[i]->name, name))
			return fuzzers[i];
	}
	require(false, "no fuzzer is called '%s'", name);
	return NULL;
}

static void share_counts(void)
{
	counts = mmap(NULL, PAGE_4K, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	require(counts != MAP_FAILED, "mmap: %s", strerrorname_np(errno));
}

int main(int argc, char **argv)
{
	const struct fuzzer *fuzzer = find_fuzzer(argc > 1 ? argv[1] : "");
	u64 seed = number_from("FUZZ_SEED", clock_seed());
	u64 seconds = number_from("FUZZ_SECONDS", DEFAULT_SECONDS);
	u64 only = number_from("FUZZ_ROUND", 0), round = only ? only - 1 : 0;
	double start = now();
	bool fine;

	printf("1..1\n# FUZZ=%s MMU=%s SEED=%llu\n", fuzzer->name, mmu_name(chosen_mmu()), seed);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	share_counts();
	health_init();
	fuzz_replays = only;
	do {
		fine = do_round(fuzzer, seed, ++round);
	} while (fine && !only && now() - start < seconds);
	print_counts(only ? 1 : round, now() - start);
	fine = fine && something_was_tried(fuzzer);
	if (!fine)
		printf("# make fuzz FUZZ=%s MMU=%s SEED=%llu ROUND=%llu replays it\n",
		       fuzzer->name, mmu_name(chosen_mmu()), seed, round);
	printf("%sok 1 %s, seed %llu\n", fine ? "" : "not ", fuzzer->name, seed);
	return !fine;
}
