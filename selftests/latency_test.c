// SPDX-License-Identifier: GPL-2.0
/*
 * Guests that make shadow paging as much work as they can at once: pages that are
 * mapped very often, tables that very many entries refer to, large trees of tables.
 * What they read must be right all the same; how long interrupts are off meanwhile,
 * irqs_off watches.
 */
#include "minivmx_harness.h"
#include "window.h"

#define MANY		32			/* tables */
#define PAGES		(MANY * ENTRIES)	/* that they map */

/* Behind what the program takes. */
#define VICTIM		(64 * MIB)

static struct page tables[MANY], other_root;

/* Maps the same page everywhere. */
static void fill_window(u64 gpa)
{
	open_window();
	for (u64 n = 0; n < PAGES; n++)
		tables[n / ENTRIES].words[n % ENTRIES] = gpa | PTE_FLAGS;
	for (u64 i = 0; i < MANY; i++)
		window_pd.words[i] = entry_for(&tables[i]);
}

/* So many pages of the window, each @step-th, have @value at their beginning. */
static void expect_everywhere(u64 value, u64 pages, u64 step)
{
	for (u64 n = 0; n < pages; n++)
		GUEST_ASSERT(read_at(WINDOW_PAGE(n * step)) == value);
}

/* ------------------------------------------------- a page with many mappings */

static void guest_makes_page_a_root(void)
{
	const struct page *root = (struct page *)GUEST_PML4;

	fill_window((uintptr_t)&other_root);
	for (int i = 0; i < ENTRIES; i++)
		other_root.words[i] = root->words[i];
	expect_everywhere(other_root.words[0], PAGES, 1);
	write_cr3((uintptr_t)&other_root);
	expect_everywhere(other_root.words[0], PAGES, 1);
	/* Through one of the many: what is at 0 is at 1 TiB, too. */
	write_at(WINDOW_PAGE(PAGES - 1) + 2 * 8, root->words[0]);
	GUEST_ASSERT(read_at(BIT(40) + (uintptr_t)&page_a) == page_a.words[0]);
}

MINIVMX_TEST(page_that_becomes_a_table, guest_makes_page_a_root)
{
	run_to_done(vcpu);
}

static void guest_maps_page_often(void)
{
	fill_window(VICTIM);
	expect_everywhere(1, PAGES, 1);
	GUEST_SYNC(1);
	expect_everywhere(2, PAGES, 1);
}

static void put_victim(const struct vm *vm, u64 value)
{
	u64 *page;

	map_memory(vm, VICTIM, PAGE_4K, 0);
	page = mmap_memory(vm, VICTIM, PAGE_4K);
	*page = value;
	munmap(page, PAGE_4K);
}

MINIVMX_TEST(page_that_is_taken_away, guest_maps_page_often)
{
	put_victim(vm, 1);
	run_to_sync(vcpu, 1);
	unmap_memory(vm, VICTIM, PAGE_4K);
	put_victim(vm, 2);
	run_to_done(vcpu);
}

/* ------------------------------------------- a table with many that refer to it */

static void share_table(void)
{
	open_window();
	map_page(0, &page_a);
	for (u64 i = 0; i < MANY; i++) {
		for (int j = 0; j < ENTRIES; j++)
			tables[i].words[j] = entry_for(&window_pts[0]);
		window_pdpt.words[i] = entry_for(&tables[i]);
	}
}

static void guest_writes_to_shared_table(void)
{
	share_table();
	expect_everywhere(page_a.words[0], PAGES, ENTRIES);
	/* Again and again, as if it were data. */
	for (int i = 1; i < 8; i++)
		window_pts[0].words[i] = i;
	window_pts[0].words[0] = entry_for(&page_b);
	write_cr3(read_cr3());
	expect_everywhere(page_b.words[0], PAGES, ENTRIES);
}

MINIVMX_TEST(table_that_is_shared, guest_writes_to_shared_table)
{
	run_to_done(vcpu);
}

/* ---------------------------------------------------------------- many tables */

static void guest_writes_to_many_tables(void)
{
	fill_window((uintptr_t)&page_a);
	expect_everywhere(page_a.words[0], PAGES, 1);
	for (u64 i = 0; i < MANY; i++)
		for (u64 j = 0; j < ENTRIES; j += 8)
			tables[i].words[j] = entry_for(&page_b);
	write_cr3(read_cr3());
	expect_everywhere(page_b.words[0], PAGES / 8, 8);
	for (u64 i = 0; i < MANY; i++)
		GUEST_ASSERT(read_at(WINDOW_PAGE(i * ENTRIES + 1)) ==
			     page_a.words[0]);
}

MINIVMX_TEST(tables_that_are_out_of_date, guest_writes_to_many_tables)
{
	run_to_done(vcpu);
}

static void guest_cuts_a_tree_off(void)
{
	struct page *root = (struct page *)GUEST_PML4;
	const u64 entry = entry_for(&window_pdpt);

	fill_window((uintptr_t)&page_a);
	expect_everywhere(page_a.words[0], PAGES, 1);
	root->words[WINDOW >> 39] = 0;
	write_cr3(read_cr3());
	GUEST_ASSERT(try_read(WINDOW) == VECTOR_PF);
	root->words[WINDOW >> 39] = entry;
	expect_everywhere(page_a.words[0], PAGES, 1);
}

MINIVMX_TEST(tree_that_goes, guest_cuts_a_tree_off)
{
	run_to_done(vcpu);
}

TEST_HARNESS_MAIN
