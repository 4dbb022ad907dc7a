// SPDX-License-Identifier: GPL-2.0
/*
 * The program that the stress test draws from a seed. What it does is decided by
 * random numbers and by the model, so it is the same under every MMU as long as the
 * MMU is right.
 */
#include "guest.h"
#include "stress.h"

#define FNV_BASIS	0xcbf29ce484222325ULL
#define FNV_PRIME	0x100000001b3ULL
#define KNOWN_PAGES	8
#define MOST_IN_BATCH	4

struct stress_report stress_report;

static struct access_features features;

/* Linear addresses of pages that something was done to. */
static u64 known[KNOWN_PAGES];

/* FNV-1a, over words. */
void stress_digest(u64 value)
{
	stress_report.digest = (stress_report.digest ^ value) * FNV_PRIME;
}

void stress_complain(u32 complaint, u64 where, u64 expected, u64 seen)
{
	stress_report.complaint = complaint;
	stress_report.where = where;
	stress_report.expected = expected;
	stress_report.seen = seen;
	GUEST_DONE();
}

/* ------------------------------------------------------- addresses and places */

static u32 pick_slot(void)
{
	return stress_slots[stress_random(STRESS_SLOTS)];
}

static u64 random_page(void)
{
	static const u32 top[] = { 1, 2, 3, 511 };
	u64 linear = (u64)top[stress_random(4)] << 39;

	if (linear >> 47)
		linear |= 0xffffULL << 48;
	linear |= (u64)stress_slots[stress_random(2)] << 30;
	linear |= (u64)stress_slots[stress_random(3)] << 21;
	return linear | (u64)pick_slot() << 12;
}

/* The page by that slot of the same table. */
static u64 same_table(u64 page, u32 slot)
{
	return (page & ~(511ULL << 12)) | (u64)slot << 12;
}

static u64 pick_page(void)
{
	u64 linear = known[stress_random(KNOWN_PAGES)];

	return linear && stress_random(8) ? linear : random_page();
}

static void make_known(u64 linear)
{
	for (u32 i = 0; i < KNOWN_PAGES; i++) {
		if (known[i] == linear)
			return;
	}
	known[stress_random(KNOWN_PAGES)] = linear;
}

static bool is_root(u32 frame)
{
	for (u32 i = 0; i < STRESS_ROOTS; i++) {
		if (stress_root_frame(i) == frame)
			return true;
	}
	return false;
}

static u32 word_in(u32 frame, u32 slot)
{
	return frame * STRESS_FRAME_WORDS + slot;
}

static bool is_empty(u32 frame)
{
	for (u32 i = 0; i < STRESS_SLOTS; i++) {
		if (stress_memory[word_in(frame, stress_slots[i])])
			return false;
	}
	return true;
}

/* ------------------------------------------------------------------- contents */

/* Mostly all rights: those of all levels must come together. */
static u64 random_rights(void)
{
	u64 entry = PTE_P;

	entry |= stress_random(8) ? PTE_W : 0;
	entry |= stress_random(8) ? PTE_U : 0;
	entry |= stress_random(16) ? 0 : PTE_NX;
	entry |= stress_random(4) ? 0 : PTE_A;
	entry |= stress_random(8) ? 0 : PTE_D;
	return entry | (stress_random(8) ? 0 : PTE_G);
}

/* Now and then not present, or with a reserved bit set. */
static u64 spoiled(u64 entry)
{
	if (!stress_random(32))
		entry &= ~PTE_P;
	else if (!stress_random(32) && features.physical_bits < 52)
		entry |= PTE_RESERVED;
	return entry;
}

static u64 entry_for_frame(u32 frame)
{
	return stress_frame_address(frame) | random_rights();
}

/* A page of 2 MiB is the arena; one of 1 GiB has the arena in it. */
static u64 entry_for_large_page(u32 level)
{
	return (level == 2 ? STRESS_ARENA : 0) | PTE_PS | random_rights();
}

/* The level at which an entry can map a page, mostly the lowest. */
static u32 pick_leaf_level(void)
{
	u32 number = stress_random(16);

	if (number == 0 && features.huge)
		return 3;
	return number < 4 ? 2 : 1;
}

static u64 page_entry(u32 level)
{
	u64 entry = level > 1 ? entry_for_large_page(level) :
				entry_for_frame(stress_random(STRESS_FRAMES));

	return spoiled(entry);
}

/* What could be data, code, or an entry of any table. */
static u64 random_word(void)
{
	switch (stress_random(4)) {
	case 0:
		return page_entry(pick_leaf_level());
	case 1:
		return 0;
	default:
		return STRESS_CODE | (u64)(stress_random(1U << 31)) << 8;
	}
}

/* ------------------------------------------------------------------ stores */

/* An address in use at which the word can be written, or 0. */
static u64 alias_of(u32 word)
{
	struct access_outcome outcome;
	struct stress_way way;

	for (u32 i = 0; i < KNOWN_PAGES; i++) {
		if (!known[i])
			continue;
		stress_find_way(known[i], &way);
		stress_expect(&way, ACCESS_WRITE, &outcome);
		if (!way.outside && outcome.vector == ACCESS_NO_FAULT &&
		    way.word == word - word % STRESS_FRAME_WORDS)
			return known[i] + 8 * (word % STRESS_FRAME_WORDS);
	}
	return 0;
}

static u32 pick_store(u64 old, u64 new)
{
	static const u32 all[] = {
		STRESS_MOV, STRESS_MOV_LOW_FIRST, STRESS_MOV_HIGH_FIRST,
		STRESS_MOVNTI, STRESS_XCHG, STRESS_CMPXCHG, STRESS_STOS,
	};

	if (!(new & ~old) && stress_random(2))
		return STRESS_AND;
	if (!(old & ~new) && stress_random(2))
		return STRESS_OR;
	return all[stress_random(ARRAY_SIZE(all))];
}

static void store_at(u64 linear, u32 word, u64 value)
{
	struct stress_step step = {
		.how = pick_store(stress_memory[word], value),
		.linear = linear, .value = value, .count = 1,
	};

	if (step.how == STRESS_OR)
		step.value &= ~stress_memory[word];
	if (!stress_step(&step)) {
		step.how = STRESS_MOV;
		step.value = value;
		stress_step(&step);
	}
}

/* Changes a word in one of the ways in which it can be reached. */
static void change(u32 word, u64 value)
{
	u64 alias = alias_of(word);
	u32 way = stress_random(4);

	if (stress_is_locked(word))
		return;
	if (way == 0)
		stress_batch(&word, &value, 1);
	else if (way == 1 && alias)
		store_at(alias, word, value);
	else
		store_at(STRESS_ARENA + 8 * word, word, value);
}

static void fill(u32 word, u64 value, u32 count)
{
	const struct stress_step step = {
		.how = STRESS_STOS, .linear = STRESS_ARENA + 8 * word,
		.value = value, .count = count,
	};

	stress_step(&step);
}

static void copy(u32 to, u32 from, u32 count)
{
	const struct stress_step step = {
		.how = STRESS_MOVS, .linear = STRESS_ARENA + 8 * to,
		.value = from, .count = count,
	};

	stress_step(&step);
}

/* --------------------------------------------------------------- page tables */

static void wipe_frame(u32 frame)
{
	fill(word_in(frame, 0), 0, 8);
	fill(word_in(frame, 511), 0, 1);
}

/* A frame without contents, if there is one; else one that loses its contents. */
static u32 fresh_frame(void)
{
	u32 first = stress_random(STRESS_FRAMES), frame = first;

	for (u32 i = 0; i < STRESS_FRAMES; i++) {
		frame = (first + i) % STRESS_FRAMES;
		if (!is_root(frame) && is_empty(frame))
			return frame;
	}
	frame = is_root(first) ? first + 1 : first;
	wipe_frame(frame);
	return frame;
}

/* A new table, or one that may be in use elsewhere, or no table at all so far. */
static u64 entry_for_table(void)
{
	u32 frame = stress_random(4) ? fresh_frame() :
				       stress_random(STRESS_FRAMES);

	return entry_for_frame(frame);
}

/* The word of the entry of that level for an address, if tables lead there. */
static u32 find_entry(u64 linear, u32 level)
{
	struct stress_way way;
	u32 leaf;

	stress_find_way(linear, &way);
	leaf = ACCESS_LEVELS + 1 - way.levels;
	if (way.outside || !way.levels || level < leaf)
		return STRESS_NOWHERE;
	return way.entry[level - leaf];
}

/* The same; tables that are missing are made. */
static u32 make_entry(u64 linear, u32 level)
{
	for (u32 above = ACCESS_LEVELS; above > level; above--) {
		u32 word = find_entry(linear, above);

		if (find_entry(linear, above - 1) != STRESS_NOWHERE)
			continue;
		if (word == STRESS_NOWHERE)
			return STRESS_NOWHERE;
		change(word, entry_for_table());
	}
	return find_entry(linear, level);
}

/* An entry on the way to an address, at any level. */
static u32 pick_entry(u64 linear)
{
	u32 level = stress_random(3) ? 1 : 1 + stress_random(ACCESS_LEVELS);

	while (level < ACCESS_LEVELS &&
	       find_entry(linear, level) == STRESS_NOWHERE)
		level++;
	return find_entry(linear, level);
}

/* ----------------------------------------------------------------- operations */

static bool is_mapped(u64 page)
{
	struct access_outcome outcome;
	struct stress_way way;

	stress_find_way(page, &way);
	stress_expect(&way, ACCESS_READ, &outcome);
	return !way.outside && outcome.vector == ACCESS_NO_FAULT;
}

static void map(u64 page)
{
	u32 level = pick_leaf_level(), word = make_entry(page, level);

	if (word != STRESS_NOWHERE)
		change(word, page_entry(level));
}

static void unmap(u64 page)
{
	u32 word = pick_entry(page);

	if (word == STRESS_NOWHERE)
		return;
	change(word, stress_random(2) ? 0 : stress_memory[word] & ~PTE_P);
}

static void protect(u64 page)
{
	u32 word = pick_entry(page);
	u64 flipped = stress_random(2) ? PTE_W : stress_random(2) ? PTE_U : PTE_NX;

	if (word != STRESS_NOWHERE && (stress_memory[word] & PTE_P))
		change(word, stress_memory[word] ^ flipped);
}

/* More rights, which needs no invalidation. */
static void allow(u64 page)
{
	u32 word = pick_entry(page);
	u64 more = stress_random(2) ? PTE_W : PTE_W | PTE_U;

	if (word != STRESS_NOWHERE && (stress_memory[word] & PTE_P))
		change(word, (stress_memory[word] & ~PTE_NX) | more);
}

static void clear_flags(u64 page)
{
	u32 word = pick_entry(page);
	u64 flags = stress_random(2) ? PTE_A | PTE_D : PTE_D;

	if (word != STRESS_NOWHERE && (stress_memory[word] & PTE_P))
		change(word, stress_memory[word] & ~flags);
}

/* The frame of another page, or a table on the way to it, for this one. */
static void share(u64 page)
{
	u32 level = 1 + stress_random(3);
	u32 word = make_entry(page, level);
	u32 source = find_entry(pick_page(), level), frame;

	if (source == STRESS_NOWHERE || word == STRESS_NOWHERE)
		return;
	frame = stress_frame_of(stress_memory[source]);
	if (frame == STRESS_NOWHERE || (stress_memory[source] & PTE_PS))
		return;
	change(word, entry_for_frame(frame));
}

/* The tables become visible below the last slot of their root. */
static void recurse(u64 page __maybe_unused)
{
	u32 frame = stress_root_frame(stress_cpu.root);
	u64 slot = pick_slot();

	change(word_in(frame, 511), entry_for_frame(frame));
	make_known(~0ULL << 48 | 511ULL << 39 | 511ULL << 30 | 511ULL << 21 |
		   slot << 12);
}

/* A large page becomes a table with the same pages in it, or the reverse. */
static void change_size(u64 page)
{
	u32 word = make_entry(page, 2), frame;

	if (word == STRESS_NOWHERE)
		return;
	if (!(stress_memory[word] & PTE_PS)) {
		change(word, entry_for_large_page(2));
		return;
	}
	frame = fresh_frame();
	for (u32 i = 0; i < 8; i += 1 + stress_random(3))
		change(word_in(frame, i), entry_for_frame(i));
	change(word, entry_for_frame(frame));
}

/* As fork() does: another root with the same tables, one of them copied. */
static void fork_root(u64 page __maybe_unused)
{
	u32 parent = stress_root_frame(stress_cpu.root);
	u32 child = stress_root_frame(stress_random(STRESS_ROOTS));
	u32 slot = 1 + stress_random(3), table, fresh;

	if (parent == child)
		return;
	copy(word_in(child, 1), word_in(parent, 1), 6);
	table = stress_frame_of(stress_memory[word_in(child, slot)]);
	if (table == STRESS_NOWHERE || is_root(table))
		return;
	fresh = fresh_frame();
	copy(word_in(fresh, 0), word_in(table, 0), 8);
	change(word_in(child, slot), entry_for_frame(fresh));
}

static void write_data(u64 page __maybe_unused)
{
	u32 frame = stress_random(STRESS_FRAMES);

	change(word_in(frame, pick_slot()), random_word());
}

static void wipe(u64 page __maybe_unused)
{
	u32 frame = stress_random(STRESS_FRAMES);

	if (!is_root(frame))
		wipe_frame(frame);
}

/* Pages in the same table, if these are no large ones. */
static void map_many(u64 page)
{
	u32 word[MOST_IN_BATCH], count = 0;
	u64 value[MOST_IN_BATCH];

	while (count < MOST_IN_BATCH) {
		u32 level = pick_leaf_level();
		u32 place = make_entry(same_table(page, pick_slot()), level);

		if (place == STRESS_NOWHERE || stress_is_locked(place))
			break;
		word[count] = place;
		value[count++] = page_entry(level);
	}
	stress_batch(word, value, count);
}

static void switch_root(u64 page __maybe_unused)
{
	stress_load_root(stress_random(STRESS_ROOTS));
}

static void toggle_wp(u64 page __maybe_unused)
{
	stress_set_wp(!(stress_cpu.mode & ACCESS_WP));
}

/* How many words of a page a string instruction goes through, and beyond. */
static u32 pick_count(u32 how, u32 slot)
{
	if (how != STRESS_STOS && how != STRESS_MOVS)
		return 1;
	return 1 + stress_random(slot == 511 ? 3 : 8 - slot);
}

static u64 pick_value(u32 how)
{
	if (how == STRESS_MOVS)
		return word_in(stress_random(STRESS_FRAMES), 0);
	return random_word();
}

/* An access to a page, by that instruction if that is possible. */
static void reach(u64 page, u32 how)
{
	u32 slot = how == STRESS_STRADDLE ? 511 : pick_slot();
	struct stress_step step = { .how = how, .linear = page + 8 * slot };

	/* What is copied is the supervisor's. */
	step.user = !stress_random(3) && how != STRESS_MOVS;
	step.count = pick_count(how, slot);
	step.value = pick_value(how);
	if (!stress_step(&step)) {
		step.how = STRESS_LOAD;
		stress_step(&step);
	}
}

static u32 pick_how(void)
{
	u32 how = stress_random(STRESS_HOWS);

	return stress_random(2) ? how : how % 2;
}

static void reach_once(u64 page)
{
	reach(page, pick_how());
}

static void reach_all(u64 page __maybe_unused)
{
	for (u32 i = 0; i < KNOWN_PAGES; i++) {
		if (known[i])
			reach(known[i], pick_how());
	}
}

/* A change of the page's own entry, if tables lead there. */
static void remap(u64 page)
{
	u32 word = find_entry(page, 1);

	if (word != STRESS_NOWHERE)
		change(word, page_entry(1));
}

/*
 * What is changed in a table need not be invalidated at an address where nobody
 * uses it any more, and not at all where nobody has used it so far. There, another
 * page is reached first, by which a shadow may come into use that is out of date.
 */
static void move_table(u64 page)
{
	u64 other = same_table(random_page(), page >> 12 & 511);
	u32 source = find_entry(page, 2), slot = pick_slot(), word;

	if (source == STRESS_NOWHERE)
		return;
	remap(same_table(page, slot));
	reach(page, STRESS_LOAD);
	remap(page);
	word = make_entry(other, 2);
	if (word == STRESS_NOWHERE)
		return;
	make_known(other);
	change(word, stress_memory[source]);
	reach(same_table(other, slot), STRESS_LOAD);
	reach(other, STRESS_LOAD);
}

static const struct {
	void (*carry_out)(u64 page);
	u32 weight;
} operations[] = {
	{ map, 16 }, { unmap, 8 }, { protect, 10 }, { allow, 10 },
	{ clear_flags, 8 }, { share, 8 }, { move_table, 8 }, { recurse, 1 },
	{ change_size, 4 }, { fork_root, 2 }, { write_data, 4 }, { wipe, 1 },
	{ map_many, 3 }, { switch_root, 6 }, { toggle_wp, 2 },
	{ reach_once, 10 }, { reach_all, 4 },
};

static u32 pick_operation(void)
{
	u32 sum = 0, number, i = 0;

	for (u32 each = 0; each < ARRAY_SIZE(operations); each++)
		sum += operations[each].weight;
	number = stress_random(sum);
	while (number >= operations[i].weight)
		number -= operations[i++].weight;
	return i;
}

/*
 * Mostly the page is reached before, so that there is something to remember, and
 * after, when it would be wrong to remember that.
 */
static void do_something(void)
{
	u64 page = pick_page();
	u32 operation = pick_operation();

	make_known(page);
	if (stress_random(2) && !is_mapped(page))
		map(page);
	if (stress_random(4))
		reach_once(page);
	operations[operation].carry_out(page);
	if (stress_random(4))
		reach_once(page);
}

/* ------------------------------------------------------------------ the whole */

/* All of memory must be as it must be. */
static void check_arena(void)
{
	const volatile u64 *memory = (volatile u64 *)STRESS_ARENA;

	for (u32 i = 0; i < STRESS_WORDS; i++) {
		u64 expected = stress_memory[i], seen = memory[i];

		if (!stress_agrees(expected, seen))
			stress_complain(STRESS_WRONG_MEMORY, 8ULL * i, expected,
					seen);
		stress_report.accessed += expected != seen;
		if (expected)
			stress_digest((u64)i << 48 ^ (seen & expected));
	}
}

static void start_arena(void)
{
	volatile u64 *memory = (volatile u64 *)STRESS_ARENA;

	for (u32 i = 0; i < STRESS_WORDS; i++) {
		if (stress_memory[i])
			memory[i] = stress_memory[i];
	}
}

void stress_main(void)
{
	stress_report.digest = FNV_BASIS;
	stress_model_init(&features);
	stress_cpu_init(&features);
	start_arena();
	stress_load_root(0);
	for (; stress_report.operation < stress_report.operations;
	     stress_report.operation++)
		do_something();
	check_arena();
	GUEST_DONE();
}
