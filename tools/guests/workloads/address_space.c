// SPDX-License-Identifier: GPL-2.0

#include "address_space.h"
#include "pages.h"
#include "report.h"
#include "update.h"

#define LARGE_PAGE	(2 * 1024 * 1024ull)
#define ROOT_KERNEL	0
#define ROOT_USER	1
#define MOST_TABLES	512

static u64 *kernel_pointers;

/* Tables that are free again, all zeroes: they stay tables. */
static u64 *spare[MOST_TABLES];
static unsigned int spares;

static u64 *table_new(void)
{
	return spares ? spare[--spares] : (u64 *)page_new();
}

static void table_drop(u64 *table)
{
	if (spares == MOST_TABLES)
		fail("more tables are free than can be kept");
	spare[spares++] = table;
}

static void link_table(u64 *entry, const u64 *table)
{
	update_entry(entry, (u64)table | PRESENT | WRITABLE);
}

void kernel_space_init(void)
{
	u64 *directory = table_new();
	u64 address;

	kernel_pointers = table_new();
	for (address = 0; address < MEMORY_END; address += LARGE_PAGE)
		update_entry(&directory[address / LARGE_PAGE],
			     address | PRESENT | WRITABLE | LARGE);
	link_table(kernel_pointers, directory);
	update_commit();
}

void address_space_make(struct address_space *space)
{
	space->root = table_new();
	space->pointers = table_new();
	space->directory = table_new();
	space->table = table_new();
	link_table(&space->root[ROOT_KERNEL], kernel_pointers);
	link_table(&space->root[ROOT_USER], space->pointers);
	link_table(space->pointers, space->directory);
	link_table(space->directory, space->table);
}

void address_space_drop(struct address_space *space)
{
	update_entry(&space->root[ROOT_KERNEL], 0);
	update_entry(&space->root[ROOT_USER], 0);
	update_entry(space->pointers, 0);
	update_entry(space->directory, 0);
	update_commit();
	table_drop(space->root);
	table_drop(space->pointers);
	table_drop(space->directory);
	table_drop(space->table);
}

void address_space_enter(const struct address_space *space)
{
	load_base((u64)space->root);
}
