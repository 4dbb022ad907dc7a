/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Address spaces as a small kernel has them: the same memory one to one in each,
 * for the kernel, and 2 MiB of pages that are each one's own.
 */
#ifndef _GUESTS_ADDRESS_SPACE_H
#define _GUESTS_ADDRESS_SPACE_H

#include "../guest.h"

#define PAGE		4096ull
#define ENTRIES		512

#define PRESENT		BIT_ULL(0)
#define WRITABLE	BIT_ULL(1)
#define LARGE		BIT_ULL(7)
#define SHARED		BIT_ULL(9)	/* software's: copy on write */
#define ADDRESS		0x000ffffffffff000ull

/* Where an address space's own pages are. */
#define USER		0x8000000000ull

struct address_space {
	u64 *root;
	u64 *pointers;
	u64 *directory;
	u64 *table;
};

/* Pages that an address space takes, and those that all share. */
#define SPACE_PAGES	4
#define KERNEL_PAGES	2

/* Makes what all address spaces share. */
void kernel_space_init(void);

/* Makes an address space without pages. */
void address_space_make(struct address_space *space);

/* Its pages must be gone, and it must not be the one in use. */
void address_space_drop(struct address_space *space);

void address_space_enter(const struct address_space *space);

static inline u64 *entry_of(const struct address_space *space, unsigned int page)
{
	return &space->table[page];
}

/* The first word of a page. */
static inline volatile u64 *word(unsigned int page)
{
	return (volatile u64 *)(USER + page * PAGE);
}

#endif /* _GUESTS_ADDRESS_SPACE_H */
