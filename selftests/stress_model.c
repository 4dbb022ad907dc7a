// SPDX-License-Identifier: GPL-2.0
/*
 * The model of the stress test: the arena as it must be, the way that the CPU
 * takes to an address in it, and what it may remember of that way.
 */
#include "stress.h"

#define RIGHTS_ADDED	(PTE_W | PTE_U | PTE_A | PTE_D)

u64 stress_memory[STRESS_WORDS];

/*
 * The last one of a root may lead to the root itself. No program writes to slot 8
 * or behind it, but to the last one.
 */
const u32 stress_slots[STRESS_SLOTS] = { 0, 1, 2, 3, 4, 5, 6, 7, 511 };

/* One of them is within reach of a page of 2 MiB. */
static const u32 roots[STRESS_ROOTS] = { 5, 11, 17 };

static const struct access_features *features;

void stress_model_init(const struct access_features *all)
{
	features = all;
}

u32 stress_root_frame(u32 number)
{
	return roots[number];
}

u64 stress_frame_address(u32 frame)
{
	return STRESS_ARENA + frame * 4096UL;
}

static u32 frame_at(u64 physical)
{
	if (physical < STRESS_ARENA ||
	    physical >= stress_frame_address(STRESS_FRAMES))
		return STRESS_NOWHERE;
	return (physical - STRESS_ARENA) / 4096;
}

u32 stress_frame_of(u64 entry)
{
	return frame_at(entry & PTE_ADDRESS);
}

bool stress_is_locked(u32 word)
{
	u32 slot = word % STRESS_FRAME_WORDS;

	for (u32 i = 0; i < STRESS_ROOTS; i++) {
		if (word / STRESS_FRAME_WORDS == roots[i])
			return slot == STRESS_IDENTITY_SLOT || slot == STRESS_USER_SLOT;
	}
	return false;
}

/*
 * A CPU may set the accessed flag of an entry by speculation, or on the way to a
 * page fault (SDM Vol. 3A, "Accessed and Dirty Flags").
 */
bool stress_agrees(u64 expected, u64 seen)
{
	if (expected == seen)
		return true;
	return (expected & PTE_P) && (expected | PTE_A) == seen;
}

/* ---------------------------------------------------------- the way to a word */

static u32 index_of(u64 linear, u32 level)
{
	return linear >> (12 + 9 * (level - 1)) & 511;
}

static bool is_large(u64 entry, u32 level)
{
	return (level == 2 || (level == 3 && features->huge)) && (entry & PTE_PS);
}

/* Does an entry above the lowest level lead to a table? */
static bool has_table(u64 entry)
{
	return (entry & PTE_P) && !(entry & (PTE_PS | PTE_RESERVED));
}

static u32 shape_of(u64 entry, u32 level)
{
	if (!is_large(entry, level))
		return ACCESS_LONG_4K;
	return level == 2 ? ACCESS_LONG_2M : ACCESS_LONG_1G;
}

static u32 word_behind(u64 leaf, u32 level, u64 linear)
{
	u64 offset = (4096ULL << 9 * (level - 1)) - 1;
	u64 physical = (leaf & PTE_ADDRESS & ~offset) | (linear & offset);
	u32 frame = frame_at(physical);

	if (frame == STRESS_NOWHERE)
		return STRESS_NOWHERE;
	return frame * STRESS_FRAME_WORDS + (physical & 4095) / 8;
}

/* Addresses below the entries of the roots that are not the program's. */
static bool is_guests_own(u64 linear)
{
	u32 slot = index_of(linear, 4);

	return slot == STRESS_IDENTITY_SLOT || slot == STRESS_USER_SLOT;
}

/* The arena as the guest itself sees it. */
static bool is_identity(u64 linear)
{
	return frame_at(linear) != STRESS_NOWHERE;
}

static void enter_way(struct stress_way *way, u32 level, const u64 *entry,
		      const u32 *word)
{
	struct access_case *now = &way->now;
	u32 leaf;

	now->shape = shape_of(entry[level - 1], level);
	now->mode = stress_cpu.mode;
	leaf = access_leaf_level(now->shape);
	now->levels = ACCESS_LEVELS + 1 - leaf;
	way->levels = now->levels;
	for (u32 i = 0; i < now->levels; i++) {
		now->entry[i] = entry[leaf - 1 + i];
		way->entry[i] = word[leaf - 1 + i];
	}
}

void stress_find_way(u64 linear, struct stress_way *way)
{
	u32 frame = roots[stress_cpu.root], level = ACCESS_LEVELS;
	u32 word[ACCESS_LEVELS];
	u64 entry[ACCESS_LEVELS];

	way->levels = 0;
	way->word = STRESS_NOWHERE;
	way->outside = is_guests_own(linear) && !is_identity(linear);
	if (is_identity(linear))
		way->word = (linear - STRESS_ARENA) / 8;
	if (is_identity(linear) || way->outside)
		return;
	for (u32 i = 0; i < ACCESS_LEVELS; i++) {
		word[i] = STRESS_NOWHERE;
		entry[i] = 0;
	}
	for (;; level--) {
		word[level - 1] = frame * STRESS_FRAME_WORDS +
				  index_of(linear, level);
		entry[level - 1] = stress_memory[word[level - 1]];
		if (level == 1 || !has_table(entry[level - 1]))
			break;
		frame = stress_frame_of(entry[level - 1]);
		if (frame == STRESS_NOWHERE) {
			way->outside = true;
			return;
		}
	}
	enter_way(way, level, entry, word);
	way->word = word_behind(entry[level - 1], level, linear);
}

void stress_expect(struct stress_way *way, u32 kind,
		   struct access_outcome *outcome)
{
	outcome->vector = ACCESS_NO_FAULT;
	outcome->error = 0;
	if (!way->levels)
		return;
	way->now.kind = kind;
	access_expect(&way->now, features, outcome);
}

/* ------------------------------------------------------- what is remembered */

/* A change of an entry, and what comes of it. */
struct change {
	u32 frame;
	u32 slot;
	u64 old, new;
	struct stress_stale *stale;
};

static u64 canonical(u64 linear)
{
	return (u64)((long long)(linear << 16) >> 16);
}

static void add_stale(struct stress_stale *stale, u64 linear, u32 level,
		      bool pointer)
{
	if (stale->count == STRESS_REGIONS) {
		stale->all = true;
		return;
	}
	stale->region[stale->count++] = (struct stress_region) {
		.linear = canonical(linear), .level = level, .pointer = pointer,
	};
}

/* SDM Vol. 3A, "Optional Invalidation": a page fault makes the CPU look again. */
static bool only_adds_rights(u64 old, u64 new)
{
	return !(old & ~new & ~PTE_NX) && !(new & ~old & ~RIGHTS_ADDED);
}

/* The changed entry is the one for @linear in a table of this level. */
static void found(const struct change *change, u32 level, u64 linear)
{
	bool was_page = level == 1 || (change->old & PTE_PS);
	bool is_table = level > 1 && has_table(change->new);

	change->stale->reached = true;
	/* What is not present, or has reserved bits set, is in no TLB. */
	if (!(change->old & PTE_P) || (change->old & PTE_RESERVED) ||
	    change->old == change->new)
		return;
	if (only_adds_rights(change->old, change->new))
		change->stale->lazy = true;
	else
		add_stale(change->stale, linear, level, is_table || !was_page);
}

/* Looks for the changed entry in a table and those below it. */
static void look(const struct change *change, u32 frame, u32 level, u64 linear)
{
	const u64 *table = &stress_memory[frame * STRESS_FRAME_WORDS];
	const u32 shift = 12 + 9 * (level - 1);

	if (frame == change->frame)
		found(change, level, linear | (u64)change->slot << shift);
	if (level == 1)
		return;
	for (u32 i = level == ACCESS_LEVELS; i < STRESS_SLOTS; i++) {
		u32 slot = stress_slots[i], below = stress_frame_of(table[slot]);

		if (has_table(table[slot]) && below != STRESS_NOWHERE)
			look(change, below, level - 1, linear | (u64)slot << shift);
	}
}

void stress_find_stale(u32 word, u64 old, u64 new, struct stress_stale *stale)
{
	const struct change change = {
		.frame = word / STRESS_FRAME_WORDS,
		.slot = word % STRESS_FRAME_WORDS,
		.old = old, .new = new, .stale = stale,
	};

	look(&change, roots[stress_cpu.root], ACCESS_LEVELS, 0);
}
