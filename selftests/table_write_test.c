// SPDX-License-Identifier: GPL-2.0
/*
 * A guest writes its page tables, by every instruction that can: what comes of
 * the access afterwards is the same under every MMU.
 */
#include "minivmx_harness.h"
#include "user.h"
#include "window.h"

/* Two entries, as one operand. */
struct pair {
	u64 entries[2];
} __attribute__((may_alias));

/* Which of the two pages a page of the window shows. */
static bool shows(u64 n, const struct page *page)
{
	return read_at(WINDOW_PAGE(n)) == page->words[0];
}

/* --------------------------------------------------- shapes of a table write */

/* Each makes @entry, and perhaps its neighbours, hold @value. */

static void write_8_bytes(volatile u64 *entry, u64 value)
{
	*entry = value;
}

static void write_4_bytes_twice(volatile u64 *entry, u64 value)
{
	volatile u32 *half = (volatile u32 *)entry;

	half[0] = value;
	half[1] = value >> 32;
}

static void write_4_bytes_high_first(volatile u64 *entry, u64 value)
{
	volatile u32 *half = (volatile u32 *)entry;

	half[1] = value >> 32;
	half[0] = value;
}

static void write_single_bytes(volatile u64 *entry, u64 value)
{
	volatile u8 *byte = (volatile u8 *)entry;

	for (int i = 0; i < 8; i++)
		byte[i] = value >> 8 * i;
}

static void write_unaligned(volatile u64 *entry, u64 value)
{
	volatile u8 *byte = (volatile u8 *)entry;

	/* The upper three bytes of the entry before are zero. */
	write_at((uintptr_t)byte - 3, value << 24);
	write_at((uintptr_t)byte + 5, value >> 40);
}

static void exchange(volatile u64 *entry, u64 value)
{
	asm volatile("xchgq %0, %1" : "+r"(value), "+m"(*entry));
}

static void compare_and_exchange(volatile u64 *entry, u64 value)
{
	u64 old = *entry;

	GUEST_ASSERT(__atomic_compare_exchange_n(entry, &old, value, false,
						 __ATOMIC_SEQ_CST,
						 __ATOMIC_SEQ_CST));
}

/* One that fails writes as well: what was there before. */
static void compare_in_vain(volatile u64 *entry, u64 value)
{
	u64 other = ~*entry;

	GUEST_ASSERT(!__atomic_compare_exchange_n(entry, &other, value, false,
						  __ATOMIC_SEQ_CST,
						  __ATOMIC_SEQ_CST));
	*entry = value;
}

static void compare_and_exchange_16_bytes(volatile u64 *entry, u64 value)
{
	u64 low = entry[0], high = entry[1];
	bool done;

	asm volatile("lock cmpxchg16b %1; setz %0"
		     : "=q"(done), "+m"(*(volatile struct pair *)entry), "+a"(low),
		       "+d"(high)
		     : "b"(value), "c"(high));
	GUEST_ASSERT(done);
}

static void exchange_and_add(volatile u64 *entry, u64 value)
{
	u64 old = *entry;

	GUEST_ASSERT(__atomic_fetch_add(entry, value - old, __ATOMIC_SEQ_CST) ==
		     old);
}

static void and_then_or(volatile u64 *entry, u64 value)
{
	asm volatile("lock andq $0, %0; lock orq %1, %0"
		     : "+m"(*entry) : "r"(value));
}

static void add_to_memory(volatile u64 *entry, u64 value)
{
	asm volatile("addq %1, %0" : "+m"(*entry) : "r"(value - *entry));
}

static void set_bits_one_by_one(volatile u64 *entry, u64 value)
{
	for (u64 bit = 0; bit < 64; bit++) {
		if (value & BIT(bit))
			asm volatile("btsq %1, %0" : "+m"(*entry) : "r"(bit));
		else
			asm volatile("btrq %1, %0" : "+m"(*entry) : "r"(bit));
	}
}

static void store_past_the_cache(volatile u64 *entry, u64 value)
{
	asm volatile("movnti %1, %0; sfence" : "=m"(*entry) : "r"(value));
}

static void store_string(volatile u64 *entry, u64 value)
{
	u64 count = 1;

	asm volatile("rep stosq"
		     : "+D"(entry), "+c"(count) : "a"(value) : "memory");
}

static void move_string_of_bytes(volatile u64 *entry, u64 value)
{
	const u64 *from = &value;
	u64 count = sizeof(value);

	asm volatile("rep movsb"
		     : "+D"(entry), "+S"(from), "+c"(count) : : "memory");
}

static void push(volatile u64 *entry, u64 value)
{
	u64 stack;

	asm volatile("movq %%rsp, %0; leaq 8(%1), %%rsp; pushq %2; movq %0, %%rsp"
		     : "=&r"(stack) : "r"(entry), "r"(value) : "memory");
}

static void pop(volatile u64 *entry, u64 value)
{
	asm volatile("pushq %1; popq (%0)" : : "r"(entry), "r"(value) : "memory");
}

static void store_16_bytes(volatile u64 *entry, u64 value)
{
	u64 pair[2] __aligned(16) = { value, entry[1] };

	asm volatile("movdqa %1, %%xmm0; movdqa %%xmm0, %0"
		     : "=m"(*(volatile struct pair *)entry)
		     : "m"(*(struct pair *)pair) : "xmm0", "memory");
}

static void store_masked_bytes(volatile u64 *entry, u64 value)
{
	u64 pair[2] __aligned(16) = { value, 0 };
	u64 mask[2] __aligned(16) = { ~0UL, 0 };

	asm volatile("movdqa %0, %%xmm0; movdqa %1, %%xmm1\n\t"
		     "maskmovdqu %%xmm1, %%xmm0; sfence"
		     : : "m"(*(struct pair *)pair), "m"(*(struct pair *)mask),
			 "D"(entry)
		     : "xmm0", "xmm1", "memory");
}

/* Bytes 160 and following of the image are XMM0 (SDM Vol. 2, "FXSAVE"). */
static void save_fpu_state(volatile u64 *entry, u64 value)
{
	volatile u8 *image = (volatile u8 *)entry - 160;
	u64 pair[2] __aligned(16) = { value, entry[1] };

	asm volatile("movdqa %1, %%xmm0; fxsave64 (%0)"
		     : : "r"(image), "m"(*(struct pair *)pair) : "xmm0", "memory");
}

/* A far pointer's worth of bytes, and no more than the descriptor table's. */
static void store_descriptor_register(volatile u64 *entry, u64 value)
{
	volatile u8 *at = (volatile u8 *)entry - 2;

	/* Ten bytes: the limit goes to the end of the entry before. */
	asm volatile("sidt (%0)" : : "r"(at) : "memory");
	GUEST_ASSERT(*entry == GUEST_IDT);
	entry[-1] = 0;
	*entry = value;
}

#define SHAPE(function)	{ #function, function }

static const struct {
	const char *name;
	void (*write)(volatile u64 *entry, u64 value);
} shapes[] = {
	SHAPE(write_8_bytes),
	SHAPE(write_4_bytes_twice),
	SHAPE(write_4_bytes_high_first),
	SHAPE(write_single_bytes),
	SHAPE(write_unaligned),
	SHAPE(exchange),
	SHAPE(compare_and_exchange),
	SHAPE(compare_in_vain),
	SHAPE(compare_and_exchange_16_bytes),
	SHAPE(exchange_and_add),
	SHAPE(and_then_or),
	SHAPE(add_to_memory),
	SHAPE(set_bits_one_by_one),
	SHAPE(store_past_the_cache),
	SHAPE(store_string),
	SHAPE(move_string_of_bytes),
	SHAPE(push),
	SHAPE(pop),
	SHAPE(store_16_bytes),
	SHAPE(store_masked_bytes),
	SHAPE(save_fpu_state),
	SHAPE(store_descriptor_register),
};

static u64 failed_shape;

/*
 * Entry 20: even, for writes of 16 bytes, and 160 bytes into the table. What is
 * at its neighbours is not used.
 */
#define PLACE	20

static void guest_writes_in_all_shapes(void)
{
	volatile u64 *entry = &window_pts[0].words[PLACE];

	open_window();
	for (u64 i = 0; i < ARRAY_SIZE(shapes); i++) {
		failed_shape = i;
		map_page(PLACE, &page_a);
		GUEST_ASSERT(shows(PLACE, &page_a));
		/* The table is in use; the entry changes, and says so. */
		shapes[i].write(entry, entry_for(&page_b));
		invalidate(WINDOW_PAGE(PLACE));
		GUEST_ASSERT((*entry & ~PTE_A) == entry_for(&page_b));
		GUEST_ASSERT(shows(PLACE, &page_b));
		/* From what was not present to something: no invalidation. */
		*entry = 0;
		invalidate(WINDOW_PAGE(PLACE));
		GUEST_ASSERT(try_read(WINDOW_PAGE(PLACE)) == VECTOR_PF);
		GUEST_ASSERT(guest_fault.error == 0);
		shapes[i].write(entry, entry_for(&page_a));
		GUEST_ASSERT(shows(PLACE, &page_a));
		/* And away. */
		shapes[i].write(entry, 0);
		invalidate(WINDOW_PAGE(PLACE));
		GUEST_ASSERT(try_read(WINDOW_PAGE(PLACE)) == VECTOR_PF);
	}
}

MINIVMX_TEST(all_shapes, guest_writes_in_all_shapes)
{
	vcpu_run(vcpu);
	EXPECT_EQ(UCALL_DONE, get_ucall(vcpu))
		TH_LOG("%s: %s", shapes[*guest_copy(vm, failed_shape)].name,
		       describe_exit(vcpu));
}

/* The same one level up: the entry of a page directory chooses a table. */
static void guest_changes_directory(void)
{
	volatile u64 *entry = &window_pd.words[PLACE];
	const u64 n = PLACE * ENTRIES;

	open_window();
	window_pts[0].words[0] = entry_for(&page_a);
	window_pts[1].words[0] = entry_for(&page_b);
	for (u64 i = 0; i < ARRAY_SIZE(shapes); i++) {
		failed_shape = i;
		shapes[i].write(entry, entry_for(&window_pts[0]));
		GUEST_ASSERT(shows(n, &page_a));
		shapes[i].write(entry, entry_for(&window_pts[1]));
		invalidate(WINDOW_PAGE(n));
		GUEST_ASSERT(shows(n, &page_b));
		shapes[i].write(entry, 0);
		invalidate(WINDOW_PAGE(n));
		GUEST_ASSERT(try_read(WINDOW_PAGE(n)) == VECTOR_PF);
	}
}

MINIVMX_TEST(all_shapes_one_level_up, guest_changes_directory)
{
	vcpu_run(vcpu);
	EXPECT_EQ(UCALL_DONE, get_ucall(vcpu))
		TH_LOG("%s: %s", shapes[*guest_copy(vm, failed_shape)].name,
		       describe_exit(vcpu));
}

#define CR4_OSXSAVE	BIT(18)

/* XSAVE stores XMM0 where FXSAVE does. */
static void guest_saves_extended_state(void)
{
	volatile u64 *entry = &window_pts[0].words[PLACE];
	u64 cr4;

	asm volatile("movq %%cr4, %0" : "=r"(cr4));
	asm volatile("movq %0, %%cr4" : : "r"(cr4 | CR4_OSXSAVE));
	asm volatile("xsetbv" : : "a"(3), "d"(0), "c"(0));
	open_window();
	for (int i = 0; i < 6; i++) {
		const struct page *page = i % 2 ? &page_b : &page_a;
		u64 pair[2] __aligned(16) = { entry_for(page), 0 };

		map_page(PLACE, i % 2 ? &page_a : &page_b);
		(void)read_at(WINDOW_PAGE(PLACE));
		asm volatile("movdqa %0, %%xmm0; xsave64 (%1)"
			     : : "m"(*(struct pair *)pair), "r"(window_pts),
				 "a"(2), "d"(0)
			     : "xmm0", "memory");
		invalidate(WINDOW_PAGE(PLACE));
		GUEST_ASSERT(*entry == entry_for(page));
		GUEST_ASSERT(shows(PLACE, page));
	}
}

MINIVMX_TEST(xsave_into_a_table, guest_saves_extended_state)
{
	if (!(get_info(vm->device).out_capabilities & MINIVMX_CAP_XSAVE))
		SKIP(return, "this CPU has no XSAVE");
	run_to_done(vcpu);
}

/* ------------------------------------------------------- more than one table */

/*
 * Eight bytes across the end of one table and the beginning of another. What the
 * first gets is NX, which forbids fetches only.
 */
static void guest_straddles(void)
{
	volatile u64 *last = &window_pts[0].words[ENTRIES - 1];

	open_window();
	map_page(ENTRIES - 1, &page_a);
	map_page(ENTRIES, &page_a);
	GUEST_ASSERT(shows(ENTRIES - 1, &page_a));
	GUEST_ASSERT(shows(ENTRIES, &page_a));
	write_at((uintptr_t)last + 4, entry_for(&page_b) << 32 | BIT(31));
	invalidate(WINDOW_PAGE(ENTRIES - 1));
	invalidate(WINDOW_PAGE(ENTRIES));
	GUEST_ASSERT(*last >> 32 == BIT(31));
	GUEST_ASSERT(shows(ENTRIES - 1, &page_a));
	GUEST_ASSERT(shows(ENTRIES, &page_b));
}

MINIVMX_TEST(page_straddling_store, guest_straddles)
{
	run_to_done(vcpu);
}

/*
 * The delivery of an exception pushes six words, though the instruction that raised
 * it writes one at most. They become the first entries of a table whose others are
 * all in use. The handler leaves them as they are.
 */
static struct page pushed_table;
static volatile u64 stack_before;

static void __attribute__((naked)) abandon_exception(void)
{
	asm volatile("movq	stack_before(%rip), %rsp\n\t"
		     "sti\n\t"
		     "ret");
}

static void write_and_abandon(u64 address)
{
	asm volatile("leaq	-128(%%rsp), %%rsp\n\t"
		     "leaq	1f(%%rip), %%rax\n\t"
		     "pushq	%%rax\n\t"
		     "movq	%%rsp, %[before]\n\t"
		     "movq	%%rax, (%[address])\n\t"
		     "ud2\n"
		     "1:	leaq	128(%%rsp), %%rsp"
		     : [before] "=m"(stack_before)
		     : [address] "r"(address)
		     : "rax", "memory", "cc");
}

/* Where page faults go, and their stack. */
static void set_fault_handler(u64 handler, u64 stack)
{
	u8 *gate = (u8 *)GUEST_IDT + VECTOR_PF * 16;
	u8 *ist = (u8 *)GUEST_TSS + 36;

	__builtin_memcpy(gate, &handler, 2);
	__builtin_memcpy(gate + 6, (u8 *)&handler + 2, 6);
	__builtin_memcpy(ist, &stack, sizeof(stack));
}

static void guest_pushes_entries(void)
{
	const u64 first = 2 * ENTRIES;
	const u64 handler = (uintptr_t)guest_stubs + VECTOR_PF * GUEST_STUB_SIZE;
	volatile u64 *words = pushed_table.words;

	open_window();
	for (int i = 0; i < ENTRIES; i++)
		words[i] = entry_for(&page_a);
	window_pd.words[2] = entry_for(&pushed_table);
	for (u64 i = 0; i < ENTRIES; i++)
		GUEST_ASSERT(shows(first + i, &page_a));
	set_fault_handler((uintptr_t)abandon_exception, (uintptr_t)&words[6]);
	write_and_abandon(WINDOW);
	set_fault_handler(handler, GUEST_FAULT_STACK);
	/* Code segment, stack pointer and stack segment are even. */
	GUEST_ASSERT(words[2] == GUEST_CS);
	for (int i = 2; i < 6; i++) {
		invalidate(WINDOW_PAGE(first + i));
		if (i != 3)
			GUEST_ASSERT(try_read(WINDOW_PAGE(first + i)) == VECTOR_PF);
	}
	GUEST_ASSERT(shows(first + 6, &page_a));
}

MINIVMX_TEST(exception_frame_in_a_table, guest_pushes_entries)
{
	run_to_done(vcpu);
}

/* All 1024 entries of two tables by one instruction, upwards and downwards. */
static void fill_tables(u64 value, bool down)
{
	volatile u64 *to = window_pts[0].words;
	u64 count = 2 * ENTRIES;

	if (down)
		asm volatile("std; rep stosq; cld"
			     : "+c"(count), "=D"(to)
			     : "a"(value), "1"(to + count - 1) : "memory");
	else
		asm volatile("rep stosq"
			     : "+c"(count), "+D"(to) : "a"(value) : "memory");
}

static void guest_fills_tables(void)
{
	const u64 pages[] = { 0, 1, 511, 512, 513, 1023 };

	open_window();
	for (int round = 0; round < 4; round++) {
		const struct page *page = round % 2 ? &page_b : &page_a;

		fill_tables(entry_for(page), round / 2);
		write_cr3(read_cr3());
		for (u64 i = 0; i < ARRAY_SIZE(pages); i++)
			GUEST_ASSERT(shows(pages[i], page));
		fill_tables(0, !(round / 2));
		write_cr3(read_cr3());
		for (u64 i = 0; i < ARRAY_SIZE(pages); i++)
			GUEST_ASSERT(try_read(WINDOW_PAGE(pages[i])) == VECTOR_PF);
	}
}

MINIVMX_TEST(string_store_over_whole_tables, guest_fills_tables)
{
	run_to_done(vcpu);
}

/* A table copied over another, both in use. */
static void guest_copies_table(void)
{
	volatile u64 *from = window_pts[0].words, *to = window_pts[1].words;
	u64 count = PAGE_4K;

	open_window();
	for (u64 n = 0; n < ENTRIES; n++) {
		map_page(n, n % 3 ? &page_a : &page_b);
		map_page(ENTRIES + n, &page_a);
	}
	for (u64 n = 0; n < 2 * ENTRIES; n += 37)
		(void)read_at(WINDOW_PAGE(n));
	asm volatile("rep movsb"
		     : "+c"(count), "+D"(to), "+S"(from) : : "memory");
	write_cr3(read_cr3());
	for (u64 n = 0; n < ENTRIES; n++)
		GUEST_ASSERT(shows(ENTRIES + n, n % 3 ? &page_a : &page_b));
}

MINIVMX_TEST(table_copied_over_a_table, guest_copies_table)
{
	run_to_done(vcpu);
}

/* -------------------------------------------------------------------- aliases */

/* A table seen through a page of the window itself. */
static void guest_writes_through_alias(void)
{
	const u64 alias = WINDOW_PAGE(7) + 5 * 8;

	open_window();
	map_page(5, &page_a);
	GUEST_ASSERT(shows(5, &page_a));
	map_page(7, &window_pts[0]);
	GUEST_ASSERT((read_at(alias) & ~PTE_A) == entry_for(&page_a));
	for (int i = 0; i < 10; i++) {
		const struct page *page = i % 2 ? &page_a : &page_b;

		write_at(alias, entry_for(page));
		invalidate(WINDOW_PAGE(5));
		GUEST_ASSERT(shows(5, page));
		GUEST_ASSERT((window_pts[0].words[5] & ~PTE_A) == entry_for(page));
	}
	/* The entry through which it writes, by itself. */
	write_at(WINDOW_PAGE(7) + 7 * 8, 0);
	invalidate(WINDOW_PAGE(7));
	GUEST_ASSERT(try_read(alias) == VECTOR_PF);
}

MINIVMX_TEST(write_through_an_alias, guest_writes_through_alias)
{
	run_to_done(vcpu);
}

/* A table that was mapped writable, and written as data, before it was one. */
static void guest_makes_data_a_table(void)
{
	open_window();
	map_page(3, &window_pts[1]);
	for (u64 n = 0; n < ENTRIES; n++)
		write_at(WINDOW_PAGE(3) + 8 * n, entry_for(&page_a));
	for (u64 n = 0; n < ENTRIES; n++)
		GUEST_ASSERT(shows(ENTRIES + n, &page_a));
	for (u64 n = 0; n < ENTRIES; n += 5) {
		write_at(WINDOW_PAGE(3) + 8 * n, entry_for(&page_b));
		invalidate(WINDOW_PAGE(ENTRIES + n));
	}
	for (u64 n = 0; n < ENTRIES; n++)
		GUEST_ASSERT(shows(ENTRIES + n, n % 5 ? &page_a : &page_b));
}

MINIVMX_TEST(data_becomes_a_table, guest_makes_data_a_table)
{
	run_to_done(vcpu);
}

/* By pages of 2 MiB: the memory of the program, once more behind the window. */
static void guest_writes_through_large_alias(void)
{
	const u64 large = WINDOW + 8 * PAGE_2M;
	const u64 alias = large + (uintptr_t)&window_pts[0].words[5];

	open_window();
	for (u64 i = 0; i < GUEST_MEMORY / PAGE_2M; i++)
		window_pd.words[8 + i] = (i * PAGE_2M) | PTE_FLAGS | PTE_PS;
	map_page(5, &page_a);
	GUEST_ASSERT(shows(5, &page_a));
	for (int i = 0; i < 10; i++) {
		const struct page *page = i % 2 ? &page_a : &page_b;

		write_at(alias, entry_for(page));
		invalidate(WINDOW_PAGE(5));
		GUEST_ASSERT(shows(5, page));
	}
}

MINIVMX_TEST(write_through_a_large_alias, guest_writes_through_large_alias)
{
	run_to_done(vcpu);
}

/* A root that is its own entry: all tables at linear addresses. */
#define SELF	510UL
#define SELF_AT(a, b, c, offset)					\
	(~0UL << 48 | SELF << 39 | (a) << 30 | (b) << 21 | (c) << 12 | (offset))

static void guest_maps_its_root(void)
{
	struct page *pml4 = (struct page *)GUEST_PML4;
	const u64 slot = WINDOW >> 39;
	const u64 pte = SELF_AT(slot, 0UL, 0UL, 5 * 8);
	const u64 pde = SELF_AT(SELF, slot, 0UL, 0);
	const u64 pml4e = SELF_AT(SELF, SELF, SELF, slot * 8);

	open_window();
	pml4->words[SELF] = entry_for(pml4);
	map_page(5, &page_a);
	map_page(ENTRIES + 5, &page_b);
	GUEST_ASSERT(shows(5, &page_a));
	GUEST_ASSERT((read_at(pte) & ~PTE_A) == entry_for(&page_a));
	GUEST_ASSERT((read_at(pml4e) & ~PTE_A) == entry_for(&window_pdpt));
	for (int i = 0; i < 6; i++) {
		const struct page *page = i % 2 ? &page_a : &page_b;

		write_at(pte, entry_for(page));
		invalidate(WINDOW_PAGE(5));
		GUEST_ASSERT(shows(5, page));
		write_at(pde, entry_for(&window_pts[1]));
		write_cr3(read_cr3());
		GUEST_ASSERT(shows(5, &page_b));
		write_at(pde, entry_for(&window_pts[0]));
		write_cr3(read_cr3());
		GUEST_ASSERT(shows(5, page));
	}
	write_at(pml4e, 0);
	write_cr3(read_cr3());
	GUEST_ASSERT(try_read(WINDOW_PAGE(5)) == VECTOR_PF);
	GUEST_ASSERT(try_read(pte) == VECTOR_PF);
}

MINIVMX_TEST(root_maps_itself, guest_maps_its_root)
{
	run_to_done(vcpu);
}

/* One table at two places, and one page as tables of two levels. */
static void guest_uses_table_twice(void)
{
	open_window();
	window_pd.words[2] = entry_for(&window_pts[0]);
	map_page(5, &page_a);
	GUEST_ASSERT(shows(5, &page_a));
	GUEST_ASSERT(shows(2 * ENTRIES + 5, &page_a));
	window_pts[0].words[5] = entry_for(&page_b);
	invalidate(WINDOW_PAGE(5));
	invalidate(WINDOW_PAGE(2 * ENTRIES + 5));
	GUEST_ASSERT(shows(5, &page_b));
	GUEST_ASSERT(shows(2 * ENTRIES + 5, &page_b));
	/* As a table of the last level, the directory shows its own tables. */
	window_pd.words[3] = entry_for(&window_pd);
	GUEST_ASSERT((read_at(WINDOW_PAGE(3 * ENTRIES) + 5 * 8) & ~PTE_A) ==
		     entry_for(&page_b));
	write_at(WINDOW_PAGE(3 * ENTRIES) + 5 * 8, entry_for(&page_a));
	invalidate(WINDOW_PAGE(5));
	GUEST_ASSERT(shows(5, &page_a));
	/* And the directory's own entry through the directory. */
	write_at(WINDOW_PAGE(3 * ENTRIES + 3) + 8 * 4, entry_for(&window_pts[0]));
	GUEST_ASSERT(shows(4 * ENTRIES + 5, &page_a));
}

MINIVMX_TEST(table_used_twice, guest_uses_table_twice)
{
	run_to_done(vcpu);
}

/* ------------------------------------------------------------- from user mode */

static struct {
	volatile u64 *to;
	u64 value;
} user_job;

static void user_writes(void)
{
	*user_job.to = user_job.value;
}

static void guest_writes_as_user(void)
{
	open_window();
	open_program_to_users();
	map_page(5, &page_a);
	GUEST_ASSERT(shows(5, &page_a));
	for (int i = 0; i < 10; i++) {
		const struct page *page = i % 2 ? &page_a : &page_b;

		user_job.to = &window_pts[0].words[5];
		user_job.value = entry_for(page);
		run_as_user(user_writes);
		invalidate(WINDOW_PAGE(5));
		GUEST_ASSERT(shows(5, page));
	}
}

MINIVMX_TEST(write_from_user_mode, guest_writes_as_user)
{
	run_to_done(vcpu);
}

/* ------------------------------------------------------- INS, and the program */

static void guest_reads_entry_from_port(void)
{
	volatile u64 *to = &window_pts[0].words[5];
	u64 count = 2;

	open_window();
	map_page(5, &page_a);
	GUEST_ASSERT(shows(5, &page_a));
	asm volatile("rep insl" : "+D"(to), "+c"(count) : "d"(0x40) : "memory");
	invalidate(WINDOW_PAGE(5));
	GUEST_ASSERT(shows(5, &page_b));
	/* From nothing to something: no invalidation. */
	window_pts[0].words[6] = 0;
	GUEST_ASSERT(try_read(WINDOW_PAGE(6)) == VECTOR_PF);
	to = &window_pts[0].words[6];
	count = 2;
	asm volatile("rep insl" : "+D"(to), "+c"(count) : "d"(0x40) : "memory");
	GUEST_ASSERT(shows(6, &page_b));
}

MINIVMX_TEST(string_input_into_a_table, guest_reads_entry_from_port)
{
	const u64 entry = entry_for(&page_b);

	for (int i = 0; i < 4; i++) {
		run_to_exit(vcpu, EXIT_IO);
		ASSERT_EQ(0x40, run->io.port) TH_LOG("%s", describe_exit(vcpu));
		run->io.data = i % 2 ? entry >> 32 : entry;
	}
	run_to_done(vcpu);
}

static void guest_reports_window(void)
{
	open_window();
	map_page(5, &page_a);
	for (;;)
		GUEST_SYNC(read_at(WINDOW_PAGE(5)));
}

/* What the program changes counts from the next MINIVMX_SET_SREGS on. */
MINIVMX_TEST(program_changes_tables, guest_reports_window)
{
	struct page *tables = *guest_copy(vm, window_pts);
	struct minivmx_sregs sregs;

	run_to_sync(vcpu, (uintptr_t)&page_a);
	for (int i = 0; i < 10; i++) {
		const struct page *page = i % 2 ? &page_a : &page_b;

		tables[0].words[5] = entry_for(page);
		sregs = get_sregs(vcpu);
		set_sregs(vcpu, &sregs);
		run_to_sync(vcpu, (uintptr_t)page);
	}
	guest_copy(vm, window_pd)->words[0] = 0;
	sregs = get_sregs(vcpu);
	set_sregs(vcpu, &sregs);
	vcpu_run(vcpu);
	EXPECT_EQ(UCALL_FAULT, get_ucall(vcpu)) TH_LOG("%s", describe_exit(vcpu));
	EXPECT_EQ((u64)VECTOR_PF << 32, run->regs.rdi);
	EXPECT_EQ(WINDOW_PAGE(5), get_sregs(vcpu).cr2);
}

/* ------------------------------------------------- a page that was a table once */

static void guest_leaves_a_table(void)
{
	open_window();
	map_page(ENTRIES + 5, &page_a);
	GUEST_ASSERT(shows(ENTRIES + 5, &page_a));
	window_pd.words[1] = 0;
	write_cr3(read_cr3());
	GUEST_SYNC(1);
	for (u64 i = 0; i < 1000; i++)
		window_pts[1].words[i % ENTRIES] = i;
	GUEST_SYNC(2);
	/* It can become one again. */
	for (u64 i = 0; i < ENTRIES; i++)
		window_pts[1].words[i] = entry_for(&page_b);
	window_pd.words[1] = entry_for(&window_pts[1]);
	for (u64 i = 0; i < ENTRIES; i++)
		GUEST_ASSERT(shows(ENTRIES + i, &page_b));
	map_page(ENTRIES + 5, &page_a);
	GUEST_ASSERT(shows(ENTRIES + 5, &page_a));
}

MINIVMX_TEST(former_table_does_not_trap, guest_leaves_a_table)
{
	struct minivmx_stats before, after;

	run_to_sync(vcpu, 1);
	before = get_stats(vm);
	run_to_sync(vcpu, 2);
	after = get_stats(vm);
	EXPECT_GE(10, after.out_table_writes - before.out_table_writes);
	run_to_done(vcpu);
}

/* Still linked, but used as data only: it must not trap for ever either. */
static void guest_writes_table_as_data(void)
{
	open_window();
	map_page(ENTRIES + 5, &page_a);
	GUEST_ASSERT(shows(ENTRIES + 5, &page_a));
	GUEST_SYNC(1);
	for (u64 i = 0; i < 1000; i++)
		window_pts[1].words[100 + i % 100] = i << 1;
	GUEST_SYNC(2);
	GUEST_ASSERT(shows(ENTRIES + 5, &page_a));
	map_page(ENTRIES + 5, &page_b);
	GUEST_ASSERT(shows(ENTRIES + 5, &page_b));
}

MINIVMX_TEST(table_written_as_data, guest_writes_table_as_data)
{
	struct minivmx_stats before, after;

	run_to_sync(vcpu, 1);
	before = get_stats(vm);
	run_to_sync(vcpu, 2);
	after = get_stats(vm);
	EXPECT_GE(100, after.out_table_writes - before.out_table_writes);
	run_to_done(vcpu);
}

TEST_HARNESS_MAIN
