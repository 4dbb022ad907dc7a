// SPDX-License-Identifier: GPL-2.0
/*
 * Goes through all cases of the access test, in the guest. Translations are
 * invalidated where the architecture asks for it, and nowhere else: an entry that
 * was not present, or had reserved bits set, is in no TLB.
 */
#include "access.h"

#define CR0_WP		(1UL << 16)
#define CR4_PSE		(1UL << 4)
#define CR4_SMEP	(1UL << 20)
#define CR4_SMAP	(1UL << 21)
#define IA32_EFER	0xc0000080
#define EFER_NXE	(1ULL << 11)
#define RFLAGS_USUAL	0x202UL
#define RFLAGS_AC	(1UL << 18)

#define WRITTEN		0x57a1e000	/* and a number that changes */
#define MOV_EAX		0xb8
#define INT		0xcd
#define FNV_BASIS	0xcbf29ce484222325ULL
#define FNV_PRIME	0x100000001b3ULL

static struct access_report report;
static struct access_features features;
static struct access_case now;

/* The varied entries as they are in the tables. */
static u64 current[ACCESS_LEVELS];
static u32 leaf_level;

static void tell(enum access_message message)
{
	asm volatile("outl %%eax, %1"
		     : : "a"(message), "i"(ACCESS_PORT), "D"(&report) : "memory");
}

/* ---------------------------------------------------------- the guest's CPU */

struct cpuid {
	u32 a, b, c, d;
};

static struct cpuid cpuid(u32 leaf)
{
	struct cpuid r;

	asm volatile("cpuid"
		     : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d)
		     : "0"(leaf), "2"(0));
	return r;
}

static void find_features(void)
{
	struct cpuid extended = cpuid(0x80000001);
	struct cpuid structured = { 0 };

	if (cpuid(0).a >= 7)
		structured = cpuid(7);
	features.modes = ACCESS_WP;
	features.modes |= cpuid(1).d & (1 << 3) ? ACCESS_PSE : 0;
	features.modes |= extended.d & (1 << 20) ? ACCESS_NXE : 0;
	features.modes |= structured.b & (1 << 7) ? ACCESS_SMEP : 0;
	features.modes |= structured.b & (1 << 20) ? ACCESS_SMAP : 0;
	features.physical_bits = cpuid(0x80000008).a & 0xff;
	features.huge = extended.d & (1 << 26);
	features.pse36 = cpuid(1).d & (1 << 17);
}

static unsigned long choose(unsigned long value, unsigned long bit, bool set)
{
	return set ? value | bit : value & ~bit;
}

static void set_cr0(u32 mode)
{
	unsigned long cr0;

	asm volatile("mov %%cr0, %0" : "=r"(cr0));
	cr0 = choose(cr0, CR0_WP, mode & ACCESS_WP);
	asm volatile("mov %0, %%cr0" : : "r"(cr0) : "memory");
}

static void set_cr4(u32 mode)
{
	unsigned long cr4;

	asm volatile("mov %%cr4, %0" : "=r"(cr4));
	cr4 = choose(cr4, CR4_SMEP, mode & ACCESS_SMEP);
	cr4 = choose(cr4, CR4_SMAP, mode & ACCESS_SMAP);
	cr4 = choose(cr4, CR4_PSE, mode & ACCESS_PSE);
	asm volatile("mov %0, %%cr4" : : "r"(cr4) : "memory");
}

static void set_efer(u32 mode)
{
	u32 low, high;

	if (!(features.modes & ACCESS_NXE))
		return;
	asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(IA32_EFER));
	low = choose(low, EFER_NXE, mode & ACCESS_NXE);
	asm volatile("wrmsr" : : "a"(low), "d"(high), "c"(IA32_EFER) : "memory");
}

static void reload_cr3(void)
{
	unsigned long cr3;

	asm volatile("mov %%cr3, %0; mov %0, %%cr3" : "=r"(cr3) : : "memory");
}

/* Both ways to invalidate, in turns. */
static void invalidate(void)
{
	static u32 turn;

	if (turn++ % 8)
		asm volatile("invlpg (%0)" : : "r"(access_page) : "memory");
	else
		reload_cr3();
}

static void set_mode(u32 mode)
{
	set_cr0(mode);
	set_cr4(mode);
	set_efer(mode);
	reload_cr3();
	now.mode = mode;
}

/* --------------------------------------------------------- the tested pages */

static volatile u32 *word_at(u64 physical, u32 offset)
{
	return (volatile u32 *)((unsigned long)physical + offset);
}

static u32 data_of(u64 page)
{
	return 0xda7a0000 | page >> 12;
}

static void write_code(u64 page)
{
	volatile u8 *code = (volatile u8 *)word_at(page, ACCESS_CODE);
	u32 value = ~data_of(page);

	code[0] = MOV_EAX;
	for (u32 i = 0; i < 4; i++)
		code[1 + i] = value >> 8 * i;
	code[5] = INT;
	code[6] = ACCESS_GATE;
}

/* Data segments for CPL 3; the second without its accessed flag. */
static void write_descriptors(u64 page)
{
	for (u32 i = 0; i < 2; i++) {
		*word_at(page, ACCESS_DESCRIPTORS + 8 * i) = 0x0000ffff;
		*word_at(page, ACCESS_DESCRIPTORS + 8 * i + 4) =
			i ? 0x00cff200 : 0x00cff300;
	}
}

static void fill_page(u64 page)
{
	*word_at(page, ACCESS_DATA) = data_of(page);
	write_code(page);
	write_descriptors(page);
}

/* What an access of the kind must have read or left, or 0 if it faulted. */
static u32 expected_data(u64 page, u32 written, bool faults)
{
	switch (now.kind) {
	case ACCESS_WRITE:
	case ACCESS_USER_WRITE:
	case ACCESS_WRITE_AC:
		return faults ? data_of(page) : written;
	case ACCESS_IMPLICIT_WRITE:
		return faults ? 0x00cff200 : 0x00cff300;
	case ACCESS_IMPLICIT_READ:
		return 0x00cff300;
	case ACCESS_FETCH:
	case ACCESS_USER_FETCH:
		return faults ? 0 : ~data_of(page);
	default:
		return faults ? 0 : data_of(page);
	}
}

/* The same as it is, seen through another mapping. Puts the page in order. */
static u32 take_data(u64 page, bool faults)
{
	volatile u32 *data = word_at(page, ACCESS_DATA);
	volatile u32 *descriptor = word_at(page, ACCESS_DESCRIPTORS + 12);
	u32 seen;

	switch (now.kind) {
	case ACCESS_WRITE:
	case ACCESS_USER_WRITE:
	case ACCESS_WRITE_AC:
		seen = *data;
		*data = data_of(page);
		return seen;
	case ACCESS_IMPLICIT_WRITE:
		seen = *descriptor;
		*descriptor = 0x00cff200;
		return seen;
	case ACCESS_IMPLICIT_READ:
		return *word_at(page, ACCESS_DESCRIPTORS + 4);
	default:
		return faults ? 0 : access_seen.value;
	}
}

/* --------------------------------------------------------------- one access */

/* In no TLB, whatever is above or below. */
static bool is_cacheable(u64 entry)
{
	u64 reserved = 1ULL << 51 | (now.mode & ACCESS_NXE ? 0 : PTE_NX);

	return (entry & PTE_P) && !(entry & reserved);
}

/* Makes the entries those of the case. */
static void write_entries(void)
{
	bool stale = false;

	for (u32 i = 0; i < now.levels; i++) {
		if (current[i] == now.entry[i])
			continue;
		access_set_entry(leaf_level + i, now.entry[i]);
		stale |= is_cacheable(current[i]);
		current[i] = now.entry[i];
	}
	if (stale)
		invalidate();
}

static void read_entries(struct access_outcome *seen)
{
	for (u32 i = 0; i < ACCESS_LEVELS; i++) {
		if (i < now.levels)
			current[i] = access_entry(leaf_level + i);
		seen->entry[i] = i < now.levels ? current[i] : 0;
	}
}

static void reach(u32 written)
{
	const bool user = now.kind >= ACCESS_USER_READ &&
			  now.kind <= ACCESS_IMPLICIT_WRITE;
	unsigned long address = access_page + ACCESS_DATA, value = written;
	unsigned long flags = RFLAGS_USUAL;
	const u8 *stub = access_stub_read;

	switch (now.kind) {
	case ACCESS_READ_AC:
		flags |= RFLAGS_AC;
		break;
	case ACCESS_WRITE_AC:
		flags |= RFLAGS_AC;
		stub = access_stub_write;
		break;
	case ACCESS_WRITE:
	case ACCESS_USER_WRITE:
		stub = access_stub_write;
		break;
	case ACCESS_FETCH:
	case ACCESS_USER_FETCH:
		stub = access_stub_fetch;
		address = access_page + ACCESS_CODE;
		break;
	case ACCESS_IMPLICIT_READ:
		stub = access_stub_load;
		value = ACCESS_LDT_USED;
		break;
	case ACCESS_IMPLICIT_WRITE:
		stub = access_stub_load;
		value = ACCESS_LDT_FRESH;
		break;
	}
	if (user)
		stub = (const u8 *)(access_user_text + (stub - access_stubs));
	access_perform(stub, address, value, flags, user);
}

/* CR2 within the page; of a descriptor, any byte may be the one that faults. */
static u32 offset_of_fault(void)
{
	u32 offset = access_seen.cr2 - access_page;

	if (now.kind == ACCESS_IMPLICIT_READ || now.kind == ACCESS_IMPLICIT_WRITE)
		offset &= ~7;
	return offset;
}

static void observe(struct access_outcome *seen, u64 page)
{
	bool faults = access_seen.vector != ACCESS_NO_FAULT;

	seen->vector = access_seen.vector;
	seen->error = access_seen.error;
	seen->offset = faults ? offset_of_fault() : 0;
	seen->data = take_data(page, faults);
	read_entries(seen);
}

/* FNV-1a, over words. */
static void digest(u32 word)
{
	report.digest = (report.digest ^ word) * FNV_PRIME;
}

/* What is left open is counted, but is no part of the outcome. */
static void record(const struct access_outcome *seen)
{
	bool faults = seen->vector != ACCESS_NO_FAULT;

	report.cases++;
	report.faults += faults;
	digest(seen->vector);
	digest(seen->error);
	digest(seen->offset);
	digest(seen->data);
	for (u32 i = 0; i < now.levels; i++) {
		u64 gained = seen->entry[i] & ~now.entry[i];

		report.accessed_by_faults += faults && (gained & PTE_A);
		digest(faults ? gained & ~PTE_A : gained);
	}
}

static void complain(const struct access_outcome *expected,
		     const struct access_outcome *seen)
{
	report.failed = now;
	report.expected = *expected;
	report.seen = *seen;
	tell(ACCESS_DISAGREES);
}

static void try_kind(u32 kind)
{
	struct access_outcome expected, seen;
	u32 written = WRITTEN | (report.cases & 0xfff);
	u64 page;

	now.kind = kind;
	page = now.entry[0] ? access_physical(&now) : ACCESS_PAGE;
	access_expect(&now, &features, &expected);
	expected.data = expected_data(page, written,
				      expected.vector != ACCESS_NO_FAULT);
	write_entries();
	reach(written);
	observe(&seen, page);
	record(&seen);
	if (!access_agrees(&now, &expected, &seen))
		complain(&expected, &seen);
}

static void try_all_kinds(void)
{
	u32 kinds = now.mode & ACCESS_SMAP ? ACCESS_KINDS : ACCESS_READ_AC;

	for (u32 kind = 0; kind < kinds; kind++)
		try_kind(kind);
}

/* --------------------------------------------------- the states of an entry */

static bool is_legacy(void)
{
	return now.shape >= ACCESS_LEGACY_4K;
}

/* W, U and NX by a number below 8; 32-bit paging has no NX. */
static u64 rights(u32 number)
{
	u64 entry = (number & 1 ? PTE_W : 0) | (number & 2 ? PTE_U : 0);

	return entry | (number & 4 && !is_legacy() ? PTE_NX : 0);
}

static u32 nr_rights(void)
{
	return is_legacy() ? 4 : 8;
}

static u64 usual_reserved(void)
{
	if (!is_legacy())
		return 1ULL << 51;
	return now.levels == 1 ? 1ULL << 21 : 0;
}

static u64 all_but_present(void)
{
	return PTE_W | PTE_U | PTE_A | PTE_D | rights(4) | usual_reserved();
}

/* The states of one entry: its address and PS are in @base. */
struct states {
	u64 base;
	u64 reserved[4];	/* further bits that make it invalid, then 0 */
	u64 flags;		/* A, or A and D: each takes all values */
	u32 count;
	u64 entry[48];
};

static void add_state(struct states *states, u64 entry)
{
	states->entry[states->count++] = states->base | entry;
}

static void add_present(struct states *states)
{
	for (u32 i = 0; i < nr_rights(); i++) {
		for (u32 flags = 0; flags < 4; flags++) {
			u64 entry = (flags & 1 ? PTE_A : 0) | (flags & 2 ? PTE_D : 0);

			if (!(entry & ~states->flags))
				add_state(states, PTE_P | rights(i) | entry);
		}
	}
}

static void add_reserved(struct states *states)
{
	for (u32 i = 0; states->reserved[i]; i++) {
		add_state(states, PTE_P | states->reserved[i]);
		add_state(states, PTE_P | PTE_W | PTE_U | PTE_A |
				  states->reserved[i]);
	}
}

static void find_states(struct states *states)
{
	states->entry[0] = 0;
	states->count = 1;
	add_state(states, all_but_present());
	add_present(states);
	add_reserved(states);
}

/* Large pages have reserved bits of their own below the address. */
static void find_leaf_states(struct states *states, u64 flags)
{
	u32 next = 0;

	states->flags = flags;
	states->base = leaf_level == 1 ? ACCESS_PAGE : PTE_PS;
	if (leaf_level == 2 && now.shape != ACCESS_LEGACY_4M)
		states->base |= ACCESS_PAGE & ~((1UL << 21) - 1);
	if (usual_reserved())
		states->reserved[next++] = usual_reserved();
	if (leaf_level > 1 && !is_legacy())
		states->reserved[next++] = 1ULL << 13;
	if (leaf_level == 3)
		states->reserved[next++] = 1ULL << 29;
	states->reserved[next] = 0;
	find_states(states);
}

static void find_upper_states(struct states *states, u32 level)
{
	u32 next = 0;

	states->flags = PTE_A;
	states->base = access_table(level);
	if (!is_legacy())
		states->reserved[next++] = usual_reserved();
	if (level == 4 || (level == 3 && !features.huge))
		states->reserved[next++] = PTE_PS;
	/* Without CR4.PSE the bit means nothing. */
	if (now.shape == ACCESS_LEGACY_4K && !(now.mode & ACCESS_PSE))
		states->reserved[next++] = PTE_PS;
	states->reserved[next] = 0;
	find_states(states);
}

/* ------------------------------------------------------------- all the cases */

static struct states leaf_states, upper_states;

static u64 usual_upper(u32 level)
{
	return access_table(level) | PTE_P | PTE_W | PTE_U | PTE_A;
}

/* Two pages in turns, where a leaf can choose among 4 KiB pages. */
static u64 other_page(u64 leaf, u32 turn)
{
	if (leaf_level > 1 || turn % 2 == 0 || !(leaf & PTE_P))
		return leaf;
	return leaf ^ ACCESS_PAGE ^ ACCESS_OTHER_PAGE;
}

/* Now and then by way of an entry that is not present. */
static void pass_through_nothing(u32 turn)
{
	u64 leaf = now.entry[0];

	if (turn % 4)
		return;
	now.entry[0] = 0;
	write_entries();
	if (turn % 8)
		try_kind(ACCESS_USER_READ);
	now.entry[0] = leaf;
}

static void try_leaves(u32 turn)
{
	/* Odd, and prime to every number of states. */
	const u32 stride = 11;

	for (u32 i = 0; i < leaf_states.count; i++) {
		u32 pick = (i * stride + turn) % leaf_states.count;

		now.entry[0] = other_page(leaf_states.entry[pick], turn + i);
		pass_through_nothing(turn + i);
		try_all_kinds();
	}
}

/* Varies the entry of @level together with the leaf's. */
static void try_level(u32 level)
{
	const u32 i = level - leaf_level;

	find_leaf_states(&leaf_states, i == 1 ? PTE_A | PTE_D : 0);
	find_upper_states(&upper_states, level);
	for (u32 state = 0; state < upper_states.count; state++) {
		now.entry[i] = upper_states.entry[state];
		try_leaves(state);
	}
	now.entry[i] = usual_upper(level);
}

static void try_mode(u32 mode)
{
	set_mode(mode);
	for (u32 i = 1; i < now.levels; i++)
		now.entry[i] = usual_upper(leaf_level + i);
	if (now.levels == 1) {
		find_leaf_states(&leaf_states, PTE_A | PTE_D);
		try_leaves(0);
	}
	for (u32 i = 1; i < now.levels; i++)
		try_level(leaf_level + i);
}

/*
 * The same tables under one mode after the other: neither CR0.WP nor CR4.SMEP
 * and CR4.SMAP ask for an invalidation.
 */
static void try_modes_in_turn(u32 modes)
{
	const u32 varied = modes & (ACCESS_WP | ACCESS_SMEP | ACCESS_SMAP);

	find_leaf_states(&leaf_states, 0);
	for (u32 i = 0; i < nr_rights(); i++) {
		now.entry[0] = leaf_states.base | PTE_P | PTE_A | PTE_D | rights(i);
		for (u32 mode = 0; mode < 2 * ACCESS_MODES; mode++) {
			now.mode = (modes & ~varied) | (mode & varied);
			if (mode & ~varied & (ACCESS_MODES - 1))
				continue;
			set_cr0(now.mode);
			set_cr4(now.mode);
			try_all_kinds();
		}
	}
}

/* What can be set with this kind of paging. */
static u32 possible_modes(void)
{
	if (is_legacy())
		return features.modes & ~ACCESS_NXE;
	return features.modes & ~ACCESS_PSE;
}

static void try_shape(void)
{
	const u32 modes = possible_modes();
	/* 4 MiB pages are there with PSE only. */
	const u32 always = now.shape == ACCESS_LEGACY_4M ? ACCESS_PSE : 0;

	for (u32 mode = 0; mode < ACCESS_MODES; mode++) {
		if (!(mode & ~modes) && !(always & ~mode))
			try_mode(mode);
	}
	set_mode(modes);
	try_modes_in_turn(modes);
}

static u32 nr_levels(void)
{
	return now.shape <= ACCESS_LONG_1G ? 4 : 2;
}

void access_main(u32 shape)
{
	find_features();
	if (!access_offers(shape, &features)) {
		tell(ACCESS_NOT_OFFERED);
		return;
	}
	now.shape = shape;
	leaf_level = access_leaf_level(shape);
	now.levels = nr_levels() + 1 - leaf_level;
	report.digest = FNV_BASIS;
	report.modes = possible_modes();
	access_setup(shape);
	fill_page(ACCESS_PAGE);
	fill_page(ACCESS_OTHER_PAGE);
	try_shape();
	tell(ACCESS_DONE);
}
