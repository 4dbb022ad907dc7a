/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The address space of the workloads that need only one.
 */
#ifndef _GUESTS_SINGLE_H
#define _GUESTS_SINGLE_H

#include "address_space.h"

extern struct address_space single;

/* Makes it with so many pages mapped and writable, and enters it. */
void single_make(unsigned int pages);

/* Maps new pages, writable; committed later. */
void single_map(unsigned int first, unsigned int count);

#endif /* _GUESTS_SINGLE_H */
