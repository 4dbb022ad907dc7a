// SPDX-License-Identifier: GPL-2.0

#include "address_space.h"
#include "pages.h"
#include "report.h"

/* The tool's GDT and stack are below. */
#define LOW_END		(64 * 1024ull)

#define POOL		(2 * 1024 * 1024ull)
#define MOST_PAGES	((MEMORY_END - POOL) / PAGE)

static u64 next = POOL;
static u64 dropped[MOST_PAGES];
static unsigned int dropped_pages;
static u8 sharers[MOST_PAGES];

u64 page_new(void)
{
	u64 page = next;

	if (dropped_pages)
		return dropped[--dropped_pages];
	if (page == MEMORY_END)
		fail("no memory is left");
	next += PAGE;
	return page;
}

void page_drop(u64 page)
{
	dropped[dropped_pages++] = page;
}

u8 *page_sharers(u64 page)
{
	return &sharers[(page - POOL) / PAGE];
}

static void read_byte(u64 address)
{
	(void)*(volatile u8 *)address;
}

static void rewrite_byte(u64 address)
{
	volatile u8 *byte = (volatile u8 *)address;

	*byte = *byte;
}

/* Some of the pages are tables by now: they are only read. */
void pages_warm(unsigned int count)
{
	u64 address;

	for (address = PAGE; address < LOW_END; address += PAGE)
		rewrite_byte(address);
	for (address = (u64)image_start; address < (u64)image_end; address += PAGE)
		rewrite_byte(address);
	for (address = POOL; address < POOL + count * PAGE; address += PAGE)
		read_byte(address);
}
