// SPDX-License-Identifier: GPL-2.0
/*
 * mprotect() in a loop: 16 pages become read-only and writable again, and are
 * flushed one by one, as Linux does for so few.
 */
#include "report.h"
#include "single.h"
#include "update.h"
#include "workload.h"

#define PAGES	64
#define GROUP	16
#define ROUNDS	8

static void prepare(unsigned int processes)
{
	unsigned int page;

	(void)processes;
	single_make(PAGES);
	for (page = 0; page < PAGES; page++)
		*word(page) = page;
}

static void protect(unsigned int first, unsigned int count, u64 rights)
{
	unsigned int page;

	for (page = first; page < first + count; page++) {
		u64 *entry = entry_of(&single, page);

		update_entry(entry, (*entry & ADDRESS) | PRESENT | rights);
	}
	flush_pages(USER + first * PAGE, count);
}

static void fault(unsigned int page, u64 error)
{
	if (error != (FAULT_PRESENT | FAULT_WRITE))
		fail("a read-only page faulted in another way");
	protect(page, 1, WRITABLE);
}

/* A page that is read-only must not be written without a fault. */
static void probe(unsigned int page)
{
	u64 faults = report->faults;

	*word(page) += 1;
	if (report->faults != faults + 1)
		fail("a read-only page could be written");
}

static u64 use_group(unsigned int first, u64 checksum)
{
	unsigned int page;

	protect(first, GROUP, 0);
	for (page = first; page < first + GROUP; page++)
		checksum = mix(checksum, *word(page));
	probe(first);
	protect(first, GROUP, WRITABLE);
	for (page = first; page < first + GROUP; page++)
		*word(page) += page;
	return checksum;
}

static u64 run(unsigned int processes)
{
	u64 checksum = 0;
	unsigned int round, first;

	(void)processes;
	for (round = 0; round < ROUNDS; round++)
		for (first = 0; first < PAGES; first += GROUP)
			checksum = use_group(first, checksum);
	return checksum;
}

const struct workload mprotect = {
	prepare, run, fault, KERNEL_PAGES + SPACE_PAGES + PAGES
};
