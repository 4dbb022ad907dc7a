// SPDX-License-Identifier: GPL-2.0
/*
 * The hypercalls of minivmx_pv.h: what they do to the page tables of a guest
 * that trusts them, and what they answer to one that does not keep to the rules.
 */
#include "minivmx_harness.h"
#include "minivmx_pv.h"
#include "user.h"
#include "window.h"

#define ONLY_PV		"this is about MINIVMX_MMU_PV"
#define BASE		(64 * MIB)
#define HOLE		(96 * MIB)
#define NOT_CANONICAL	BIT(63)

static struct minivmx_pv_update updates[MINIVMX_PV_MAX_UPDATES];

static s64 hypercall(u64 number, u64 first, u64 second)
{
	s64 result = number;
	u64 b = first, c = second;

	asm volatile("vmcall" : "+a"(result), "+b"(b), "+c"(c) : : "memory");
	GUEST_ASSERT(b == first && c == second);
	return result;
}

static s64 update(u64 count)
{
	return hypercall(MINIVMX_PV_UPDATE, (uintptr_t)updates, count);
}

static void set_update(u64 i, volatile u64 *entry, u64 value)
{
	updates[i].gpa = (uintptr_t)entry;
	updates[i].value = value;
}

static bool shows(u64 n, const struct page *page)
{
	return read_at(WINDOW_PAGE(n)) == page->words[0];
}

/* ------------------------------------------------------------- what is there */

static s64 answers[8];

/* All calls, and some that there are not; the argument suits each. */
static void guest_asks(void)
{
	for (u64 i = 0; i < ARRAY_SIZE(answers); i++)
		answers[i] = hypercall(MINIVMX_PV_QUERY + i, GUEST_PML4, 0);
}

MINIVMX_TEST(query, guest_asks)
{
	s64 *seen = *guest_copy(vm, answers);

	if (vm->mmu != MINIVMX_MMU_PV)
		SKIP(return, ONLY_PV);
	run_to_done(vcpu);
	EXPECT_EQ(0x1f, seen[0]);
	for (int i = 5; i < 8; i++)
		EXPECT_STREQ("ENOSYS", strerrorname_np(-seen[i]));
}

MINIVMX_TEST(no_calls_with_other_mmus, guest_asks)
{
	s64 *seen = *guest_copy(vm, answers);

	if (vm->mmu == MINIVMX_MMU_PV)
		SKIP(return, "this is about all other MMUs");
	run_to_done(vcpu);
	for (int i = 0; i < 8; i++)
		EXPECT_STREQ("ENOSYS", strerrorname_np(-seen[i]));
}

static void guest_asks_as_user(void)
{
	open_program_to_users();
	run_as_user(guest_asks);
}

MINIVMX_TEST(not_for_users, guest_asks_as_user)
{
	s64 *seen = *guest_copy(vm, answers);

	if (vm->mmu != MINIVMX_MMU_PV)
		SKIP(return, ONLY_PV);
	run_to_done(vcpu);
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(-EPERM, seen[i]);
}

static void guest_asks_at_cpl_1(void)
{
	open_program_to_users();
	run_at_cpl(1, guest_asks);
}

MINIVMX_TEST(for_cpl_0_only, guest_asks_at_cpl_1)
{
	s64 *seen = *guest_copy(vm, answers);

	if (vm->mmu != MINIVMX_MMU_PV)
		SKIP(return, ONLY_PV);
	run_to_done(vcpu);
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(-EPERM, seen[i]);
}

/* -------------------------------------------------------------------- updates */

/* Both tables, over and over, without one INVLPG. */
static void guest_updates(void)
{
	open_window();
	GUEST_SYNC(1);
	for (u64 round = 0; round < 6; round++) {
		const struct page *page = round % 2 ? &page_b : &page_a;
		const u64 value = round % 3 == 2 ? 0 : entry_for(page);

		for (u64 n = 0; n < 2 * ENTRIES; n += MINIVMX_PV_MAX_UPDATES) {
			for (u64 i = 0; i < MINIVMX_PV_MAX_UPDATES; i++)
				set_update(i, &window_pts[0].words[n + i], value);
			GUEST_ASSERT(update(MINIVMX_PV_MAX_UPDATES) ==
				     MINIVMX_PV_MAX_UPDATES);
		}
		for (u64 n = 0; n < 2 * ENTRIES; n += 31) {
			if (value)
				GUEST_ASSERT(shows(n, page));
			else
				GUEST_ASSERT(try_read(WINDOW_PAGE(n)) == VECTOR_PF);
		}
	}
	GUEST_SYNC(2);
}

MINIVMX_TEST(updates_of_whole_tables, guest_updates)
{
	struct minivmx_stats before, after;

	if (vm->mmu != MINIVMX_MMU_PV)
		SKIP(return, ONLY_PV);
	run_to_sync(vcpu, 1);
	before = get_stats(vm);
	run_to_sync(vcpu, 2);
	after = get_stats(vm);
	/* That is the point of it: an exit for each list, none for a write. */
	EXPECT_EQ(12 * ENTRIES / MINIVMX_PV_MAX_UPDATES,
		  after.out_exits[EXIT_VMCALL] - before.out_exits[EXIT_VMCALL]);
	EXPECT_EQ(0, after.out_table_writes - before.out_table_writes);
}

/* Tables of all levels, in the order of the list; the later entry counts. */
static void guest_updates_in_order(void)
{
	open_window();
	map_page(5, &page_a);
	GUEST_ASSERT(shows(5, &page_a));
	set_update(0, &window_pts[1].words[5], entry_for(&page_a));
	set_update(1, &window_pts[1].words[5], entry_for(&page_b));
	set_update(2, &window_pd.words[0], entry_for(&window_pts[1]));
	GUEST_ASSERT(update(3) == 3);
	GUEST_ASSERT(shows(5, &page_b));
	set_update(0, &window_pdpt.words[0], 0);
	GUEST_ASSERT(update(1) == 1);
	GUEST_ASSERT(try_read(WINDOW_PAGE(5)) == VECTOR_PF);
	set_update(0, &window_pdpt.words[0], entry_for(&window_pd));
	GUEST_ASSERT(update(1) == 1);
	GUEST_ASSERT(shows(5, &page_b));
	GUEST_ASSERT(update(0) == 0);
	/* Less is allowed: read-only, then not for fetches. */
	set_update(0, &window_pts[1].words[5], (uintptr_t)&page_a | PTE_P);
	GUEST_ASSERT(update(1) == 1);
	GUEST_ASSERT(shows(5, &page_a));
	GUEST_ASSERT(try_write(WINDOW_PAGE(5), 0) == VECTOR_PF);
	GUEST_ASSERT(guest_fault.error == 3);
}

MINIVMX_TEST(updates_in_order, guest_updates_in_order)
{
	if (vm->mmu != MINIVMX_MMU_PV)
		SKIP(return, ONLY_PV);
	run_to_done(vcpu);
}

/* What is asked for is written as far as the list is good. */
static void guest_updates_badly(void)
{
	volatile u64 *entry = &window_pts[0].words[9];

	open_window();
	map_page(9, &page_a);
	GUEST_ASSERT(shows(9, &page_a));
	GUEST_ASSERT(update(MINIVMX_PV_MAX_UPDATES + 1) == -E2BIG);
	GUEST_ASSERT(update(~0UL) == -E2BIG);
	GUEST_ASSERT(hypercall(MINIVMX_PV_UPDATE, (uintptr_t)updates + 4, 1) ==
		     -EINVAL);
	GUEST_ASSERT(hypercall(MINIVMX_PV_UPDATE, ~7UL, 2) == -EINVAL);
	/* The list is not in memory. */
	GUEST_ASSERT(hypercall(MINIVMX_PV_UPDATE, HOLE, 1) == 0);
	/* Nor what it names, in its third element. */
	for (u64 bad = 0; bad < 4; bad++) {
		const u64 gpas[] = { HOLE, BASE, (uintptr_t)entry + 4, ~7UL };

		for (u64 i = 0; i < 4; i++)
			set_update(i, entry, entry_for(i % 2 ? &page_b : &page_a));
		updates[2].gpa = gpas[bad];
		GUEST_ASSERT(update(4) == 2);
		GUEST_ASSERT(shows(9, &page_b));
	}
	GUEST_SYNC(1);
}

MINIVMX_TEST(bad_updates, guest_updates_badly)
{
	u64 *page;

	if (vm->mmu != MINIVMX_MMU_PV)
		SKIP(return, ONLY_PV);
	map_memory(vm, BASE, PAGE_4K, MINIVMX_MAP_READONLY);
	page = mmap_memory(vm, BASE, PAGE_4K);
	page[0] = 0x1234;
	run_to_sync(vcpu, 1);
	EXPECT_EQ(0x1234, page[0]);
}

/* Memory that nobody touched yet is there, for the list and for the entry. */
static void guest_updates_fresh_memory(void)
{
	struct page *table = (struct page *)BASE;
	struct minivmx_pv_update *list = (void *)(BASE + 2 * PAGE_4K - 16);

	open_window();
	window_pd.words[3] = entry_for(table);
	set_update(0, &table->words[7], entry_for(&page_a));
	GUEST_ASSERT(update(1) == 1);
	GUEST_ASSERT(shows(3 * ENTRIES + 7, &page_a));
	/* A list across the end of a page, whose second is fresh: gpa 0. */
	list[0].gpa = (uintptr_t)&table->words[8];
	list[0].value = entry_for(&page_b);
	GUEST_ASSERT(hypercall(MINIVMX_PV_UPDATE, (uintptr_t)list, 2) == 2);
	GUEST_ASSERT(shows(3 * ENTRIES + 8, &page_b));
}

MINIVMX_TEST(updates_of_fresh_memory, guest_updates_fresh_memory)
{
	if (vm->mmu != MINIVMX_MMU_PV)
		SKIP(return, ONLY_PV);
	map_memory(vm, BASE, 4 * PAGE_4K, 0);
	run_to_done(vcpu);
}

static u64 other;

/*
 * Written twice, the first element would be another one the second time. But
 * nothing is written before all pages are there.
 */
static void guest_updates_much_fresh_memory(void)
{
	const u64 count = MINIVMX_PV_MAX_UPDATES;

	set_update(0, &updates[0].gpa, (uintptr_t)&other);
	for (u64 i = 1; i < count; i++)
		set_update(i, (u64 *)(BASE + i * PAGE_4K), i);
	GUEST_SYNC(1);
	GUEST_ASSERT(update(count) == count);
	GUEST_SYNC(2);
	GUEST_ASSERT(!other);
	GUEST_ASSERT(updates[0].gpa == (uintptr_t)&other);
	for (u64 i = 1; i < count; i++)
		GUEST_ASSERT(*(u64 *)(BASE + i * PAGE_4K) == i);
}

MINIVMX_TEST(updates_come_once, guest_updates_much_fresh_memory)
{
	const u64 count = MINIVMX_PV_MAX_UPDATES;
	struct minivmx_stats before, after;

	if (vm->mmu != MINIVMX_MMU_PV)
		SKIP(return, ONLY_PV);
	map_memory(vm, BASE, count * PAGE_4K, 0);
	run_to_sync(vcpu, 1);
	before = get_stats(vm);
	run_to_sync(vcpu, 2);
	after = get_stats(vm);
	EXPECT_EQ(count - 1, after.out_pages - before.out_pages);
	/* The call is made again after each page. */
	EXPECT_EQ(count, after.out_exits[EXIT_VMCALL] - before.out_exits[EXIT_VMCALL]);
	run_to_done(vcpu);
}

/* A list that comes to name fresh memory by its own writes ends there. */
static void guest_updates_its_list(void)
{
	set_update(0, &updates[1].gpa, BASE);
	set_update(1, &other, 7);
	GUEST_ASSERT(update(2) == 1);
	GUEST_ASSERT(updates[1].gpa == BASE && !other);
	GUEST_ASSERT(hypercall(MINIVMX_PV_UPDATE, (uintptr_t)&updates[1], 1) == 1);
	GUEST_ASSERT(*(u64 *)BASE == 7);
}

MINIVMX_TEST(updates_of_the_list, guest_updates_its_list)
{
	if (vm->mmu != MINIVMX_MMU_PV)
		SKIP(return, ONLY_PV);
	map_memory(vm, BASE, PAGE_4K, 0);
	run_to_done(vcpu);
}

/* An entry may say anything; a guest gets what is its own, and no more. */
static void guest_maps_what_is_not_its_own(void)
{
	open_window();
	set_update(0, &window_pts[0].words[3], HOLE | PTE_FLAGS);
	GUEST_ASSERT(update(1) == 1);
	(void)read_at(WINDOW_PAGE(3));
	GUEST_SYNC(1);
}

MINIVMX_TEST(updates_give_no_memory, guest_maps_what_is_not_its_own)
{
	if (vm->mmu != MINIVMX_MMU_PV)
		SKIP(return, ONLY_PV);
	run_to_exit(vcpu, MINIVMX_EXIT_MEMORY);
	EXPECT_EQ(HOLE, run->memory.gpa);
	EXPECT_EQ(MINIVMX_ACCESS_READ, run->memory.access);
	map_memory(vm, HOLE, PAGE_4K, 0);
	run_to_sync(vcpu, 1);
}

/* ---------------------------------------------------------- roots and flushes */

static struct page other_root, other_pdpt, other_pd;

static void guest_changes_root(void)
{
	const struct page *root = (struct page *)GUEST_PML4;

	open_window();
	map_page(0, &page_a);
	map_page(ENTRIES, &page_b);
	for (int i = 0; i < ENTRIES; i++)
		other_root.words[i] = root->words[i];
	other_root.words[WINDOW >> 39] = entry_for(&other_pdpt);
	other_pdpt.words[0] = entry_for(&other_pd);
	other_pd.words[0] = entry_for(&window_pts[1]);
	for (int i = 0; i < 10; i++) {
		const u64 base = i % 2 ? GUEST_PML4 : (uintptr_t)&other_root;

		GUEST_ASSERT(hypercall(MINIVMX_PV_SET_BASE, base | 0x18, 0) == 0);
		GUEST_ASSERT(read_cr3() == (base | 0x18));
		GUEST_ASSERT(shows(0, i % 2 ? &page_a : &page_b));
	}
	GUEST_ASSERT(hypercall(MINIVMX_PV_SET_BASE, BIT(62), 0) == -EINVAL);
	GUEST_ASSERT(hypercall(MINIVMX_PV_SET_BASE, NOT_CANONICAL, 0) == -EINVAL);
	GUEST_ASSERT(read_cr3() == (GUEST_PML4 | 0x18));
}

MINIVMX_TEST(set_base, guest_changes_root)
{
	if (vm->mmu != MINIVMX_MMU_PV)
		SKIP(return, ONLY_PV);
	run_to_done(vcpu);
	EXPECT_EQ(GUEST_PML4 | 0x18, get_sregs(vcpu).cr3);
}

/* A guest that writes by itself, and flushes by hypercall. */
static void guest_flushes(void)
{
	open_window();
	for (int i = 0; i < 20; i++) {
		const struct page *page = i % 2 ? &page_b : &page_a;

		window_pts[0].words[5] = entry_for(page);
		if (i % 4 < 2)
			GUEST_ASSERT(!hypercall(MINIVMX_PV_FLUSH_ONE,
						WINDOW_PAGE(5), 0));
		else
			GUEST_ASSERT(!hypercall(MINIVMX_PV_FLUSH_ALL, 0, 0));
		GUEST_ASSERT(shows(5, page));
	}
	/* Cleared flags are set again. */
	window_pts[0].words[5] = entry_for(&page_a);
	GUEST_ASSERT(!hypercall(MINIVMX_PV_FLUSH_ONE, WINDOW_PAGE(5), 0));
	write_at(WINDOW_PAGE(5) + 8, 1);
	GUEST_ASSERT(window_pts[0].words[5] ==
		     (entry_for(&page_a) | PTE_A | PTE_D));
	GUEST_ASSERT(hypercall(MINIVMX_PV_FLUSH_ONE, NOT_CANONICAL, 0) == -EINVAL);
}

MINIVMX_TEST(flushes, guest_flushes)
{
	if (vm->mmu != MINIVMX_MMU_PV)
		SKIP(return, ONLY_PV);
	run_to_done(vcpu);
}

/* The program sees a call before the driver does, if it asks for that. */
MINIVMX_TEST(calls_trapped, guest_asks)
{
	s64 *seen = *guest_copy(vm, answers);

	if (vm->mmu != MINIVMX_MMU_PV)
		SKIP(return, ONLY_PV);
	set_trap(vcpu, EXIT_VMCALL);
	run_to_exit(vcpu, EXIT_VMCALL);
	EXPECT_EQ(MINIVMX_PV_QUERY, run->regs.rax);
	run->answer = MINIVMX_ANSWER_DEFAULT;
	run_to_exit(vcpu, EXIT_VMCALL);
	run->regs.rax = 0x99;
	run->answer = MINIVMX_ANSWER_SKIP;
	run_to_exit(vcpu, EXIT_VMCALL);
	EXPECT_EQ(0x1f, seen[0]);
	EXPECT_EQ(0x99, seen[1]);
	set_traps(vcpu, 0, 0);
	run_to_done(vcpu);
}

TEST_HARNESS_MAIN
