// SPDX-License-Identifier: GPL-2.0
/*
 * One instruction of the stress test: what the model says of it, what really
 * happens, and whether that is the same.
 */
#include "stress.h"

/* A store to memory: what it makes of a word. */
struct store {
	u32 word;
	u64 mask;		/* bits that it clears first */
	u64 value;		/* bits that it sets then */
};

/* An entry that is used on the way to a word. */
struct used {
	u32 word;
	u64 flags;		/* that the CPU sets there */
};

#define MOST_STORES	STRESS_SLOTS
#define MOST_USED	(ACCESS_LEVELS * MOST_STORES)

/* What must come of an instruction. */
struct plan {
	bool impossible;	/* it must not be carried out */
	bool faults;
	u32 error;
	u64 cr2;
	bool reads;
	u32 source;		/* the word that is read */
	bool globals;

	u32 stores;
	struct store store[MOST_STORES];
	u32 entries;
	struct used used[MOST_USED];
};

static struct plan plan;

static volatile u64 *const memory = (volatile u64 *)STRESS_ARENA;

/* ------------------------------------------------------------ what must come */

static u32 access_kind(u32 kind, bool user)
{
	return user ? kind + ACCESS_USER_READ - ACCESS_READ : kind;
}

/* The entries of a way, as far as it goes. */
static void add_used(const struct stress_way *way,
		     const struct access_outcome *outcome)
{
	for (u32 i = 0; i < way->levels; i++) {
		if (way->entry[i] == STRESS_NOWHERE)
			continue;
		if (plan.entries == MOST_USED) {
			plan.impossible = true;
			return;
		}
		plan.used[plan.entries++] = (struct used) {
			.word = way->entry[i],
			.flags = outcome->entry[i] & ~way->now.entry[i],
		};
	}
	plan.globals |= way->levels && (way->now.entry[0] & PTE_G);
}

/* Plans an access; returns the word that is reached, if one is. */
static u32 plan_access(u64 linear, u32 kind)
{
	struct access_outcome outcome;
	struct stress_way way;

	if (plan.faults || plan.impossible)
		return STRESS_NOWHERE;
	stress_find_way(linear, &way);
	plan.impossible = way.outside;
	if (plan.impossible)
		return STRESS_NOWHERE;
	stress_expect(&way, kind, &outcome);
	add_used(&way, &outcome);
	if (outcome.vector != ACCESS_NO_FAULT) {
		plan.faults = true;
		plan.error = outcome.error;
		plan.cr2 = linear;
		return STRESS_NOWHERE;
	}
	plan.impossible |= way.word == STRESS_NOWHERE;
	return way.word;
}

static void plan_read(u64 linear, u32 kind)
{
	plan.source = plan_access(linear, kind);
	plan.reads = plan.source != STRESS_NOWHERE;
}

static void plan_store(u64 linear, bool user, u64 mask, u64 value)
{
	u32 word = plan_access(linear, access_kind(ACCESS_WRITE, user));

	if (word == STRESS_NOWHERE)
		return;
	if (stress_is_locked(word) || plan.stores == MOST_STORES) {
		plan.impossible = true;
		return;
	}
	plan.store[plan.stores++] = (struct store) {
		.word = word, .mask = mask, .value = value,
	};
}

/* Returns what was there. */
static void plan_exchange(const struct stress_step *step)
{
	plan_store(step->linear, step->user, ~0ULL, step->value);
	plan.reads = plan.stores;
	plan.source = plan.store[0].word;
}

static void plan_stos(const struct stress_step *step)
{
	for (u32 i = 0; i < step->count; i++)
		plan_store(step->linear + 8 * i, step->user, ~0ULL, step->value);
}

static void plan_movs(const struct stress_step *step)
{
	for (u32 i = 0; i < step->count; i++)
		plan_store(step->linear + 8 * i, step->user, ~0ULL,
			   stress_memory[step->value + i]);
}

/* 4 bytes at the end of the last word of a page, 4 in the next page. */
static void plan_straddle(const struct stress_step *step)
{
	plan_store(step->linear, step->user, ~0ULL << 32, step->value << 32);
	plan_store(step->linear + 8, step->user, ~0U, step->value >> 32);
	/* Whether the first page is dirty if the second one faults is open. */
	if (plan.stores != 2)
		plan.impossible = true;
}

static void plan_instruction(const struct stress_step *step)
{
	const u64 linear = step->linear, value = step->value, low = ~0U;
	const bool user = step->user;

	switch (step->how) {
	case STRESS_LOAD:
		plan_read(linear, access_kind(ACCESS_READ, user));
		break;
	case STRESS_FETCH:
		plan_read(linear, access_kind(ACCESS_FETCH, user));
		break;
	case STRESS_MOV_LOW_FIRST:
		plan_store(linear, user, low, value & low);
		plan_store(linear + 4, user, ~low, value & ~low);
		break;
	case STRESS_MOV_HIGH_FIRST:
		plan_store(linear + 4, user, ~low, value & ~low);
		plan_store(linear, user, low, value & low);
		break;
	case STRESS_XCHG:
		plan_exchange(step);
		break;
	case STRESS_CMPXCHG:
		plan_access(linear, access_kind(ACCESS_READ, user));
		plan_store(linear, user, ~0ULL, value);
		break;
	case STRESS_AND:
		plan_store(linear, user, ~value, 0);
		break;
	case STRESS_OR:
		plan_store(linear, user, value, value);
		break;
	case STRESS_STOS:
		plan_stos(step);
		break;
	case STRESS_MOVS:
		plan_movs(step);
		break;
	case STRESS_STRADDLE:
		plan_straddle(step);
		break;
	default:
		plan_store(linear, user, ~0ULL, value);
		break;
	}
}

static bool is_used(u32 word)
{
	for (u32 i = 0; i < plan.entries; i++) {
		if (plan.used[i].word == word)
			return true;
	}
	return false;
}

static u64 flags_set_at(u32 word)
{
	u64 flags = 0;

	for (u32 i = 0; i < plan.entries; i++) {
		if (plan.used[i].word == word)
			flags |= plan.used[i].flags;
	}
	return flags;
}

/* A program must invalidate what it changes before it uses that again. */
static bool changes_its_own_way(const struct stress_step *step)
{
	if (plan.stores + plan.faults < 2 && step->how != STRESS_CMPXCHG)
		return false;
	for (u32 i = 0; i < plan.stores; i++) {
		if (is_used(plan.store[i].word))
			return true;
	}
	return false;
}

/* What is copied must not be changed on the way, nor by the CPU. */
static bool changes_its_source(const struct stress_step *step)
{
	if (step->how != STRESS_MOVS)
		return false;
	for (u32 i = 0; i < plan.stores; i++) {
		if (plan.store[i].word - step->value < step->count)
			return true;
	}
	for (u32 i = 0; i < step->count; i++) {
		if (flags_set_at(step->value + i))
			return true;
	}
	return false;
}

static bool can_be_read(const struct stress_step *step)
{
	return step->how != STRESS_FETCH || !plan.reads ||
	       stress_is_code(stress_memory[plan.source]);
}

static bool make_plan(const struct stress_step *step)
{
	plan.impossible = false;
	plan.faults = false;
	plan.reads = false;
	plan.globals = false;
	plan.stores = 0;
	plan.entries = 0;
	plan_instruction(step);
	return !plan.impossible && !changes_its_own_way(step) &&
	       !changes_its_source(step) && can_be_read(step);
}

static u64 after(const struct store *store, u64 value)
{
	return (value & ~store->mask) | store->value;
}

/* All stores to the same word are in a row. */
static void find_stale(struct stress_stale *stale)
{
	stale->all = false;
	stale->lazy = false;
	stale->reached = false;
	stale->count = 0;
	for (u32 i = 0; i < plan.stores; i++) {
		const u32 word = plan.store[i].word;
		u64 old = stress_memory[word] | flags_set_at(word), new = old;

		for (new = after(&plan.store[i], new);
		     i + 1 < plan.stores && plan.store[i + 1].word == word; i++)
			new = after(&plan.store[i + 1], new);
		stress_find_stale(word, old, new, stale);
	}
}

/* ---------------------------------------------------------- what really comes */

static void load_registers(const struct stress_step *step)
{
	stress_registers.rdi = step->linear;
	if (step->how == STRESS_STRADDLE)
		stress_registers.rdi += 4;
	stress_registers.rcx = step->count;
	stress_registers.rdx = step->value;
	if (step->how == STRESS_MOVS)
		stress_registers.rsi = STRESS_ARENA + 8 * step->value;
}

static bool has_faulted(void)
{
	return stress_registers.vector != ACCESS_NO_FAULT;
}

/* A page fault for want of a right that the entry has by now. */
static bool may_be_spurious(void)
{
	return stress_cpu.lazy && has_faulted() &&
	       (!plan.faults || stress_registers.cr2 != plan.cr2 ||
		stress_registers.error != plan.error);
}

/* Each of the accesses can fault like that. */
static void execute(const struct stress_step *step)
{
	load_registers(step);
	stress_execute(step->how, step->user);
	for (u32 i = 0; i < plan.entries && may_be_spurious(); i++) {
		stress_report.spurious++;
		stress_execute(step->how, step->user);
	}
}

static void check_fault(void)
{
	u32 error = plan.faults ? plan.error : ACCESS_NO_FAULT;
	u32 seen = has_faulted() ? stress_registers.error : ACCESS_NO_FAULT;
	u64 cr2 = plan.faults ? plan.cr2 : 0;
	u64 seen_cr2 = has_faulted() ? stress_registers.cr2 : 0;

	if (error == seen && cr2 == seen_cr2)
		return;
	stress_report.expected_error = error;
	stress_report.seen_error = seen;
	stress_complain(STRESS_WRONG_FAULT, 0, cr2, seen_cr2);
}

static void record_fault(const struct stress_step *step)
{
	struct stress_report *report = &stress_report;

	if (!plan.faults)
		return;
	if (report->faults < STRESS_FAULTS)
		report->trace[report->faults] = (struct stress_fault) {
			.operation = report->operation,
			.error = plan.error,
			.cr2 = plan.cr2,
		};
	report->faults++;
	report->faults_of_users += step->user;
	stress_digest((u64)report->operation << 32 | plan.error);
	stress_digest(plan.cr2);
}

static void apply_flags(void)
{
	for (u32 i = 0; i < plan.entries; i++)
		stress_memory[plan.used[i].word] |= plan.used[i].flags;
}

static void apply_stores(void)
{
	for (u32 i = 0; i < plan.stores; i++) {
		u64 *word = &stress_memory[plan.store[i].word];

		*word = after(&plan.store[i], *word);
	}
}

static void check_word(u32 word)
{
	const u64 expected = stress_memory[word], seen = memory[word];

	if (!stress_agrees(expected, seen))
		stress_complain(STRESS_WRONG_MEMORY, 8ULL * word, expected, seen);
}

static void check_memory(void)
{
	for (u32 i = 0; i < plan.stores; i++)
		check_word(plan.store[i].word);
	for (u32 i = 0; i < plan.entries; i++)
		check_word(plan.used[i].word);
}

/* The number that code loads, or the whole word. */
static void check_value(const struct stress_step *step)
{
	u64 expected, seen = stress_registers.rax;

	if (!plan.reads)
		return;
	expected = stress_memory[plan.source];
	if (step->how == STRESS_FETCH)
		expected = stress_code_number(expected);
	if (!stress_agrees(expected, seen))
		stress_complain(STRESS_WRONG_VALUE, step->linear, expected, seen);
	stress_digest(expected);
}

static void remember(const struct stress_step *step)
{
	stress_report.last[stress_report.steps % STRESS_STEPS] = *step;
	stress_report.steps++;
}

/* The first and the last byte are in different pages at times. */
static void settle(const struct stress_step *step)
{
	const u64 length = step->how == STRESS_STRADDLE ? 16 : 8 * step->count;

	stress_settle(step->linear);
	stress_settle(step->linear + length - 1);
}

bool stress_step(const struct stress_step *step)
{
	struct stress_stale stale;

	if (!make_plan(step))
		return false;
	find_stale(&stale);
	remember(step);
	settle(step);
	execute(step);
	check_fault();
	record_fault(step);
	apply_flags();
	check_value(step);
	apply_stores();
	check_memory();
	stress_report.successes += plan.entries && !plan.faults;
	stress_report.table_writes += stale.reached;
	stress_cpu.globals |= plan.globals && stress_cpu.pge;
	stress_invalidate(&stale);
	return true;
}

static void store_batch(const u32 *word, const u64 *value, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		const struct stress_step step = {
			.how = STRESS_MOV, .count = 1, .value = value[i],
			.linear = STRESS_ARENA + 8 * word[i],
		};

		stress_step(&step);
	}
}

/* The hypercall asks for no invalidation. */
void stress_batch(const u32 *word, const u64 *value, u32 count)
{
	if (!stress_hypercall(word, value, count)) {
		store_batch(word, value, count);
		return;
	}
	for (u32 i = 0; i < count; i++)
		stress_memory[word[i]] = value[i];
	for (u32 i = 0; i < count; i++)
		check_word(word[i]);
}
