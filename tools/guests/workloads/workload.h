/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A workload: what it prepares, and what is measured.
 */
#ifndef _GUESTS_WORKLOAD_H
#define _GUESTS_WORKLOAD_H

#include "../guest.h"
#include "fault.h"

struct workload {
	/* Makes address spaces, and enters one. */
	void (*prepare)(unsigned int processes);

	/* Returns a checksum over everything that it read. */
	u64 (*run)(unsigned int processes);

	fault_handler_t *fault;

	/* Pages to touch in advance, of those that it takes. */
	unsigned int pages;
};

extern const struct workload compute, touch, demand_fault, fork_copy,
			     switching, map_unmap, mprotect;

#endif /* _GUESTS_WORKLOAD_H */
