// SPDX-License-Identifier: GPL-2.0
/* The CPU of the stress test: modes, segments, invalidations, hypercalls. */
#include "guest.h"
#include "minivmx_pv.h"
#include "stress.h"

#define CR0_WP		(1UL << 16)
#define CR4_PGE		(1UL << 7)
#define CPUID_PGE	(1U << 13)	/* leaf 1, EDX */
#define IDT_GATE(dpl)	(0x8e00 | (dpl) << 13)

/* Where CPL 3 executes the stubs. */
#define USER_TEXT	((u64)STRESS_USER_SLOT << 39)

static const u8 *const stubs[STRESS_HOWS] = {
	[STRESS_LOAD]		= stress_stub_load,
	[STRESS_FETCH]		= stress_stub_fetch,
	[STRESS_MOV]		= stress_stub_mov,
	[STRESS_MOV_LOW_FIRST]	= stress_stub_mov_low_first,
	[STRESS_MOV_HIGH_FIRST]	= stress_stub_mov_high_first,
	[STRESS_MOVNTI]		= stress_stub_movnti,
	[STRESS_XCHG]		= stress_stub_xchg,
	[STRESS_CMPXCHG]	= stress_stub_cmpxchg,
	[STRESS_AND]		= stress_stub_and,
	[STRESS_OR]		= stress_stub_or,
	[STRESS_STOS]		= stress_stub_stos,
	[STRESS_MOVS]		= stress_stub_movs,
	[STRESS_STRADDLE]	= stress_stub_mov,
};

struct stress_cpu stress_cpu;

static u64 random_state, choice_state;

/* Regions that are to be invalidated before they are used again. */
static struct stress_region pending[STRESS_REGIONS];
static u32 pending_count;

static volatile u64 user_pdpt[512] __aligned(4096);
static volatile u64 user_pd[512] __aligned(4096);
static volatile u64 user_pt[512] __aligned(4096);

static u64 gdt[8] = {
	[ACCESS_CS >> 3]	= 0x00af9b000000ffff,
	[ACCESS_DS >> 3]	= 0x00cf93000000ffff,
	[ACCESS_USER_DS >> 3]	= 0x00cff3000000ffff,
	[ACCESS_USER_CS >> 3]	= 0x00affb000000ffff,
};

/* ---------------------------------------------------------- random numbers */

/* xorshift64* by Marsaglia and Vigna. */
static u32 draw(u64 *state, u32 limit)
{
	u64 x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return (x * 0x2545f4914f6cdd1dULL >> 32) % limit;
}

u32 stress_random(u32 limit)
{
	return draw(&random_state, limit);
}

u32 stress_choice(u32 limit)
{
	return draw(&choice_state, limit);
}

static void seed_random(u64 seed)
{
	/* Not 0, and different for neighbours. */
	random_state = (seed + 1) * 0x9e3779b97f4a7c15ULL | 1;
	choice_state = ~random_state | 1;
	for (u32 i = 0; i < 8; i++) {
		stress_random(2);
		stress_choice(2);
	}
}

/* ------------------------------------------------------------------- set up */

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

static void find_features(struct access_features *features)
{
	features->modes = ACCESS_WP | ACCESS_NXE;
	features->physical_bits = cpuid(0x80000008).a & 0xff;
	features->huge = cpuid(0x80000001).d & (1 << 26);
	features->pse36 = false;
}

static void set_gate(u32 vector, const u8 *code, u32 dpl)
{
	volatile u64 *gate = (u64 *)GUEST_IDT + 2 * vector;
	u64 offset = (uintptr_t)code;

	/* On the first interrupt stack. */
	gate[0] = (offset & 0xffff) | ACCESS_CS << 16 | 1UL << 32 |
		  (u64)IDT_GATE(dpl) << 32 | (offset & 0xffff0000) << 32;
	gate[1] = offset >> 32;
}

static void set_segments(void)
{
	const struct __packed {
		u16 limit;
		u64 base;
	} gdtr = { sizeof(gdt) - 1, (uintptr_t)gdt };

	asm volatile("lgdt %0" : : "m"(gdtr));
}

/*
 * The root's entries for the guest itself. Their accessed flags are set, lest a
 * root differ by when it was first in use.
 */
static void map_guest(u32 root)
{
	u64 *entry = &stress_memory[root * STRESS_FRAME_WORDS];

	entry[STRESS_IDENTITY_SLOT] = *(volatile u64 *)GUEST_PML4 | PTE_A;
	entry[STRESS_USER_SLOT] = (uintptr_t)user_pdpt | PTE_P | PTE_U | PTE_A;
}

static void set_cr4(u64 set, u64 clear)
{
	u64 cr4;

	asm volatile("mov %%cr4, %0" : "=r"(cr4));
	cr4 = (cr4 | set) & ~clear;
	asm volatile("mov %0, %%cr4" : : "r"(cr4) : "memory");
}

static s64 hypercall(u64 number, u64 first, u64 second)
{
	asm volatile("vmcall"
		     : "+a"(number)
		     : "b"(first), "c"(second) : "memory");
	return number;
}

void stress_cpu_init(struct access_features *features)
{
	find_features(features);
	seed_random(stress_report.seed);
	user_pdpt[0] = (uintptr_t)user_pd | PTE_P | PTE_U;
	user_pd[0] = (uintptr_t)user_pt | PTE_P | PTE_U;
	user_pt[0] = (uintptr_t)stress_stubs | PTE_P | PTE_U;
	for (u32 i = 0; i < STRESS_ROOTS; i++)
		map_guest(stress_root_frame(i));
	set_gate(14, stress_page_fault, 0);
	set_gate(STRESS_GATE, stress_gate, 3);
	set_segments();
	stress_cpu.mode = features->modes;
	stress_cpu.pge = stress_random(2) && (cpuid(1).d & CPUID_PGE);
	if (stress_cpu.pge)
		set_cr4(CR4_PGE, 0);
	stress_cpu.pv = hypercall(MINIVMX_PV_QUERY, 0, 0) > 0;
}

/* ------------------------------------------------------------ instructions */

void stress_execute(u32 how, bool user)
{
	const u8 *stub = stubs[how];

	if (user)
		stub = (const u8 *)(USER_TEXT + (stub - stress_stubs));
	stress_perform(stub, user);
}

static void load_cr3(void)
{
	u64 cr3 = stress_frame_address(stress_root_frame(stress_cpu.root));
	bool by_hypercall = !stress_choice(2);

	if (stress_cpu.pv && by_hypercall) {
		hypercall(MINIVMX_PV_SET_BASE, cr3, 0);
		stress_report.hypercalls++;
	} else {
		asm volatile("mov %0, %%cr3" : : "r"(cr3) : "memory");
	}
}

/* All translations, global ones, too. */
static void flush_globals(void)
{
	bool by_hypercall = !stress_choice(2);

	if (stress_cpu.pv && by_hypercall) {
		hypercall(MINIVMX_PV_FLUSH_ALL, 0, 0);
		stress_report.hypercalls++;
	} else if (stress_cpu.pge) {
		set_cr4(0, CR4_PGE);
		set_cr4(CR4_PGE, 0);
	} else {
		/* Either change flushes. */
		set_cr4(CR4_PGE, 0);
		set_cr4(0, CR4_PGE);
	}
	stress_cpu.globals = false;
}

static void flush_all(void)
{
	bool everything = !stress_choice(3);

	if (stress_cpu.globals || everything)
		flush_globals();
	else
		load_cr3();
	stress_cpu.lazy = false;
	pending_count = 0;
	stress_report.flushes++;
}

static void invalidate_page(u64 linear)
{
	bool by_hypercall = !stress_choice(3);

	stress_report.invlpgs++;
	if (stress_cpu.pv && by_hypercall) {
		hypercall(MINIVMX_PV_FLUSH_ONE, linear, 0);
		stress_report.hypercalls++;
	} else {
		asm volatile("invlpg (%0)" : : "r"(linear) : "memory");
	}
}

void stress_load_root(u32 number)
{
	stress_cpu.root = number;
	load_cr3();
	if (stress_cpu.globals)
		flush_globals();
	stress_cpu.lazy = false;
	pending_count = 0;
}

void stress_set_wp(bool set)
{
	u64 cr0;

	asm volatile("mov %%cr0, %0" : "=r"(cr0));
	cr0 = set ? cr0 | CR0_WP : cr0 & ~CR0_WP;
	asm volatile("mov %0, %%cr0" : : "r"(cr0) : "memory");
	stress_cpu.mode = set ? stress_cpu.mode | ACCESS_WP
			      : stress_cpu.mode & ~ACCESS_WP;
}

static void invalidate_region(const struct stress_region *region)
{
	if (!region->pointer) {
		invalidate_page(region->linear);
	} else if (region->level == 2) {
		for (u32 i = 0; i < STRESS_SLOTS; i++)
			invalidate_page(region->linear |
					(u64)stress_slots[i] << 12);
	} else {
		flush_all();
	}
}

static bool is_in(u64 linear, const struct stress_region *region)
{
	return !((linear ^ region->linear) >> (12 + 9 * (region->level - 1)));
}

void stress_settle(u64 linear)
{
	for (u32 i = 0; i < pending_count;) {
		const struct stress_region region = pending[i];

		if (!is_in(linear, &region)) {
			i++;
			continue;
		}
		pending[i] = pending[--pending_count];
		invalidate_region(&region);
	}
}

/* Nobody has to invalidate what is not used again. */
static void defer(const struct stress_region *region)
{
	if (pending_count == STRESS_REGIONS)
		flush_all();
	else
		pending[pending_count++] = *region;
}

void stress_invalidate(const struct stress_stale *stale)
{
	if (stale->lazy)
		stress_cpu.lazy = true;
	if (stale->all || (stale->count && !stress_choice(32))) {
		flush_all();
		return;
	}
	for (u32 i = 0; i < stale->count; i++) {
		if (stress_choice(2))
			invalidate_region(&stale->region[i]);
		else
			defer(&stale->region[i]);
	}
}

bool stress_hypercall(const u32 *word, const u64 *value, u32 count)
{
	static struct minivmx_pv_update update[STRESS_SLOTS];

	if (!stress_cpu.pv)
		return false;
	for (u32 i = 0; i < count; i++) {
		update[i].gpa = STRESS_ARENA + 8 * word[i];
		update[i].value = value[i];
	}
	stress_report.hypercalls++;
	GUEST_ASSERT(hypercall(MINIVMX_PV_UPDATE, (uintptr_t)update, count) == count);
	return true;
}
