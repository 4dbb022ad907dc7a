/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest as bytes: the state of its vCPU, and the pages of its memory that are not
 * zero. Another VM goes on from there, in this process or in another.
 */
#ifndef MINIVMX_SNAPSHOT_H
#define MINIVMX_SNAPSHOT_H

#include "vcpu_state.h"

struct snapshot_page {
	u64 gpa;
	unsigned char bytes[PAGE_4K];
};

struct snapshot {
	struct vcpu_state state;
	u32 nr_pages;
	struct snapshot_page pages[GUEST_MEMORY / PAGE_4K];
};

/* Room for one, which processes share that are forked from this one. */
struct snapshot *new_snapshot(void);
/* To be made at any moment between two MINIVMX_RUN. */
void take_snapshot(const struct vm *vm, struct snapshot *snapshot);
/* Of a new VM. */
void restore_snapshot(const struct vm *vm, struct snapshot *snapshot);

#endif /* MINIVMX_SNAPSHOT_H */
