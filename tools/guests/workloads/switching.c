// SPDX-License-Identifier: GPL-2.0
/*
 * Switches among processes; each uses its pages whenever it is its turn.
 */
#include "address_space.h"
#include "pages.h"
#include "report.h"
#include "update.h"
#include "workload.h"

#define MOST_PROCESSES	100
#define PAGES		4	/* of a process */
#define SWITCHES	300

static struct address_space spaces[MOST_PROCESSES];

static u64 turn(unsigned int process, u64 checksum)
{
	unsigned int page;

	address_space_enter(&spaces[process]);
	for (page = 0; page < PAGES; page++) {
		*word(page) += process + page;
		checksum = mix(checksum, *word(page));
	}
	return checksum;
}

static void make(struct address_space *space)
{
	unsigned int page;

	address_space_make(space);
	for (page = 0; page < PAGES; page++)
		update_entry(entry_of(space, page), page_new() | PRESENT | WRITABLE);
}

/* Everyone has had a turn when it begins. */
static void prepare(unsigned int processes)
{
	unsigned int process;

	if (!processes || processes > MOST_PROCESSES)
		fail("there are from 1 to 100 processes");
	for (process = 0; process < processes; process++)
		make(&spaces[process]);
	for (process = 0; process < processes; process++)
		turn(process, 0);
}

static u64 run(unsigned int processes)
{
	u64 checksum = 0;
	unsigned int number;

	for (number = 0; number < SWITCHES; number++)
		checksum = turn(number % processes, checksum);
	return checksum;
}

/* The same memory, however many processes there are. */
const struct workload switching = {
	prepare, run, 0,
	KERNEL_PAGES + MOST_PROCESSES * (SPACE_PAGES + PAGES)
};
