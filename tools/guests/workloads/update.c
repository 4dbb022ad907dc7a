// SPDX-License-Identifier: GPL-2.0

#include "address_space.h"
#include "hypercall.h"
#include "report.h"
#include "update.h"

/* Above this many pages it is cheaper to flush all; Linux's number. */
#define MOST_PAGES	33

static bool paravirtual;
static struct minivmx_pv_update updates[MINIVMX_PV_MAX_UPDATES];
static unsigned int collected;
static u64 current_base;

void update_init(void)
{
	const long long needed = BIT_ULL(MINIVMX_PV_UPDATE - MINIVMX_PV_QUERY) |
				 BIT_ULL(MINIVMX_PV_SET_BASE - MINIVMX_PV_QUERY);
	long long found = hypercall(MINIVMX_PV_QUERY, 0, 0);

	paravirtual = found > 0 && (found & needed) == needed;
}

static void call(u64 number, u64 rbx, u64 rcx, long long expected)
{
	report->hypercalls++;
	if (hypercall(number, rbx, rcx) != expected)
		fail("a hypercall was refused");
}

void update_entry(u64 *entry, u64 value)
{
	report->entries++;
	if (!paravirtual) {
		*(volatile u64 *)entry = value;
		return;
	}
	if (collected == MINIVMX_PV_MAX_UPDATES)
		update_commit();
	updates[collected].gpa = (u64)entry;
	updates[collected].value = value;
	collected++;
}

void update_commit(void)
{
	if (collected)
		call(MINIVMX_PV_UPDATE, (u64)updates, collected, collected);
	collected = 0;
}

void load_base(u64 base)
{
	update_commit();
	report->base_loads++;
	current_base = base;
	if (paravirtual)
		call(MINIVMX_PV_SET_BASE, base, 0, 0);
	else
		asm volatile("mov %0, %%cr3" : : "r"(base) : "memory");
}

static void flush_all(void)
{
	report->base_loads++;
	if (!paravirtual)
		asm volatile("mov %0, %%cr3" : : "r"(current_base) : "memory");
}

static void flush_page(u64 address)
{
	report->page_flushes++;
	if (!paravirtual)
		asm volatile("invlpg (%0)" : : "r"(address) : "memory");
}

/* The hypercall that writes entries has flushed what was translated by the old ones. */
void flush_pages(u64 address, unsigned int count)
{
	unsigned int page;

	update_commit();
	if (count > MOST_PAGES) {
		flush_all();
		return;
	}
	for (page = 0; page < count; page++)
		flush_page(address + page * PAGE);
}
