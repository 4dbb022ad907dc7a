// SPDX-License-Identifier: GPL-2.0
/*
 * Demand paging: pages are mapped when they are touched, by the guest's own
 * page-fault handler. The first page is there from the beginning, and was used:
 * the table that is changed is one in use.
 */
#include "report.h"
#include "single.h"
#include "update.h"
#include "workload.h"

#define PAGES	ENTRIES

static void prepare(unsigned int processes)
{
	(void)processes;
	single_make(1);
	*word(0) = 0;
}

static void fault(unsigned int page, u64 error)
{
	if (error != FAULT_WRITE)
		fail("a page that was not there faulted in another way");
	single_map(page, 1);
	update_commit();
}

static u64 run(unsigned int processes)
{
	u64 checksum = 0;
	unsigned int page;

	(void)processes;
	for (page = 1; page < PAGES; page++)
		*word(page) = mix(page, PAGES);
	for (page = 0; page < PAGES; page++)
		checksum = mix(checksum, *word(page));
	return mix(checksum, report->faults);
}

const struct workload demand_fault = {
	prepare, run, fault, KERNEL_PAGES + SPACE_PAGES + PAGES
};
