// SPDX-License-Identifier: GPL-2.0
/*
 * The guest of `minivmx lab ept-vs-shadow`: one workload for the MMU, with page
 * tables and a page-fault handler of its own.
 */
#include "address_space.h"
#include "fault.h"
#include "pages.h"
#include "report.h"
#include "update.h"
#include "workload.h"

/* In the order of the tool's numbers. */
static const struct workload *const workloads[] = {
	&compute, &touch, &demand_fault, &fork_copy,
	&switching, &map_unmap, &mprotect,
};

int main(u64 number, unsigned int processes, struct report *where)
{
	const struct workload *workload;
	u64 checksum;

	report = where;
	if (number >= ARRAY_SIZE(workloads))
		fail("there is no workload of this number");
	workload = workloads[number];

	update_init();
	fault_init(workload->fault);
	kernel_space_init();
	workload->prepare(processes);
	update_commit();
	pages_warm(workload->pages);

	report_begin();
	checksum = workload->run(processes);
	update_commit();
	report_end(checksum);
	return 0;
}
