// SPDX-License-Identifier: GPL-2.0
/*
 * MINIVMX_READ_TABLE and MINIVMX_TRANSLATE while a guest runs that changes its page
 * tables, and memory comes and goes: what is read is whole, nobody waits for ever,
 * and the guest goes on.
 */
#include <pthread.h>
#include <sched.h>

#include "minivmx_harness.h"
#include "window.h"

/* Where memory comes and goes. */
#define BASE		(64 * MIB)
#define PAGES		16
/* The guest's rounds, and the watcher's, that are to be seen at least. */
#define GUEST_ROUNDS	2000
#define WATCH_ROUNDS	20
#define PTE_ADDRESS	0x000ffffffffff000UL

static struct {
	volatile u64 stop;
	volatile u64 rounds;
} shared;

static const struct page *page_of_round(u64 round)
{
	return (round / PAGES) & 1 ? &page_a : &page_b;
}

static void guest_changes_its_tables(void)
{
	open_window();
	map_page(0, &page_a);
	map_page(1, &page_b);
	window_pts[1].words[0] = entry_for(&page_a);
	read_at(WINDOW_PAGE(0));
	read_at(WINDOW_PAGE(1));
	GUEST_SYNC(1);
	for (u64 i = 0; !shared.stop; i++) {
		const struct page *page = page_of_round(i);

		map_page(i % PAGES, page);
		GUEST_ASSERT(read_at(WINDOW_PAGE(i % PAGES)) == (uintptr_t)page);
		if (i % 8 == 0) {
			window_pd.words[1] = i & 8 ? entry_for(&window_pts[1]) : 0;
			write_cr3(read_cr3());
			if (i & 8)
				GUEST_ASSERT(read_at(WINDOW_PAGE(ENTRIES)) ==
					     (uintptr_t)&page_a);
		}
		read_at(BASE);
		shared.rounds = i;
	}
	GUEST_DONE();
}

struct watch {
	struct vm *vm;
	/* Host-physical addresses of page_a and page_b. */
	u64 hpa_a, hpa_b;
	u32 tables, entries, gone;
};

/* Runs to the guest's end; tries again where memory is missing, and while it is looked at. */
static void *run_to_stop(void *arg)
{
	const struct vcpu *vcpu = arg;

	for (;;) {
		int error = run_error(vcpu);

		require(!error || error == EBUSY, "MINIVMX_RUN: %s",
			strerrorname_np(error));
		if (!error && vcpu->run->reason != MINIVMX_EXIT_MEMORY)
			break;
		sched_yield();
	}
	require(get_ucall(vcpu) == UCALL_DONE, "%s", describe_exit(vcpu));
	return NULL;
}

/* An error, or 0. */
static int translate(const struct vm *vm, u64 address, u64 *hpa)
{
	struct minivmx_pte ptes[MINIVMX_MAX_REFERENCES];
	struct minivmx_translate *call = ARG(translate, .address = address,
					     .access = MINIVMX_ACCESS_READ,
					     .count = ARRAY_SIZE(ptes),
					     .references = (uintptr_t)ptes);
	int error = call_error(vm->vcpu.fd, MINIVMX_TRANSLATE, call);

	*hpa = call->out_hpa;
	return error;
}

/* Entries of the window were made from one that leads to the same page. */
static void expect_whole(struct __test_metadata *_metadata, const struct watch *watch,
			 const struct minivmx_pte *pte)
{
	u64 from = pte->source & PTE_ADDRESS, to = pte->value & PTE_ADDRESS;

	if (uses_ept(watch->vm) || pte->level != 1 || pte->input < WINDOW ||
	    pte->input >= WINDOW_PAGE(PAGES))
		return;
	EXPECT_TRUE((from == (uintptr_t)&page_a && to == watch->hpa_a) ||
		    (from == (uintptr_t)&page_b && to == watch->hpa_b))
		TH_LOG("%#llx was made from %#llx", pte->value, pte->source);
}

/* One of the table of this level on the way to @address; @last is the index before. */
static void expect_entry(struct __test_metadata *_metadata, const struct watch *watch,
			 const struct minivmx_pte *pte, u64 address, int last)
{
	u32 shift = 12 + 9 * (pte->level - 1);

	EXPECT_EQ(uses_ept(watch->vm) ? MINIVMX_TABLES_EPT : MINIVMX_TABLES_SHADOW,
		  pte->tables);
	EXPECT_NE(0, pte->flags & MINIVMX_PTE_PRESENT);
	EXPECT_EQ(0, pte->flags & MINIVMX_PTE_RESERVED);
	EXPECT_LT(last, (int)pte->index);
	EXPECT_EQ(pte->index, (pte->input >> shift) % ENTRIES);
	if (pte->level < 4)
		EXPECT_EQ(address >> (shift + 9), pte->input >> (shift + 9));
	expect_whole(_metadata, watch, pte);
}

/* Reads a table, and all below it; some may be gone by now. */
static void read_tables(struct __test_metadata *_metadata, struct watch *watch,
			u32 level, u64 address)
{
	static struct minivmx_pte tables[5][MINIVMX_MAX_PTES];
	struct minivmx_pte *entries = tables[level];
	struct minivmx_read_table *call = ARG(read_table, .level = level,
					      .address = address,
					      .entries = (uintptr_t)entries);
	int error = call_error(watch->vm->fd, MINIVMX_READ_TABLE, call);
	int last = -1;

	if (error == ENOENT && level) {
		watch->gone++;
		return;
	}
	ASSERT_EQ(0, error) TH_LOG("%s", strerrorname_np(error));
	ASSERT_LE(call->out_count, MINIVMX_MAX_PTES);
	watch->tables++;
	for (u32 i = 0; i < call->out_count; i++) {
		const struct minivmx_pte *pte = &entries[i];

		if (level)
			ASSERT_EQ(level, pte->level);
		ASSERT_TRUE(pte->level >= 1 && pte->level <= 4);
		expect_entry(_metadata, watch, pte, address, last);
		last = pte->index;
		watch->entries++;
		if (!(pte->flags & MINIVMX_PTE_LEAF))
			read_tables(_metadata, watch, pte->level - 1, pte->input);
	}
}

MINIVMX_TEST(tables_are_read_while_the_guest_changes_them, guest_changes_its_tables)
{
	volatile u64 *rounds = &guest_copy(vm, shared)->rounds;
	struct watch watch = { .vm = vm };
	u32 busy = 0, translated = 0;
	pthread_t thread;
	u64 hpa, seen = 0;

	map_memory(vm, BASE, PAGE_4K, 0);
	run_to_sync(vcpu, 1);
	ASSERT_EQ(0, translate(vm, WINDOW_PAGE(0), &watch.hpa_a));
	ASSERT_EQ(0, translate(vm, WINDOW_PAGE(1), &watch.hpa_b));
	ASSERT_NE(0, watch.hpa_a);
	ASSERT_NE(watch.hpa_a, watch.hpa_b);
	ASSERT_EQ(0, pthread_create(&thread, NULL, run_to_stop, vcpu));
	/* Until it was asked while the guest ran, too: on two CPUs it may often be about to. */
	for (u32 i = 0; i < WATCH_ROUNDS || *rounds < GUEST_ROUNDS || !busy; i++) {
		int error = translate(vm, WINDOW_PAGE(i % PAGES), &hpa);

		ASSERT_TRUE(!error || error == EBUSY)
			TH_LOG("%s", strerrorname_np(error));
		busy += error == EBUSY;
		translated += !error;
		/* The vCPU may have stopped before it touched the page first. */
		if (!error && hpa)
			EXPECT_TRUE(hpa == watch.hpa_a || hpa == watch.hpa_b);
		read_tables(_metadata, &watch, 0, 0);
		/* Not before the guest has used it: else it might never get any further. */
		if (*rounds != seen) {
			seen = *rounds;
			unmap_memory(vm, BASE, PAGE_4K);
			sched_yield();
			map_memory(vm, BASE, PAGE_4K, 0);
		}
		sched_yield();
	}
	TH_LOG("%u tables, %u entries, %u gone; %u translated, %u busy; %llu rounds",
	       watch.tables, watch.entries, watch.gone, translated, busy, *rounds);
	EXPECT_LT(0, busy);
	EXPECT_LT(WATCH_ROUNDS, watch.tables);
	guest_copy(vm, shared)->stop = 1;
	pthread_join(thread, NULL);
}

TEST_HARNESS_MAIN
