// SPDX-License-Identifier: GPL-2.0
/*
 * Steady computing: the sieve of Eratosthenes over pages that are all there. The
 * page tables do not change.
 */
#include "report.h"
#include "single.h"
#include "workload.h"

#define PAGES	8
#define NUMBERS	(PAGES * PAGE)
#define ROUNDS	2

static volatile u8 *composite(u64 number)
{
	return (volatile u8 *)(USER + number);
}

static u64 sieve(u8 mark)
{
	u64 number, multiple, primes = 0;

	for (number = 2; number < NUMBERS; number++) {
		if (*composite(number) == mark)
			continue;
		primes++;
		for (multiple = number * number; multiple < NUMBERS; multiple += number)
			*composite(multiple) = mark;
	}
	return primes;
}

static void prepare(unsigned int processes)
{
	(void)processes;
	single_make(PAGES);
	sieve(1);
}

static u64 run(unsigned int processes)
{
	u64 checksum = 0;
	u8 round;

	(void)processes;
	for (round = 0; round < ROUNDS; round++)
		checksum = mix(checksum, sieve(2 + round));
	return checksum;
}

const struct workload compute = {
	prepare, run, 0, KERNEL_PAGES + SPACE_PAGES + PAGES
};
