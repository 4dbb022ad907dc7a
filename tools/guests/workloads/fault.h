/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Page faults of the guest's own.
 */
#ifndef _GUESTS_FAULT_H
#define _GUESTS_FAULT_H

#include "../guest.h"

#define FAULT_PRESENT	BIT_ULL(0)	/* the page is there, but not for this */
#define FAULT_WRITE	BIT_ULL(1)

/* Makes the access possible; page is counted from USER on. */
typedef void fault_handler_t(unsigned int page, u64 error);

/* Where the CPU goes at a page fault, and what it calls. */
void page_fault_entry(void);
void page_fault(u64 address, u64 error);

void fault_init(fault_handler_t *handler);

#endif /* _GUESTS_FAULT_H */
