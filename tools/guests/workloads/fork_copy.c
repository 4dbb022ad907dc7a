// SPDX-License-Identifier: GPL-2.0
/*
 * fork(): the child gets a copy of the page tables, both lose the right to write,
 * and who writes first gets a copy of the page.
 */
#include "address_space.h"
#include "pages.h"
#include "report.h"
#include "update.h"
#include "workload.h"

#define PAGES	128
#define FORKS	3

static struct address_space parent, child;
static struct address_space *current;

static void enter(struct address_space *space)
{
	current = space;
	address_space_enter(space);
}

static void prepare(unsigned int processes)
{
	unsigned int page;

	(void)processes;
	address_space_make(&parent);
	for (page = 0; page < PAGES; page++)
		update_entry(entry_of(&parent, page), page_new() | PRESENT | WRITABLE);
	enter(&parent);
	for (page = 0; page < PAGES; page++)
		*word(page) = page;
}

static void fork(void)
{
	unsigned int page;

	address_space_make(&child);
	for (page = 0; page < PAGES; page++) {
		u64 frame = *entry_of(&parent, page) & ADDRESS;

		(*page_sharers(frame))++;
		update_entry(entry_of(&parent, page), frame | PRESENT | SHARED);
		update_entry(entry_of(&child, page), frame | PRESENT | SHARED);
	}
	flush_pages(USER, PAGES);
}

static void exit_child(void)
{
	unsigned int page;

	for (page = 0; page < PAGES; page++) {
		u64 frame = *entry_of(&child, page) & ADDRESS;
		u8 *sharers = page_sharers(frame);

		update_entry(entry_of(&child, page), 0);
		if (*sharers)
			(*sharers)--;
		else
			page_drop(frame);
	}
	address_space_drop(&child);
}

static u64 copy_of(u64 frame)
{
	u64 copy = page_new();
	u64 from = frame, to = copy, words = PAGE / sizeof(u64);

	asm volatile("rep movsq" : "+S"(from), "+D"(to), "+c"(words) : : "memory");
	return copy;
}

static void fault(unsigned int page, u64 error)
{
	u64 *entry = entry_of(current, page);
	u64 frame = *entry & ADDRESS;
	u8 *sharers = page_sharers(frame);

	if (error != (FAULT_PRESENT | FAULT_WRITE) || !(*entry & SHARED))
		fail("a page that is not shared could not be written");
	if (*sharers) {
		(*sharers)--;
		frame = copy_of(frame);
	}
	update_entry(entry, frame | PRESENT | WRITABLE);
	flush_pages(USER + page * PAGE, 1);
}

static u64 read_all(u64 checksum)
{
	unsigned int page;

	for (page = 0; page < PAGES; page++)
		checksum = mix(checksum, *word(page));
	return checksum;
}

static void write_some(unsigned int first, unsigned int step, u64 value)
{
	unsigned int page;

	for (page = first; page < PAGES; page += step)
		*word(page) += value;
}

static u64 run(unsigned int processes)
{
	u64 checksum = 0;
	unsigned int number;

	(void)processes;
	for (number = 0; number < FORKS; number++) {
		fork();
		enter(&child);
		write_some(0, 2, 1000);
		checksum = read_all(checksum);

		enter(&parent);
		write_some(1, 4, 100);
		checksum = read_all(checksum);
		exit_child();
		write_some(0, 1, 1);
		checksum = read_all(checksum);
	}
	return mix(checksum, report->faults);
}

/* Three in four pages are copied. */
const struct workload fork_copy = {
	prepare, run, fault,
	KERNEL_PAGES + 2 * SPACE_PAGES + PAGES + 3 * PAGES / 4
};
