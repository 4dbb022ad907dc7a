/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pages of guest memory, zeroed as the machine gave them.
 */
#ifndef _GUESTS_PAGES_H
#define _GUESTS_PAGES_H

#include "../guest.h"

/* The tool gives a workload so much memory. */
#define MEMORY_END	(16 * 1024 * 1024ull)

/* The program itself, from guest.lds. */
extern const char image_start[], image_end[];

u64 page_new(void);

/* What was in the page stays there. */
void page_drop(u64 page);

/* How many others share a page; 0 for a new one. */
u8 *page_sharers(u64 page);

/*
 * Touches the program, and so many pages of those that have been or will be given
 * out, from the first on: the first touch of a page costs an exit with every kind
 * of paging, and most workloads are about something else.
 */
void pages_warm(unsigned int count);

#endif /* _GUESTS_PAGES_H */
