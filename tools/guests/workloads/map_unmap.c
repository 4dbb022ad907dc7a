// SPDX-License-Identifier: GPL-2.0
/*
 * mmap() and munmap() in a loop: 64 pages are mapped, used, unmapped, and flushed
 * all at once, as Linux does for so many.
 */
#include "report.h"
#include "pages.h"
#include "single.h"
#include "update.h"
#include "workload.h"

#define PAGES	64
#define ROUNDS	16

static void prepare(unsigned int processes)
{
	(void)processes;
	single_make(0);
}

static void unmap(unsigned int first, unsigned int count)
{
	unsigned int page;

	for (page = first; page < first + count; page++) {
		page_drop(*entry_of(&single, page) & ADDRESS);
		update_entry(entry_of(&single, page), 0);
	}
	flush_pages(USER + first * PAGE, count);
}

static void fault(unsigned int page, u64 error)
{
	if (error)
		fail("a page that was unmapped faulted in another way");
	single_map(page, 1);
	update_commit();
}

/* A page that was unmapped must fault. */
static u64 probe(unsigned int page)
{
	u64 faults = report->faults;
	u64 value = *word(page);

	if (report->faults != faults + 1)
		fail("a page that was unmapped could still be read");
	unmap(page, 1);
	return value;
}

static u64 run(unsigned int processes)
{
	u64 checksum = 0;
	unsigned int round, page;

	(void)processes;
	for (round = 0; round < ROUNDS; round++) {
		unsigned int first = round * PAGES % ENTRIES;

		single_map(first, PAGES);
		update_commit();
		for (page = first; page < first + PAGES; page++)
			checksum = mix(checksum, *word(page) += page);
		unmap(first, PAGES);
		checksum = mix(checksum, probe(first + round));
	}
	return checksum;
}

const struct workload map_unmap = {
	prepare, run, fault, KERNEL_PAGES + SPACE_PAGES + PAGES
};
