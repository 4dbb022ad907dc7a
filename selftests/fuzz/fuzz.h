/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fuzzers of the driver: programs, guests and states that are drawn from a seed.
 *
 *  - fuzz.c carries out rounds, each in a process of its own and from a seed of its own
 *  - health.c looks, after each round, at what must be as before: the kernel's log, the
 *    MSRs and the ticks of every CPU, the account of guest memory
 *  - host.c compares the registers of the program before and after a MINIVMX_RUN
 *  - world.c makes guests: modes, page tables, descriptors
 *  - code.c draws their instructions
 *  - ioctl_fuzz.c, guest_fuzz.c, entry_fuzz.c, diff_fuzz.c: the fuzzers
 *
 *	make fuzz FUZZ=guest MMU=wp SEED=1
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "../minivmx_util.h"

/* ------------------------------------------------------------- random numbers */

struct dice {
	u64 state;
};

/* SplitMix64. */
static inline u64 roll(struct dice *dice)
{
	u64 z = dice->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static inline u32 below(struct dice *dice, u32 limit)
{
	return (roll(dice) >> 32) * limit >> 32;
}

static inline bool one_in(struct dice *dice, u32 times)
{
	return !below(dice, times);
}

#define pick(dice, array)	((array)[below(dice, ARRAY_SIZE(array))])

/* A number that may be at the edge of something. */
u64 odd_value(struct dice *dice);

/* --------------------------------------------------------------------- rounds */

/* What is told of in the end; all processes and threads count together. */
enum count {
	COUNT_CALLS,		/* but MINIVMX_RUN */
	COUNT_REFUSED,		/* of those */
	COUNT_RUNS,
	COUNT_GUESTS,
	COUNT_EXITS,
	COUNT_FAILED_ENTRIES,
	COUNT_JUDGED,		/* entries that were held against the checker's word */
	COUNT_BROKEN,		/* of those, in which it saw a rule broken */
	COUNT_EXEMPT,		/* entries of which it was asked in vain */
	COUNTS,
};

struct fuzzer {
	const char *name;
	/* In a process of its own; ends it by require() if something is wrong. */
	void (*round)(struct dice *dice);
	/* Nothing was tried without any of these. */
	enum count needed;
};

/* Is it one round, which is to be told of at length? */
extern bool fuzz_replays;

extern const struct fuzzer ioctl_fuzzer, guest_fuzzer, entry_fuzzer, diff_fuzzer;

void count(enum count what);

/* --------------------------------------------------------------------- health */

/* To be called once, before the first round. */
void health_init(void);
/* Says what is not as it was. */
bool healthy(void);

/* MINIVMX_RUN, between two looks at the program's own registers: 0 or an errno. */
int checked_run(int vcpu, unsigned long argument);

#endif /* FUZZ_H */
