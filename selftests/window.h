/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For guests of load_program(): a range of linear addresses with page tables of
 * its own, whose pages are 4 KiB, and what guests do with page tables. The tables
 * are variables of the program, so the guest writes them at their own addresses.
 */
#ifndef MINIVMX_WINDOW_H
#define MINIVMX_WINDOW_H

#include "guest.h"

#define WINDOW		BIT(39)
#define WINDOW_PAGE(n)	(WINDOW + (n) * PAGE_4K)

#define ENTRIES		512

#define PTE_P		BIT(0)
#define PTE_W		BIT(1)
#define PTE_U		BIT(2)
#define PTE_A		BIT(5)
#define PTE_D		BIT(6)
#define PTE_PS		BIT(7)
#define PTE_FLAGS	(PTE_P | PTE_W)

struct page {
	volatile u64 words[ENTRIES];
} __aligned(4096);

/* Two tables of the last level, for 4 MiB. */
extern struct page window_pdpt, window_pd, window_pts[2];
/* Each holds its own address. */
extern struct page page_a, page_b;

/* Connects the tables, all of whose last entries are clear. */
void open_window(void);

static inline u64 entry_for(const struct page *page)
{
	return (uintptr_t)page | PTE_FLAGS;
}

static inline void invalidate(u64 address)
{
	asm volatile("invlpg (%0)" : : "r"(address) : "memory");
}

static inline u64 read_cr3(void)
{
	u64 value;

	asm volatile("movq %%cr3, %0" : "=r"(value));
	return value;
}

static inline void write_cr3(u64 value)
{
	asm volatile("movq %0, %%cr3" : : "r"(value) : "memory");
}

static inline u64 read_at(u64 address)
{
	return *(volatile u64 *)address;
}

static inline void write_at(u64 address, u64 value)
{
	*(volatile u64 *)address = value;
}

/* Maps a page of the window to @page, whatever was there. */
static inline void map_page(u64 n, const struct page *page)
{
	window_pts[n / ENTRIES].words[n % ENTRIES] = entry_for(page);
	invalidate(WINDOW_PAGE(n));
}

/* The vector of the exception that a read raises, or NO_FAULT. */
u64 try_read(u64 address);
u64 try_write(u64 address, u64 value);

#endif /* MINIVMX_WINDOW_H */
