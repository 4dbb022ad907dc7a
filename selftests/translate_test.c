// SPDX-License-Identifier: GPL-2.0
/*
 * MINIVMX_TRANSLATE and MINIVMX_READ_TABLE: what they show is what is in memory and
 * what the guest then experiences, and nothing comes of it.
 */
#include <cpuid.h>
#include <unistd.h>

#include "minivmx_harness.h"
#include "registers.h"
#include "window.h"

#define BASE		(64 * MIB)
#define HOLE		(96 * MIB)

#define PF_P		BIT(0)
#define PF_W		BIT(1)
#define PF_U		BIT(2)
#define PF_RSVD		BIT(3)
#define PF_I		BIT(4)
#define PTE_PWT		BIT(3)
#define PTE_PCD		BIT(4)
#define PTE_NX		BIT(63)
#define PTE_ADDRESS	0x000ffffffffff000UL

#define CR0_PG		BIT(31)
#define CR0_WP		BIT(16)
#define CR4_PSE		BIT(4)
#define CR4_PAE		BIT(5)

#define RIGHTS		(MINIVMX_PTE_READ | MINIVMX_PTE_WRITE |		\
			 MINIVMX_PTE_EXECUTE | MINIVMX_PTE_USER)

struct seen {
	struct minivmx_translate answer;
	struct minivmx_pte ptes[MINIVMX_MAX_REFERENCES];
};

static const char *const ends[] = {
	[MINIVMX_END_TRANSLATED] = "translated",
	[MINIVMX_END_PAGE_FAULT] = "page fault",
	[MINIVMX_END_NOT_CANONICAL] = "not canonical",
	[MINIVMX_END_NO_MEMORY] = "no memory",
	[MINIVMX_END_READ_ONLY_MEMORY] = "read-only memory",
	[MINIVMX_END_NOT_ALLOCATED] = "not allocated",
	[MINIVMX_END_NOT_FILLED] = "not filled",
	[MINIVMX_END_NARROWED] = "narrowed",
	[MINIVMX_END_MISCONFIGURED] = "misconfigured",
};

static struct seen translate_as(const struct vm *vm, u64 address, u32 access,
				u32 flags)
{
	struct seen seen = {
		.answer = {
			.size = sizeof(seen.answer),
			.address = address,
			.access = access,
			.flags = flags,
			.count = MINIVMX_MAX_REFERENCES,
			.references = (uintptr_t)seen.ptes,
		},
	};

	test_cmd(vm->vcpu.fd, MINIVMX_TRANSLATE, &seen.answer);
	require(seen.answer.out_count <= MINIVMX_MAX_REFERENCES &&
		seen.answer.out_end < ARRAY_SIZE(ends), "the answer is odd");
	return seen;
}

static struct seen translate(const struct vm *vm, u64 address, u32 access)
{
	return translate_as(vm, address, access, 0);
}

enum access {
	READ	= MINIVMX_ACCESS_READ,
	WRITE	= MINIVMX_ACCESS_WRITE,
	FETCH	= MINIVMX_ACCESS_FETCH,
};

#define EXPECT_END(end, seen)						\
	({								\
		EXPECT_EQ(end, (seen).answer.out_end)			\
			TH_LOG("ends with: %s, at %#llx",		\
			       ends[(seen).answer.out_end],		\
			       (seen).answer.out_gpa);			\
	})

static u64 guest_word(const struct vm *vm, u64 gpa)
{
	return *(volatile u64 *)(vm->memory + gpa);
}

static u32 count_tables(const struct seen *seen, u32 tables)
{
	u32 count = 0;

	for (u32 i = 0; i < seen->answer.out_count; i++)
		count += seen->ptes[i].tables == tables;
	return count;
}

/* -------------------------------------------------------------------- the order */

/* Entries of EPT from @at on, from level 4 down, all for @gpa. */
static u32 expect_ept(struct __test_metadata *_metadata, const struct seen *seen,
		      u32 at, u64 gpa)
{
	u32 level = 4;

	for (; at < seen->answer.out_count && level; at++, level--) {
		const struct minivmx_pte *pte = &seen->ptes[at];

		if (pte->tables != MINIVMX_TABLES_EPT)
			break;
		EXPECT_EQ(level, pte->level);
		EXPECT_EQ(gpa, pte->input);
		EXPECT_EQ(gpa >> (3 + 9 * level) & 511, pte->index);
		EXPECT_EQ(pte->index, pte->address % PAGE_4K / 8);
		EXPECT_NE(0, pte->flags & MINIVMX_PTE_PRESENT);
		EXPECT_EQ(0, pte->source);
		if (pte->flags & MINIVMX_PTE_LEAF)
			return at + 1;
		/* The next table is where this entry says. */
		EXPECT_EQ(pte->value & PTE_ADDRESS,
			  seen->ptes[at + 1].address & PTE_ADDRESS);
	}
	return at;
}

static void expect_guest(struct __test_metadata *_metadata, const struct vm *vm,
			 const struct minivmx_pte *pte, u64 address)
{
	/* Whether 4 or 8 bytes, they begin there. */
	u32 size = pte->value >> 32 ? 8 : 4;

	EXPECT_EQ(MINIVMX_TABLES_GUEST, pte->tables);
	EXPECT_EQ(address, pte->input);
	EXPECT_EQ(0, pte->source);
	if (pte->flags & MINIVMX_PTE_REGISTER) {
		EXPECT_EQ(0, pte->address);
		return;
	}
	EXPECT_EQ(0, memcmp(vm->memory + pte->address, &pte->value, size));
}

/*
 * All that is said agrees with the rest: under EPT, before each entry of the guest
 * and the page there is what EPT has for it; with shadow paging the guest's are
 * before the shadow's, and those lead where they say.
 */
static void expect_order(struct __test_metadata *_metadata, const struct vm *vm,
			 const struct seen *seen)
{
	const struct minivmx_translate *answer = &seen->answer;
	u32 at = 0;

	while (at < answer->out_count && uses_ept(vm)) {
		u32 next = at;
		u64 gpa = seen->ptes[at].input;

		if (seen->ptes[at].tables == MINIVMX_TABLES_EPT)
			next = expect_ept(_metadata, seen, at, gpa);
		if (next == answer->out_count) {
			EXPECT_EQ(answer->out_gpa, gpa | answer->out_gpa % 8);
			at = next;
			break;
		}
		expect_guest(_metadata, vm, &seen->ptes[next], answer->address);
		if (next > at)
			EXPECT_EQ(gpa, seen->ptes[next].address & ~7UL);
		at = next + 1;
	}
	for (; at < answer->out_count; at++) {
		const struct minivmx_pte *pte = &seen->ptes[at];

		if (pte->tables == MINIVMX_TABLES_GUEST) {
			expect_guest(_metadata, vm, pte, answer->address);
			continue;
		}
		EXPECT_EQ(MINIVMX_TABLES_SHADOW, pte->tables);
		EXPECT_EQ(answer->address, pte->input);
		if (at && seen->ptes[at - 1].tables == MINIVMX_TABLES_SHADOW) {
			EXPECT_EQ(seen->ptes[at - 1].level, pte->level + 1);
			EXPECT_EQ(seen->ptes[at - 1].value & PTE_ADDRESS,
				  pte->address & PTE_ADDRESS);
		}
	}
	if (answer->out_end == MINIVMX_END_TRANSLATED && at) {
		const struct minivmx_pte *last = &seen->ptes[at - 1];

		EXPECT_NE(0, last->flags & MINIVMX_PTE_LEAF);
		EXPECT_EQ(answer->out_hpa, (last->value & PTE_ADDRESS) |
			  (answer->out_gpa & (answer->out_host_page - 1)));
	}
}

/* ------------------------------------------------------------------ n·m + n + m */

static void guest_touches_window(void)
{
	open_window();
	window_pts[0].words[0] = entry_for(&page_a);
	window_pts[0].words[1] = entry_for(&page_b);
	GUEST_ASSERT(try_write(WINDOW, 1) == NO_FAULT);
	GUEST_SYNC(1);
	GUEST_ASSERT(try_read(WINDOW_PAGE(1)) == NO_FAULT);
	GUEST_SYNC(2);
}

MINIVMX_TEST(four_by_four, guest_touches_window)
{
	struct seen seen;

	run_to_sync(vcpu, 1);
	seen = translate(vm, WINDOW + 0x123, WRITE);
	EXPECT_END(MINIVMX_END_TRANSLATED, seen);
	EXPECT_EQ(uses_ept(vm) ? 24 : 8, seen.answer.out_count);
	EXPECT_EQ(4, count_tables(&seen, MINIVMX_TABLES_GUEST));
	expect_order(_metadata, vm, &seen);
	EXPECT_EQ((uintptr_t)&page_a + 0x123, seen.answer.out_gpa);
	EXPECT_EQ(PAGE_4K, seen.answer.out_guest_page);
	EXPECT_EQ(PAGE_4K, seen.answer.out_host_page);
	EXPECT_EQ(MINIVMX_MEMORY_WB, seen.answer.out_guest_memory_type);
	EXPECT_EQ(MINIVMX_MEMORY_WB, seen.answer.out_memory_type);
	EXPECT_EQ(RIGHTS & ~MINIVMX_PTE_USER, seen.answer.out_guest_rights);
	EXPECT_EQ(uses_ept(vm) ? RIGHTS : RIGHTS & ~MINIVMX_PTE_USER,
		  seen.answer.out_host_rights);
	EXPECT_EQ(0x123, seen.answer.out_hpa % PAGE_4K);
}

/* Large pages have fewer levels, in either dimension. */
MINIVMX_TEST(identity_of_2m, guest_touches_window)
{
	struct seen seen;

	run_to_sync(vcpu, 1);
	seen = translate(vm, (uintptr_t)&page_a, WRITE);
	EXPECT_END(MINIVMX_END_TRANSLATED, seen);
	EXPECT_EQ(uses_ept(vm) ? 3 * 4 + 3 + 4 : 3 + 4, seen.answer.out_count);
	EXPECT_EQ(PAGE_2M, seen.answer.out_guest_page);
	expect_order(_metadata, vm, &seen);
}

static void guest_touches_huge_page(void)
{
	struct page *pdpt = (struct page *)(GUEST_PML4 + PAGE_4K);

	pdpt->words[511] = PTE_P | PTE_W | PTE_PS;
	GUEST_ASSERT(try_read(511 * BIT(30)) == NO_FAULT);
	GUEST_SYNC(1);
}

MINIVMX_TEST(a_page_of_1g, guest_touches_huge_page)
{
	u32 a, b, c, d;
	struct seen seen;

	if (!__get_cpuid(0x80000001, &a, &b, &c, &d) || !(d & BIT(26)))
		SKIP(return, "this CPU has no pages of 1 GiB");
	run_to_sync(vcpu, 1);
	seen = translate(vm, 511 * BIT(30), READ);
	EXPECT_END(MINIVMX_END_TRANSLATED, seen);
	EXPECT_EQ(uses_ept(vm) ? 2 * 4 + 2 + 4 : 2 + 4, seen.answer.out_count);
	EXPECT_EQ(BIT(30), seen.answer.out_guest_page);
	expect_order(_metadata, vm, &seen);
}

static void guest_touches_base(void)
{
	GUEST_ASSERT(try_write(BASE, 1) == NO_FAULT);
	GUEST_SYNC(1);
}

MINIVMX_TEST(large_pages_of_ept, guest_touches_base)
{
	struct seen seen;
	u32 levels;

	map_memory(vm, BASE, PAGE_2M, MINIVMX_MAP_2M);
	run_to_sync(vcpu, 1);
	seen = translate(vm, BASE + 0x234, READ);
	EXPECT_END(MINIVMX_END_TRANSLATED, seen);
	expect_order(_metadata, vm, &seen);
	EXPECT_EQ(BASE + 0x234, seen.answer.out_gpa);
	/* Where there is no free block, pages are small. */
	levels = seen.answer.out_host_page == PAGE_2M ? 3 : 4;
	EXPECT_EQ(uses_ept(vm) ? 3 * 4 + 3 + levels : 3 + 4, seen.answer.out_count);
	seen = translate_as(vm, BASE + 0x234, READ, MINIVMX_TRANSLATE_PHYSICAL);
	EXPECT_END(MINIVMX_END_TRANSLATED, seen);
	EXPECT_EQ(uses_ept(vm) ? levels : 0, seen.answer.out_count);
	EXPECT_EQ(0, seen.answer.out_guest_page);
	EXPECT_EQ(0x234, seen.answer.out_hpa % PAGE_4K);
}

/* ------------------------------------------------------------------ other modes */

#define TABLES		0x700000UL	/* the guest's, from here on */
#define LINEAR		0x40001000UL	/* what it reads */
#define DATA		0x710000UL

/* Reads there once, and is behind it. */
GUEST_BLOB(read_and_halt, 32,
	   "movl	0x40001000, %eax\n"
	   "hlt\n");

struct shape {
	const char *name;
	u32 levels, page;
	u64 cr4;
	u32 registers;
};

static u32 *table_32(const struct vm *vm, u32 number)
{
	return (u32 *)(vm->memory + TABLES + number * PAGE_4K);
}

static u64 *table_64(const struct vm *vm, u32 number)
{
	return (u64 *)(vm->memory + TABLES + number * PAGE_4K);
}

static void build_32(const struct vm *vm, const struct shape *shape)
{
	u32 *directory = table_32(vm, 0);
	u32 large = shape->levels == 1;

	directory[0] = large ? PTE_FLAGS | PTE_PS : (TABLES + PAGE_4K) | PTE_FLAGS;
	for (u32 i = 0; i < 1024; i++)
		table_32(vm, 1)[i] = i * PAGE_4K | PTE_FLAGS;
	directory[LINEAR >> 22] = large ? 0x400000 | PTE_FLAGS | PTE_PS :
				  (TABLES + 2 * PAGE_4K) | PTE_FLAGS;
	table_32(vm, 2)[LINEAR >> 12 & 1023] = DATA | PTE_FLAGS;
}

static void build_pae(const struct vm *vm, const struct shape *shape)
{
	table_64(vm, 0)[0] = (TABLES + PAGE_4K) | PTE_P;
	table_64(vm, 0)[1] = (TABLES + 2 * PAGE_4K) | PTE_P;
	table_64(vm, 1)[0] = PTE_FLAGS | PTE_PS;
	table_64(vm, 2)[0] = shape->page == PAGE_2M ? 0x600000 | PTE_FLAGS | PTE_PS :
			     (TABLES + 3 * PAGE_4K) | PTE_FLAGS;
	table_64(vm, 3)[1] = DATA | PTE_FLAGS;
}

/*
 * The shadow of a guest without IA-32e mode: of four entries, for 32 bits. Code and data
 * are in the first two GiB.
 */
static void expect_pae_shadow(struct __test_metadata *_metadata, const struct vm *vm)
{
	struct minivmx_pte entries[MINIVMX_MAX_PTES];
	struct minivmx_read_table *root = ARG(read_table, .entries = (uintptr_t)entries);

	test_cmd(vm->fd, MINIVMX_READ_TABLE, root);
	EXPECT_EQ(2, root->out_count);
	EXPECT_EQ(3, entries[0].level);
	EXPECT_EQ(0, entries[0].index);
	EXPECT_NE(0, entries[0].flags & MINIVMX_PTE_REGISTER);
	root->address = BIT(32);
	test_err(EINVAL, vm->fd, MINIVMX_READ_TABLE, root);
	root->level = 1;
	test_err(EINVAL, vm->fd, MINIVMX_READ_TABLE, root);
}

static void try_shape(struct __test_metadata *_metadata, struct vm *vm,
		      const struct shape *shape)
{
	struct minivmx_sregs sregs;
	u32 in_memory = shape->levels - shape->registers;
	struct seen seen;

	start_protected(vm, read_and_halt);
	sregs = get_sregs(&vm->vcpu);
	if (shape->cr4 & CR4_PAE)
		build_pae(vm, shape);
	else
		build_32(vm, shape);
	sregs.cr0 |= CR0_PG | CR0_WP;
	sregs.cr3 = TABLES;
	sregs.cr4 = shape->cr4;
	sregs.flags = 0;
	set_sregs(&vm->vcpu, &sregs);
	run_to_exit(&vm->vcpu, EXIT_HLT);

	/* Of a linear address there are 32 bits. */
	seen = translate(vm, LINEAR | BIT(40), READ);
	seen.answer.address = LINEAR;
	EXPECT_END(MINIVMX_END_TRANSLATED, seen);
	EXPECT_EQ(shape->levels + (uses_ept(vm) ? 4 * in_memory + 4 : 3),
		  seen.answer.out_count) TH_LOG("%s", shape->name);
	EXPECT_EQ(shape->levels, count_tables(&seen, MINIVMX_TABLES_GUEST));
	EXPECT_EQ(shape->page, seen.answer.out_guest_page);
	EXPECT_EQ(shape->page == PAGE_4K ? DATA :
		  (shape->page == PAGE_2M ? 0x600000 : 0x400000) + (LINEAR & 0x1fffff),
		  seen.answer.out_gpa) TH_LOG("%s", shape->name);
	EXPECT_EQ(shape->registers,
		  !!(seen.ptes[0].flags & MINIVMX_PTE_REGISTER));
	expect_order(_metadata, vm, &seen);
	if (!uses_ept(vm))
		expect_pae_shadow(_metadata, vm);
}

TEST_F(vm, modes_of_32_bits)
{
	static const struct shape shapes[] = {
		{ "32-bit paging", 2, PAGE_4K, CR4_PSE, 0 },
		{ "32-bit paging without PSE", 2, PAGE_4K, 0, 0 },
		{ "32-bit paging, 4 MiB", 1, 4 * MIB, CR4_PSE, 0 },
		{ "PAE paging", 3, PAGE_4K, CR4_PAE, 1 },
		{ "PAE paging, 2 MiB", 2, PAGE_2M, CR4_PAE, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
		try_shape(_metadata, &self->vm, &shapes[i]);
}

GUEST_BLOB(halt, 32, "hlt\n");

TEST_F(vm, no_paging)
{
	struct vm *vm = &self->vm;
	struct seen seen;

	start_protected(vm, halt);
	run_to_exit(&vm->vcpu, EXIT_HLT);
	seen = translate(vm, GUEST_BLOB_BASE, FETCH);
	EXPECT_END(MINIVMX_END_TRANSLATED, seen);
	EXPECT_EQ(uses_ept(vm) ? 4 : 3, seen.answer.out_count);
	EXPECT_EQ(0, seen.answer.out_guest_page);
	EXPECT_EQ(RIGHTS, seen.answer.out_guest_rights);
	EXPECT_EQ(GUEST_BLOB_BASE, seen.answer.out_gpa);
	EXPECT_EQ(MINIVMX_MEMORY_WB, seen.answer.out_guest_memory_type);
	expect_order(_metadata, vm, &seen);
}

/* --------------------------------------------------------- where it stops, and why */

static struct {
	u64 address;
	u32 access;
} job;

static void guest_accesses(void)
{
	const volatile typeof(job) *todo = &job;

	open_window();
	for (;;) {
		struct gprs gprs = { .b = todo->address };

		/* Its entry has changed; and vtlb forgets what is invalidated. */
		invalidate(todo->address);
		switch (todo->access) {
		case READ:
			GUEST_TRY("movq (%%rbx), %%rax", &gprs);
			break;
		case WRITE:
			GUEST_TRY("movq %%rax, (%%rbx)", &gprs);
			break;
		default:
			GUEST_TRY("call *%%rbx", &gprs);
			break;
		}
		GUEST_SYNC(1);
	}
}

/* What the guest has of an access: the error code of its #PF, or none. */
static bool faults(const struct vm *vm, u64 address, u32 access, u64 *code)
{
	guest_copy(vm, job)->address = address;
	guest_copy(vm, job)->access = access;
	run_to_sync(&vm->vcpu, 1);
	*code = guest_copy(vm, guest_fault)->error;
	return guest_copy(vm, guest_fault)->vector == VECTOR_PF;
}

#define RETURN	0xc3	/* RET: the page can be called */

static const struct {
	const char *name;
	u64 clear, set;		/* in the last entry */
} entries[] = {
	{ "usual", 0, 0 },
	{ "not present", PTE_P, 0 },
	{ "read-only", PTE_W, 0 },
	{ "not executable", 0, PTE_NX },
	{ "reserved bit", 0, BIT(51) },
	{ "not present, with a reserved bit", PTE_P, BIT(51) },
	{ "the user's", 0, PTE_U },
	{ "accessed and dirty", 0, PTE_A | PTE_D },
};

/* What is said before is what the guest gets, and afterwards it is there. */
MINIVMX_TEST(as_the_guest_finds_it, guest_accesses)
{
	static const u32 accesses[] = { READ, WRITE, FETCH };
	volatile u64 *entry = &guest_copy(vm, window_pts)[0]->words[0];
	u64 code;

	*(u8 *)guest_copy(vm, page_a) = RETURN;
	faults(vm, WINDOW_PAGE(9), READ, &code);
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(accesses); j++) {
			u32 access = accesses[j];
			struct minivmx_sregs sregs = get_sregs(vcpu);
			struct seen before, after;
			bool fault;

			*(u8 *)guest_copy(vm, page_a) = RETURN;
			*entry = (entry_for(&page_a) | entries[i].set) &
				 ~entries[i].clear;
			set_sregs(vcpu, &sregs);
			before = translate(vm, WINDOW, access);
			expect_order(_metadata, vm, &before);
			fault = faults(vm, WINDOW, access, &code);
			EXPECT_EQ(fault, before.answer.out_end == MINIVMX_END_PAGE_FAULT)
				TH_LOG("%s, access %u: said %s", entries[i].name,
				       access, ends[before.answer.out_end]);
			EXPECT_EQ(fault ? code : 0, before.answer.out_error_code)
				TH_LOG("%s, access %u", entries[i].name, access);
			/* The guest has changed its tables: the shadow is new. */
			after = translate(vm, WINDOW, access);
			EXPECT_EQ(fault ? MINIVMX_END_PAGE_FAULT : MINIVMX_END_TRANSLATED,
				  after.answer.out_end)
				TH_LOG("%s, access %u: then %s", entries[i].name,
				       access, ends[after.answer.out_end]);
			/* With EPT four come before each. */
			if (fault && code & PF_RSVD) {
				EXPECT_NE(0, after.ptes[uses_ept(vm) ? 19 : 3].flags &
					  MINIVMX_PTE_RESERVED);
			}
		}
	}
}

MINIVMX_TEST(users_have_less, guest_touches_window)
{
	struct seen seen;

	run_to_sync(vcpu, 1);
	seen = translate_as(vm, WINDOW, READ, MINIVMX_TRANSLATE_USER);
	EXPECT_END(MINIVMX_END_PAGE_FAULT, seen);
	EXPECT_EQ(PF_U | PF_P, seen.answer.out_error_code);
	seen = translate_as(vm, WINDOW, WRITE, MINIVMX_TRANSLATE_USER);
	EXPECT_EQ(PF_U | PF_P | PF_W, seen.answer.out_error_code);
	seen = translate_as(vm, WINDOW_PAGE(5), FETCH, MINIVMX_TRANSLATE_USER);
	EXPECT_EQ(PF_U | PF_I, seen.answer.out_error_code);
	EXPECT_EQ(0, seen.answer.out_guest_page);
}

MINIVMX_TEST(not_canonical, guest_touches_window)
{
	struct seen seen;

	run_to_sync(vcpu, 1);
	seen = translate(vm, BIT(47), READ);
	EXPECT_END(MINIVMX_END_NOT_CANONICAL, seen);
	EXPECT_EQ(0, seen.answer.out_count);
	seen = translate(vm, ~0UL, READ);
	EXPECT_END(MINIVMX_END_PAGE_FAULT, seen);
	EXPECT_EQ(0, seen.answer.out_error_code);
}

/* Memory that is allocated and mapped when it is touched, and what is not there. */
static void guest_touches_memory(void)
{
	GUEST_SYNC(1);
	GUEST_ASSERT(try_read(BASE) == NO_FAULT);
	GUEST_SYNC(2);
	GUEST_ASSERT(try_write(BASE, 1) == NO_FAULT);
	GUEST_SYNC(3);
	try_read(HOLE);
}

MINIVMX_TEST(filled_by_touch, guest_touches_memory)
{
	struct seen seen;
	u64 *word;

	map_memory(vm, BASE, 2 * PAGE_4K, 0);
	run_to_sync(vcpu, 1);
	seen = translate(vm, BASE, READ);
	EXPECT_END(MINIVMX_END_NOT_ALLOCATED, seen);
	EXPECT_EQ(BASE, seen.answer.out_gpa);
	EXPECT_EQ(PAGE_2M, seen.answer.out_guest_page);
	EXPECT_EQ(0, seen.answer.out_host_page);
	EXPECT_EQ(MINIVMX_MEMORY_UNKNOWN, seen.answer.out_memory_type);
	word = mmap_memory(vm, BASE, PAGE_4K);
	*word = 1;
	seen = translate(vm, BASE, READ);
	EXPECT_END(MINIVMX_END_NOT_FILLED, seen);
	run_to_sync(vcpu, 2);
	seen = translate(vm, BASE, READ);
	EXPECT_END(MINIVMX_END_TRANSLATED, seen);
	/* 2 MiB of the guest's have one dirty flag, which the program has not set. */
	seen = translate(vm, BASE, WRITE);
	EXPECT_END(uses_ept(vm) ? MINIVMX_END_TRANSLATED : MINIVMX_END_NARROWED, seen);
	if (!uses_ept(vm)) {
		u32 flags = 0;

		for (u32 i = 0; i < seen.answer.out_count; i++)
			flags |= seen.ptes[i].flags;
		EXPECT_NE(0, flags & MINIVMX_PTE_NOT_DIRTY);
		EXPECT_EQ(0, flags & MINIVMX_PTE_HOLDS_TABLE);
	}
	run_to_sync(vcpu, 3);
	seen = translate(vm, BASE, WRITE);
	EXPECT_END(MINIVMX_END_TRANSLATED, seen);
	expect_order(_metadata, vm, &seen);

	seen = translate(vm, HOLE, READ);
	EXPECT_END(MINIVMX_END_NO_MEMORY, seen);
	EXPECT_EQ(HOLE, seen.answer.out_gpa);
	run_to_exit(vcpu, MINIVMX_EXIT_MEMORY);
	EXPECT_EQ(HOLE, run->memory.gpa);
}

MINIVMX_TEST(read_only_memory, guest_touches_memory)
{
	struct seen seen;

	map_memory(vm, BASE, 2 * PAGE_4K, MINIVMX_MAP_READONLY);
	run_to_sync(vcpu, 1);
	run_to_sync(vcpu, 2);
	seen = translate(vm, BASE, READ);
	EXPECT_END(MINIVMX_END_TRANSLATED, seen);
	EXPECT_EQ(0, seen.answer.out_host_rights & MINIVMX_PTE_WRITE);
	seen = translate(vm, BASE, WRITE);
	EXPECT_END(MINIVMX_END_READ_ONLY_MEMORY, seen);
	EXPECT_EQ(BASE, seen.answer.out_gpa);
	seen = translate_as(vm, BASE, WRITE, MINIVMX_TRANSLATE_PHYSICAL);
	EXPECT_END(MINIVMX_END_READ_ONLY_MEMORY, seen);
	run_to_exit(vcpu, MINIVMX_EXIT_MEMORY);
	EXPECT_EQ(BASE, run->memory.gpa);
	EXPECT_EQ(MINIVMX_ACCESS_WRITE, run->memory.access);
}

static void guest_has_a_table_in_rom(void)
{
	open_window();
	window_pd.words[0] = BASE | PTE_FLAGS;
	GUEST_ASSERT(try_read(BASE) == NO_FAULT);
	GUEST_SYNC(1);
	try_read(WINDOW);
}

/* A flag would have to be set in an entry that cannot be written to. */
MINIVMX_TEST(a_table_in_read_only_memory, guest_has_a_table_in_rom)
{
	struct seen seen;
	u64 *table;

	map_memory(vm, BASE, PAGE_4K, MINIVMX_MAP_READONLY);
	table = mmap_memory(vm, BASE, PAGE_4K);
	table[0] = entry_for(&page_a);
	run_to_sync(vcpu, 1);
	seen = translate(vm, WINDOW, READ);
	EXPECT_END(MINIVMX_END_READ_ONLY_MEMORY, seen);
	EXPECT_EQ(BASE, seen.answer.out_gpa);
	/* Bochs 3.0 sets it without asking EPT, below KVM, too. */
	if (uses_ept(vm))
		return;
	run_to_exit(vcpu, MINIVMX_EXIT_MEMORY);
	EXPECT_EQ(BASE, run->memory.gpa);
	EXPECT_EQ(MINIVMX_ACCESS_WRITE, run->memory.access);
}

/* --------------------------------------------------------- shadow beside the guest */

static void guest_reads_its_table(void)
{
	open_window();
	window_pts[0].words[0] = entry_for(&page_a);
	window_pts[0].words[1] = entry_for(&window_pts[0]);
	GUEST_ASSERT(try_write(WINDOW, 1) == NO_FAULT);
	GUEST_ASSERT(try_read(WINDOW_PAGE(1)) == NO_FAULT);
	/* Dirty, so that nothing else forbids writes. */
	GUEST_ASSERT(try_write(WINDOW_PAGE(1) + 0xff0, 0) == NO_FAULT);
	GUEST_ASSERT(try_read(WINDOW) == NO_FAULT);
	GUEST_SYNC(1);
}

MINIVMX_TEST(a_protected_table, guest_reads_its_table)
{
	bool is_protected = vm->mmu == MINIVMX_MMU_WP || vm->mmu == MINIVMX_MMU_PV;
	struct seen seen;
	u32 last;

	run_to_sync(vcpu, 1);
	seen = translate(vm, WINDOW_PAGE(1), WRITE);
	expect_order(_metadata, vm, &seen);
	EXPECT_EQ(is_protected ? MINIVMX_END_NARROWED : MINIVMX_END_TRANSLATED,
		  seen.answer.out_end) TH_LOG("%s", ends[seen.answer.out_end]);
	last = seen.ptes[seen.answer.out_count - 1].flags;
	EXPECT_EQ(is_protected, !!(last & MINIVMX_PTE_HOLDS_TABLE));
	seen = translate(vm, WINDOW_PAGE(1), READ);
	EXPECT_END(MINIVMX_END_TRANSLATED, seen);
}

MINIVMX_TEST(out_of_date, guest_touches_window)
{
	u64 *entry = (u64 *)guest_copy(vm, window_pts)[0]->words;
	struct seen seen;
	const struct minivmx_pte *last = &seen.ptes[7];

	run_to_sync(vcpu, 1);
	*entry = 0;
	seen = translate(vm, WINDOW, READ);
	if (uses_ept(vm)) {
		EXPECT_END(MINIVMX_END_PAGE_FAULT, seen);
		return;
	}
	/* What the CPU goes by is the shadow. */
	EXPECT_END(MINIVMX_END_TRANSLATED, seen);
	ASSERT_EQ(8, seen.answer.out_count);
	EXPECT_NE(0, last->flags & MINIVMX_PTE_OUT_OF_DATE);
	EXPECT_EQ((uintptr_t)&page_a, last->source & PTE_ADDRESS);
	EXPECT_EQ(0, seen.ptes[3].flags);
	/* A flag that was set since does not count, one that was cleared does. */
	*entry = last->source | PTE_A | PTE_D;
	seen = translate(vm, WINDOW, READ);
	EXPECT_EQ(0, last->flags & MINIVMX_PTE_OUT_OF_DATE);
	*entry = last->source & ~PTE_D;
	seen = translate(vm, WINDOW, READ);
	EXPECT_NE(0, last->flags & MINIVMX_PTE_OUT_OF_DATE);
}

/* ----------------------------------------------------------------- memory types */

#define IA32_PAT	0x277

MINIVMX_TEST(memory_types, guest_touches_window)
{
	static const struct {
		u64 flags;
		u32 type;
	} cases[] = {
		{ 0, MINIVMX_MEMORY_WB },
		{ PTE_PWT, MINIVMX_MEMORY_WT },
		{ PTE_PCD, MINIVMX_MEMORY_UC_MINUS },
		{ PTE_PCD | PTE_PWT, MINIVMX_MEMORY_UC },
		{ PTE_PS, MINIVMX_MEMORY_WC },	/* PAT, in an entry of 4 KiB */
	};
	bool has_pat = !uses_ept(vm) ||
		get_info(vm->device).out_capabilities & MINIVMX_CAP_LOAD_PAT;
	u64 *entry = (u64 *)guest_copy(vm, window_pts)[0]->words;

	run_to_sync(vcpu, 1);
	/* Entry 4 is write combining. */
	if (has_pat)
		set_msr(vcpu, IA32_PAT, 0x0007040100070406);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct seen seen;
		u32 asked, expected = MINIVMX_MEMORY_UNKNOWN;

		if (has_pat)
			expected = cases[i].type;
		*entry = entry_for(&page_a) | PTE_A | PTE_D | cases[i].flags;
		seen = translate(vm, WINDOW, READ);
		asked = seen.answer.out_guest_memory_type;
		EXPECT_EQ(expected, asked);
		EXPECT_EQ(MINIVMX_MEMORY_WB, seen.answer.out_memory_type);
	}
}

/* ------------------------------------------------------------ nothing comes of it */

static void guest_has_fresh_tables(void)
{
	open_window();
	window_pts[0].words[0] = entry_for(&page_a);
	window_pts[0].words[1] = BASE | PTE_FLAGS;
	GUEST_SYNC(1);
}

MINIVMX_TEST(no_effect, guest_has_fresh_tables)
{
	static const u32 accesses[] = { READ, WRITE, FETCH };
	struct minivmx_stats before, after;
	const u64 tables[] = {
		(uintptr_t)&window_pdpt, (uintptr_t)&window_pd, (uintptr_t)&window_pts[0],
	};

	map_memory(vm, BASE, PAGE_4K, 0);
	run_to_sync(vcpu, 1);
	before = get_stats(vm);
	for (size_t i = 0; i < ARRAY_SIZE(accesses); i++) {
		translate(vm, WINDOW, accesses[i]);
		translate(vm, WINDOW_PAGE(1), accesses[i]);
	}
	after = get_stats(vm);
	EXPECT_EQ(before.out_pages, after.out_pages);
	EXPECT_EQ(before.out_tables, after.out_tables);
	EXPECT_EQ(before.out_shadow_misses, after.out_shadow_misses);
	EXPECT_EQ(before.out_entries, after.out_entries);
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		EXPECT_EQ(0, guest_word(vm, tables[i]) & (PTE_A | PTE_D));
}

/* ------------------------------------------------------------------ who may see */

static bool shows_host(const struct seen *seen)
{
	for (u32 i = 0; i < seen->answer.out_count; i++) {
		const struct minivmx_pte *pte = &seen->ptes[i];

		if (pte->tables != MINIVMX_TABLES_GUEST &&
		    (pte->address || pte->value & PTE_ADDRESS))
			return true;
	}
	return seen->answer.out_hpa;
}

MINIVMX_TEST(host_addresses_are_the_administrators, guest_touches_window)
{
	struct minivmx_pte entries[MINIVMX_MAX_PTES];
	struct minivmx_read_table *root = ARG(read_table,
					      .entries = (uintptr_t)entries);
	struct seen root_sees, others_see;

	run_to_sync(vcpu, 1);
	root_sees = translate(vm, WINDOW, READ);
	EXPECT_TRUE(shows_host(&root_sees));
	ASSERT_EQ(0, seteuid(65534));
	others_see = translate(vm, WINDOW, READ);
	test_cmd(vm->fd, MINIVMX_READ_TABLE, root);
	ASSERT_EQ(0, seteuid(0));
	EXPECT_FALSE(shows_host(&others_see));
	EXPECT_EQ(root_sees.answer.out_count, others_see.answer.out_count);
	EXPECT_EQ(root_sees.answer.out_gpa, others_see.answer.out_gpa);
	for (u32 i = 0; i < root_sees.answer.out_count; i++) {
		struct minivmx_pte *ours = &root_sees.ptes[i];

		/* The guest's are as they are, and the structure of the rest. */
		if (ours->tables != MINIVMX_TABLES_GUEST) {
			ours->address = 0;
			ours->value &= ~PTE_ADDRESS;
		}
		EXPECT_EQ(0, memcmp(ours, &others_see.ptes[i], sizeof(*ours)));
	}
	EXPECT_NE(0, root->out_count);
	for (u32 i = 0; i < root->out_count; i++) {
		EXPECT_EQ(0, entries[i].address);
		EXPECT_EQ(0, entries[i].value & PTE_ADDRESS);
	}
}

/* -------------------------------------------------------------- whole tables */

static u32 read_table(const struct vm *vm, u32 level, u64 address,
		      struct minivmx_pte *entries)
{
	struct minivmx_read_table *arg = ARG(read_table, .level = level,
		.address = address, .entries = (uintptr_t)entries);

	test_cmd(vm->fd, MINIVMX_READ_TABLE, arg);
	return arg->out_count;
}

/* Of all tables together. */
struct census {
	u32 tables, leaves;
};

/* A table and all below it; each entry is where its table says. */
static void count(struct __test_metadata *_metadata, const struct vm *vm, u32 level,
		  u64 address, struct census *census)
{
	struct minivmx_pte *entries = calloc(MINIVMX_MAX_PTES, sizeof(*entries));
	u32 count_here = read_table(vm, level, address, entries);

	census->tables++;

	for (u32 i = 0; i < count_here; i++) {
		const struct minivmx_pte *pte = &entries[i];

		EXPECT_EQ(uses_ept(vm) ? MINIVMX_TABLES_EPT : MINIVMX_TABLES_SHADOW,
			  pte->tables);
		EXPECT_NE(0, pte->flags & MINIVMX_PTE_PRESENT);
		EXPECT_EQ(pte->input >> (3 + 9 * pte->level) & 511, pte->index);
		if (i)
			EXPECT_GT(pte->index, pte[-1].index);
		if (pte->flags & MINIVMX_PTE_LEAF)
			census->leaves++;
		else
			count(_metadata, vm, pte->level - 1, pte->input, census);
	}
	free(entries);
}

MINIVMX_TEST(whole_tables, guest_touches_window)
{
	struct minivmx_pte entries[MINIVMX_MAX_PTES];
	struct census census = { 0 };
	struct seen seen;

	run_to_sync(vcpu, 1);
	run_to_sync(vcpu, 2);
	seen = translate(vm, WINDOW, READ);
	/* Each entry that the walk meets is among those of its table. */
	for (u32 i = 0; i < seen.answer.out_count; i++) {
		const struct minivmx_pte *pte = &seen.ptes[i];
		u32 there, found = 0;

		if (pte->tables == MINIVMX_TABLES_GUEST)
			continue;
		there = read_table(vm, pte->level, pte->input, entries);
		for (u32 j = 0; j < there; j++)
			found += entries[j].address == pte->address &&
				 entries[j].value == pte->value &&
				 entries[j].source == pte->source &&
				 entries[j].flags == pte->flags;
		EXPECT_EQ(1, found) TH_LOG("entry %u of the walk", i);
	}
	count(_metadata, vm, 0, 0, &census);
	/* Code, stack and data, through two entries of the root. */
	EXPECT_LE(4, census.leaves);
	if (uses_ept(vm)) {
		EXPECT_EQ(get_stats(vm).out_tables, census.tables);
		EXPECT_GE(get_stats(vm).out_pages, census.leaves);
	} else {
		EXPECT_GE(get_stats(vm).out_shadow_tables, census.tables);
	}
}

#define MANY		300
#define MANY_AT		(6 * MIB)

static void guest_touches_many_pages(void)
{
	for (u64 n = 0; n < MANY; n++)
		read_at(MANY_AT + n * PAGE_4K);
	GUEST_DONE();
}

/* More than are shown while the tables are held still: none is left out, or comes twice. */
MINIVMX_TEST(a_full_table, guest_touches_many_pages)
{
	struct minivmx_pte entries[MINIVMX_MAX_PTES];

	run_to_done(vcpu);
	EXPECT_EQ(MANY, read_table(vm, 1, MANY_AT, entries));
	for (u32 i = 0; i < MANY; i++) {
		EXPECT_EQ(i, entries[i].index);
		EXPECT_EQ(MANY_AT + i * PAGE_4K, entries[i].input);
	}
}

TEST_F(vm, tables_that_are_not_there)
{
	const struct vm *vm = &self->vm;
	struct minivmx_pte entries[MINIVMX_MAX_PTES];

	EXPECT_EQ(0, read_table(vm, 0, 0, entries));
	test_err(ENOENT, vm->fd, MINIVMX_READ_TABLE, ARG(read_table, .level = 1));
	test_err(EINVAL, vm->fd, MINIVMX_READ_TABLE, ARG(read_table, .level = 5));
	test_err(EINVAL, vm->fd, MINIVMX_READ_TABLE, ARG(read_table, .address = BIT(62)));
	test_err(uses_ept(vm) ? EINVAL : ENOENT, vm->fd, MINIVMX_READ_TABLE,
		 ARG(read_table, .vcpu = 1));
	test_err(uses_ept(vm) ? EINVAL : ENOENT, vm->fd, MINIVMX_READ_TABLE,
		 ARG(read_table, .vcpu = ~0U));
	start_guest(vm, guest_touches_window);
	run_to_sync(&vm->vcpu, 1);
	test_err(EFAULT, vm->fd, MINIVMX_READ_TABLE, ARG(read_table, .entries = 8));
	test_err(EINVAL, vm->fd, MINIVMX_READ_TABLE,
		 ARG(read_table, .address = BIT(62), .entries = (uintptr_t)entries));
}

MINIVMX_TEST(bad_questions, guest_touches_window)
{
	const int fd = vcpu->fd;
	struct minivmx_pte entries[2] = { 0 };
	struct minivmx_translate *few = ARG(translate, .address = WINDOW, .access = READ,
					    .count = 1, .references = (uintptr_t)entries);

	run_to_sync(vcpu, 1);
	test_err(EINVAL, fd, MINIVMX_TRANSLATE, ARG(translate, .access = 0));
	test_err(EINVAL, fd, MINIVMX_TRANSLATE, ARG(translate, .access = READ | WRITE));
	test_err(EINVAL, fd, MINIVMX_TRANSLATE, ARG(translate, .access = 8));
	test_err(EINVAL, fd, MINIVMX_TRANSLATE,
		 ARG(translate, .access = READ, .flags = 4));
	test_err(E2BIG, fd, MINIVMX_TRANSLATE,
		 ARG(translate, .access = READ, .count = MINIVMX_MAX_REFERENCES + 1));
	test_err(EFAULT, fd, MINIVMX_TRANSLATE,
		 ARG(translate, .access = READ, .address = WINDOW, .count = 24,
		     .references = 8));
	/* No room is no error: the number is told. */
	test_cmd(fd, MINIVMX_TRANSLATE, few);
	EXPECT_EQ(uses_ept(vm) ? 24 : 8, few->out_count);
	EXPECT_EQ(4, entries[0].level);
	EXPECT_EQ(0, entries[1].level);
}

TEST_HARNESS_MAIN
