// SPDX-License-Identifier: GPL-2.0
/*
 * First touch of pages that the guest has mapped long ago.
 */
#include "report.h"
#include "single.h"
#include "workload.h"

#define PAGES	ENTRIES

static void prepare(unsigned int processes)
{
	(void)processes;
	single_make(PAGES);
}

static u64 run(unsigned int processes)
{
	u64 checksum = 0;
	unsigned int page;

	(void)processes;
	for (page = 0; page < PAGES; page++)
		*word(page) = mix(page, PAGES);
	for (page = 0; page < PAGES; page++)
		checksum = mix(checksum, *word(page));
	return checksum;
}

/* The pages themselves come behind the tables. */
const struct workload touch = {
	prepare, run, 0, KERNEL_PAGES + SPACE_PAGES
};
