/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every change of a page table, and every flush. On bare hardware that is a store,
 * a load of CR3, INVLPG; where there are hypercalls for it, they are used instead,
 * and stores are collected until they must have happened.
 */
#ifndef _GUESTS_UPDATE_H
#define _GUESTS_UPDATE_H

#include "../guest.h"

/* Finds out whether there are hypercalls. */
void update_init(void);

/* Writes an entry, now or at the next update_commit(). */
void update_entry(u64 *entry, u64 value);

/* From here on the entries are as they were written. */
void update_commit(void);

/* Switches to the tables at that address. */
void load_base(u64 base);

/* Flushes count pages from an address on, whose entries were written. */
void flush_pages(u64 address, unsigned int count);

#endif /* _GUESTS_UPDATE_H */
