// SPDX-License-Identifier: GPL-2.0
/*
 * What a guest and its program see of shadow paging: registers that read as they
 * were written, what is not offered, memory that is missing where the guest's
 * tables need it, and what is counted. Under EPT the same guests run, and the
 * counts are zero.
 */
#include <cpuid.h>

#include "minivmx_harness.h"
#include "registers.h"
#include "window.h"

#define BASE		(64 * MIB)
#define HOLE		(96 * MIB)

#define CR0_WP		BIT(16)
#define CR4_PGE		BIT(7)
#define CR4_LA57	BIT(12)
#define CR4_PCIDE	BIT(17)
#define CR4_SMEP	BIT(20)
#define CR4_PKE		BIT(22)
#define CR3_PWT_PCD	0x18UL

#define LEAF1_ECX_PCID	BIT(17)
#define LEAF7_ECX_PKU	BIT(3)
#define LEAF7_ECX_LA57	BIT(16)
#define LEAF7_EBX_SMEP	BIT(7)

/* ---------------------------------------------------------------- registers */

static u64 try_cr3(u64 value)
{
	struct gprs gprs = { .a = value };

	return GUEST_TRY("movq %%rax, %%cr3", &gprs);
}

static struct gprs cpuid(u32 leaf)
{
	struct gprs gprs = { .a = leaf };

	asm volatile("cpuid"
		     : "+a"(gprs.a), "=b"(gprs.b), "+c"(gprs.c), "=d"(gprs.d));
	return gprs;
}

static struct page other_root;

static void copy_root(struct page *to)
{
	const struct page *root = (struct page *)GUEST_PML4;

	for (int i = 0; i < ENTRIES; i++)
		to->words[i] = root->words[i];
}

static void guest_writes_registers(void)
{
	const u64 cr0 = read_cr0(), cr4 = read_cr4();

	/* Every register by way of another general register. */
	copy_root(&other_root);
	asm volatile("movq %0, %%cr3" : : "r"((uintptr_t)&other_root | CR3_PWT_PCD));
	GUEST_ASSERT(read_cr3() == ((uintptr_t)&other_root | CR3_PWT_PCD));
	GUEST_SYNC(1);
	asm volatile("movq %0, %%r13; movq %%r13, %%cr3; movq %%cr3, %%r14\n\t"
		     "movq %%r14, %1"
		     : : "r"(GUEST_PML4), "m"(other_root.words[1])
		     : "r13", "r14", "memory");
	GUEST_ASSERT(other_root.words[1] == GUEST_PML4);
	asm volatile("movq %0, %%cr0" : : "r"(cr0 & ~CR0_WP));
	GUEST_ASSERT(read_cr0() == (cr0 & ~CR0_WP));
	GUEST_SYNC(2);
	asm volatile("movq %0, %%cr0" : : "r"(cr0));
	asm volatile("movq %0, %%cr4" : : "r"(cr4 | CR4_PGE));
	GUEST_ASSERT(read_cr4() == (cr4 | CR4_PGE));
	GUEST_SYNC(3);
	asm volatile("movq %0, %%cr4" : : "r"(cr4));
	GUEST_ASSERT(read_cr0() == cr0);
	GUEST_ASSERT(read_cr4() == cr4);
}

MINIVMX_TEST(registers_read_as_written, guest_writes_registers)
{
	const struct minivmx_sregs first = get_sregs(vcpu);
	struct minivmx_sregs now;

	run_to_sync(vcpu, 1);
	EXPECT_EQ((uintptr_t)&other_root | CR3_PWT_PCD, get_sregs(vcpu).cr3);
	run_to_sync(vcpu, 2);
	EXPECT_EQ(first.cr0 & ~CR0_WP, get_sregs(vcpu).cr0);
	EXPECT_EQ(GUEST_PML4, get_sregs(vcpu).cr3);
	run_to_sync(vcpu, 3);
	EXPECT_EQ(first.cr4 | CR4_PGE, get_sregs(vcpu).cr4);
	run_to_done(vcpu);
	now = get_sregs(vcpu);
	EXPECT_EQ(first.cr0, now.cr0);
	EXPECT_EQ(first.cr3, now.cr3);
	EXPECT_EQ(first.cr4, now.cr4);
	EXPECT_EQ(first.efer, now.efer);
}

static void guest_looks_for_features(void)
{
	const u64 cr4 = read_cr4();
	struct gprs leaf7 = { 0 };

	if (cpuid(0).a >= 7)
		leaf7 = cpuid(7);
	GUEST_ASSERT(!(cpuid(1).c & LEAF1_ECX_PCID));
	GUEST_ASSERT(!(leaf7.c & LEAF7_ECX_PKU));
	GUEST_ASSERT(!(leaf7.c & LEAF7_ECX_LA57));
	GUEST_ASSERT(try_cr4(cr4 | CR4_PCIDE) == VECTOR_GP);
	GUEST_ASSERT(try_cr4(cr4 | CR4_LA57) == VECTOR_GP);
	GUEST_ASSERT(try_cr4(cr4 | CR4_PKE) == VECTOR_GP);
	/* Bit 63 means something with PCID only. */
	GUEST_ASSERT(try_cr3(read_cr3() | BIT(63)) == VECTOR_GP);
	GUEST_ASSERT(try_cr4(cr4 | CR4_SMEP) ==
		     (leaf7.b & LEAF7_EBX_SMEP ? NO_FAULT : VECTOR_GP));
}

MINIVMX_TEST(features_that_are_hidden, guest_looks_for_features)
{
	run_to_done(vcpu);
}

/* ------------------------------------------------------- what is not offered */

static void guest_syncs(void)
{
	for (;;)
		GUEST_SYNC(7);
}

static void expect_refusal(struct __test_metadata *_metadata,
			   const struct vcpu *vcpu)
{
	run_to_exit(vcpu, MINIVMX_EXIT_INTERNAL);
	EXPECT_NE(NULL, memchr(vcpu->run->cause, 0, sizeof(vcpu->run->cause)));
	EXPECT_NE(NULL, strstr(vcpu->run->cause, "real mode"))
		TH_LOG("cause: '%s'", vcpu->run->cause);
}

#define ABOUT_SHADOW	"not with EPT: this is about shadow paging"

TEST_F(vm, real_mode_is_refused)
{
	if (uses_ept(&self->vm))
		SKIP(return, ABOUT_SHADOW);
	for (int i = 0; i < 2; i++)
		expect_refusal(_metadata, &self->vm.vcpu);
	/* Nothing is lost by asking. */
	start_guest(&self->vm, guest_syncs);
	run_to_sync(&self->vm.vcpu, 7);
}

GUEST_BLOB(leaves_protected_mode, 32,
	   "	mov	%cr0, %eax\n"
	   "	and	$~1, %eax\n"
	   "	mov	%eax, %cr0\n"
	   "	hlt\n");

TEST_F(vm, way_to_real_mode_is_refused)
{
	struct vm *vm = &self->vm;

	if (uses_ept(vm))
		SKIP(return, ABOUT_SHADOW);
	start_protected(vm, leaves_protected_mode);
	expect_refusal(_metadata, &vm->vcpu);
	EXPECT_EQ(1, get_sregs(&vm->vcpu).cr0 & 1);
}

GUEST_BLOB(sets_smep, 32,
	   "	mov	%cr4, %eax\n"
	   "	or	$0x100000, %eax\n"
	   "	mov	%eax, %cr4\n"
	   "	mov	%cr4, %eax\n"
	   "	outl	%eax, $0x55\n"
	   "	hlt\n");

/* Without paging there are no pages of users that SMEP could be about. */
TEST_F(vm, smep_without_paging)
{
	struct vm *vm = &self->vm;

	if (cpuid(0).a < 7 || !(cpuid(7).b & LEAF7_EBX_SMEP))
		SKIP(return, "needs a CPU with SMEP");
	start_protected(vm, sets_smep);
	run_to_exit(&vm->vcpu, EXIT_IO);
	EXPECT_EQ(CR4_SMEP, vm->vcpu.run->io.data & CR4_SMEP);
	run_to_exit(&vm->vcpu, EXIT_HLT);
	EXPECT_EQ(CR4_SMEP, get_sregs(&vm->vcpu).cr4 & CR4_SMEP);
}

MINIVMX_TEST(second_vcpu_is_refused, guest_syncs)
{
	if (has_several_vcpus(vm))
		SKIP(return, "not where a VM can have several");
	for (u32 id = 1; id < get_info(vm->device).out_max_vcpus; id++)
		test_err(EOPNOTSUPP, vm->fd, MINIVMX_CREATE_VCPU,
			 ARG(create_vcpu, .id = id));
	test_err(EEXIST, vm->fd, MINIVMX_CREATE_VCPU, ARG(create_vcpu, .id = 0));
	run_to_sync(vcpu, 7);
}

/* ----------------------------------------- tables in memory that is not there */

static void expect_memory_exit(struct __test_metadata *_metadata,
			       const struct vcpu *vcpu, u64 gpa, u32 access)
{
	run_to_exit(vcpu, MINIVMX_EXIT_MEMORY);
	EXPECT_EQ(gpa, vcpu->run->memory.gpa);
	EXPECT_EQ(access, vcpu->run->memory.access & access);
}

static u64 table_of_window;

/* Reads pages of the window, whose table is where the program says. */
static void guest_reads_window(void)
{
	open_window();
	window_pd.words[0] = table_of_window | PTE_FLAGS;
	for (;;) {
		GUEST_SYNC(read_at(WINDOW_PAGE(5)));
		invalidate(WINDOW_PAGE(5));
	}
}

/* The table itself is missing, then comes, then goes under the guest. */
MINIVMX_TEST(table_in_a_hole, guest_reads_window)
{
	u64 *table;

	*guest_copy(vm, table_of_window) = HOLE;
	for (int i = 0; i < 2; i++) {
		expect_memory_exit(_metadata, vcpu, HOLE + 5 * 8,
				   MINIVMX_ACCESS_READ);
		EXPECT_EQ(WINDOW_PAGE(5), run->linear_address);
	}
	for (int round = 0; round < 3; round++) {
		map_memory(vm, HOLE, PAGE_4K, 0);
		table = mmap_memory(vm, HOLE, PAGE_4K);
		table[5] = entry_for(&page_a);
		run_to_sync(vcpu, (uintptr_t)&page_a);
		run_to_sync(vcpu, (uintptr_t)&page_a);
		EXPECT_EQ(PTE_A, table[5] & PTE_A);
		munmap(table, PAGE_4K);
		unmap_memory(vm, HOLE, PAGE_4K);
		expect_memory_exit(_metadata, vcpu, HOLE + 5 * 8,
				   MINIVMX_ACCESS_READ);
	}
	/* Mapped anew it is zeroed: nothing is present there. */
	map_memory(vm, HOLE, PAGE_4K, 0);
	vcpu_run(vcpu);
	EXPECT_EQ(UCALL_FAULT, get_ucall(vcpu)) TH_LOG("%s", describe_exit(vcpu));
	EXPECT_EQ((u64)VECTOR_PF << 32, run->regs.rdi);
}

/* A table in read-only memory serves as long as no flag is to be set. */
MINIVMX_TEST(table_in_read_only_memory, guest_reads_window)
{
	u64 *table;

	map_memory(vm, BASE, PAGE_4K, MINIVMX_MAP_READONLY);
	table = mmap_memory(vm, BASE, PAGE_4K);
	table[5] = entry_for(&page_a) | PTE_A | PTE_D;
	*guest_copy(vm, table_of_window) = BASE;
	for (int i = 0; i < 3; i++)
		run_to_sync(vcpu, (uintptr_t)&page_a);
	EXPECT_EQ(entry_for(&page_a) | PTE_A | PTE_D, table[5]);
}

/* An accessed flag that cannot be set is a write to read-only memory. */
MINIVMX_TEST(flag_in_read_only_memory, guest_reads_window)
{
	u64 *table;

	map_memory(vm, BASE, PAGE_4K, MINIVMX_MAP_READONLY);
	table = mmap_memory(vm, BASE, PAGE_4K);
	table[5] = entry_for(&page_a);
	*guest_copy(vm, table_of_window) = BASE;
	vcpu_run(vcpu);
	/* The guest's own writes to such memory are refused: memory_test. */
	if (uses_ept(vm) && table[5] & PTE_A)
		SKIP(return, "this CPU, an emulator, sets flags past EPT");
	expect_memory_exit(_metadata, vcpu, BASE + 5 * 8, MINIVMX_ACCESS_WRITE);
	EXPECT_EQ(entry_for(&page_a), table[5]);
}

static void guest_string_io(void)
{
	u64 at = WINDOW_PAGE(5);

	open_window();
	window_pd.words[0] = table_of_window | PTE_FLAGS;
	asm volatile("outsb" : "+S"(at) : "d"(0x30) : "memory");
	asm volatile("insb" : "+D"(at) : "d"(0x30) : "memory");
}

/* INS may exit for its port before it comes to its memory. */
static void run_past_input(const struct vcpu *vcpu)
{
	struct minivmx_run *run = vcpu->run;

	do {
		run->io.data = 0x77;
		vcpu_run(vcpu);
	} while (run->reason == EXIT_IO && run->io.flags & MINIVMX_IO_IN);
}

/* The driver's own walks, for string I/O, stop at such a flag, too. */
MINIVMX_TEST(string_io_by_a_table_in_read_only_memory, guest_string_io)
{
	u64 *table;

	map_memory(vm, BASE, PAGE_4K, MINIVMX_MAP_READONLY);
	table = mmap_memory(vm, BASE, PAGE_4K);
	table[5] = entry_for(&page_a);
	*guest_copy(vm, table_of_window) = BASE;
	for (int i = 0; i < 2; i++)
		expect_memory_exit(_metadata, vcpu, BASE + 5 * 8,
				   MINIVMX_ACCESS_WRITE);
	EXPECT_EQ(entry_for(&page_a), table[5]);
	table[5] |= PTE_A;
	run_to_exit(vcpu, EXIT_IO);
	EXPECT_FALSE(run->io.flags & MINIVMX_IO_IN);
	run_past_input(vcpu);
	EXPECT_EQ(MINIVMX_EXIT_MEMORY, run->reason);
	EXPECT_EQ(BASE + 5 * 8, run->memory.gpa);
	EXPECT_EQ(MINIVMX_ACCESS_WRITE, run->memory.access);
	table[5] |= PTE_D;
	run_past_input(vcpu);
	EXPECT_EQ(UCALL_DONE, get_ucall(vcpu)) TH_LOG("%s", describe_exit(vcpu));
	EXPECT_EQ(0x77, ((u8 *)guest_copy(vm, page_a))[1]);
}

/* Tables in memory that nobody touched yet are zero, and no exit. */
MINIVMX_TEST(table_in_fresh_memory, guest_reads_window)
{
	map_memory(vm, BASE, PAGE_4K, 0);
	*guest_copy(vm, table_of_window) = BASE;
	vcpu_run(vcpu);
	EXPECT_EQ(UCALL_FAULT, get_ucall(vcpu)) TH_LOG("%s", describe_exit(vcpu));
	EXPECT_EQ((u64)VECTOR_PF << 32, run->regs.rdi);
	EXPECT_EQ(WINDOW_PAGE(5), get_sregs(vcpu).cr2);
}

static void guest_writes_window(void)
{
	open_window();
	map_page(0, &page_a);
	for (;;) {
		GUEST_SYNC(read_at(WINDOW_PAGE(5)));
		write_at(WINDOW_PAGE(5), 3);
	}
}

/* A page behind tables of the guest's own: fresh, read-only, then removed. */
MINIVMX_TEST(page_behind_tables, guest_writes_window)
{
	u64 *page;

	guest_copy(vm, window_pts[0])->words[5] = BASE | PTE_FLAGS;
	map_memory(vm, BASE, PAGE_4K, 0);
	run_to_sync(vcpu, 0);
	run_to_sync(vcpu, 3);
	unmap_memory(vm, BASE, PAGE_4K);
	expect_memory_exit(_metadata, vcpu, BASE, MINIVMX_ACCESS_WRITE);

	map_memory(vm, BASE, PAGE_4K, MINIVMX_MAP_READONLY);
	expect_memory_exit(_metadata, vcpu, BASE, MINIVMX_ACCESS_WRITE);
	page = mmap_memory(vm, BASE, PAGE_4K);
	page[0] = 9;
	/* The write is left out. */
	run->regs.rip = (uintptr_t)guest_writes_window;
	run_to_sync(vcpu, 9);
	expect_memory_exit(_metadata, vcpu, BASE, MINIVMX_ACCESS_WRITE);
	EXPECT_EQ(9, page[0]);
}

/* ----------------------------------------------------------------- PAE paging */

/*
 * A load of CR3 reads the four entries of the first level into registers: what
 * is in memory counts from the next load on, and bits that are reserved raise
 * #GP then. Page directories at 21000H, 22000H and 23000H map 2 MiB at 0, 2 MiB
 * and 4 MiB.
 */
GUEST_BLOB(pae_guest, 32,
	   "	movl	$0x21001, 0x20000\n"
	   "	movl	$0x22001, 0x20018\n"
	   "	movl	$0x83, 0x21000\n"
	   "	movl	$0x200083, 0x22000\n"
	   "	movl	$0x400083, 0x23000\n"
	   "	mov	%cr4, %eax\n"
	   "	or	$0x20, %eax\n"
	   "	mov	%eax, %cr4\n"
	   "	mov	$0x20000, %ebx\n"
	   "	mov	%ebx, %cr3\n"
	   "	mov	%cr0, %eax\n"
	   "	or	$0x80000000, %eax\n"
	   "	mov	%eax, %cr0\n"
	   "	mov	0xc0000000, %eax\n"
	   "	outl	%eax, $0x55\n"
	   "	movl	$0x23001, 0x20018\n"
	   "	invlpg	0xc0000000\n"
	   "	mov	0xc0000000, %eax\n"
	   "	outl	%eax, $0x55\n"
	   "	mov	%ebx, %cr3\n"
	   "	mov	0xc0000000, %eax\n"
	   "	outl	%eax, $0x55\n"
	   "	movl	$0x200083, 0x23000\n"
	   "	invlpg	0xc0000000\n"
	   "	mov	0xc0000000, %eax\n"
	   "	outl	%eax, $0x55\n"
	   "	movl	$0x23003, 0x20018\n"
	   "	mov	0xc0000000, %eax\n"
	   "	outl	%eax, $0x55\n"
	   "1:	mov	%ebx, %cr3\n"
	   "	hlt\n");

TEST_F(vm, pae_pointers_are_registers)
{
	const u32 expected[] = { 'A', 'A', 'B', 'A', 'A' };
	struct vm *vm = &self->vm;
	struct vcpu *vcpu = &vm->vcpu;

	start_protected(vm, pae_guest);
	vm->memory[PAGE_2M] = 'A';
	vm->memory[2 * PAGE_2M] = 'B';
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		run_to_exit(vcpu, EXIT_IO);
		EXPECT_EQ(expected[i], vcpu->run->io.data) TH_LOG("read %zu", i);
	}
	/* There is no handler of #GP, nor one of what comes of that. */
	run_to_exit(vcpu, EXIT_TRIPLE_FAULT);
	EXPECT_EQ(GUEST_BLOB_BASE + (pae_guest_end - pae_guest) - 4,
		  vcpu->run->regs.rip);
	EXPECT_EQ(0x20000, get_sregs(vcpu).cr3);
}

GUEST_BLOB(pae_guest_by_program, 32,
	   "	mov	0xc0000000, %eax\n"
	   "	outl	%eax, $0x55\n"
	   "	hlt\n");

/* The same registers, when the program sets them and turns paging on. */
TEST_F(vm, pae_pointers_from_the_program)
{
	struct vm *vm = &self->vm;
	struct vcpu *vcpu = &vm->vcpu;
	u64 *pointers = (void *)(vm->memory + 0x20000);
	struct minivmx_sregs sregs;

	start_protected(vm, pae_guest_by_program);
	pointers[0] = 0x21001;
	pointers[3] = 0x22001;
	*(u64 *)(vm->memory + 0x21000) = 0x83;
	*(u64 *)(vm->memory + 0x22000) = PAGE_2M | 0x83;
	vm->memory[PAGE_2M] = 'A';
	sregs = get_sregs(vcpu);
	sregs.cr3 = 0x20000;
	sregs.cr4 |= BIT(5);
	sregs.cr0 |= BIT(31);
	set_sregs(vcpu, &sregs);
	run_to_exit(vcpu, EXIT_IO);
	EXPECT_EQ('A', vcpu->run->io.data);
	/* What no CPU can have there fails the entry, by qualification 2. */
	pointers[3] |= BIT(1);
	set_sregs(vcpu, &sregs);
	run_to_exit(vcpu, EXIT_INVALID_GUEST);
	EXPECT_EQ(1, vcpu->run->entry_failure);
	EXPECT_EQ(2, vcpu->run->qualification);
}

/* ----------------------------------------------------------------- the counts */

#define TIMES	100

/* Loads CR3, invalidates, faults, and writes an entry, each so many times. */
static void guest_keeps_paging_busy(void)
{
	open_window();
	map_page(5, &page_a);
	(void)read_at(WINDOW_PAGE(5));
	GUEST_SYNC(1);
	for (int i = 0; i < TIMES; i++)
		write_cr3(read_cr3());
	(void)read_at(WINDOW_PAGE(5));
	GUEST_SYNC(2);
	for (int i = 0; i < TIMES; i++)
		invalidate(WINDOW_PAGE(5));
	GUEST_SYNC(3);
	for (int i = 0; i < TIMES; i++)
		GUEST_ASSERT(try_read(WINDOW_PAGE(6)) == VECTOR_PF);
	GUEST_SYNC(4);
	for (int i = 0; i < TIMES; i++) {
		map_page(5, i % 2 ? &page_a : &page_b);
		(void)read_at(WINDOW_PAGE(5));
	}
	GUEST_SYNC(5);
}

/* What was counted from one GUEST_SYNC() to the next. */
static struct minivmx_stats count_to_sync(const struct vm *vm, u64 value)
{
	struct minivmx_stats before = get_stats(vm), after;
	u64 *from = (u64 *)&before.out_runs, *to = (u64 *)&after.out_runs;

	run_to_sync(&vm->vcpu, value);
	after = get_stats(vm);
	for (size_t i = 0; i < (sizeof(after) - 8) / sizeof(*to); i++)
		to[i] -= from[i];
	return after;
}

MINIVMX_TEST(no_exits_with_ept, guest_keeps_paging_busy)
{
	struct minivmx_stats stats;

	if (!uses_ept(vm))
		SKIP(return, NEEDS_EPT);
	for (u64 phase = 1; phase <= 5; phase++)
		run_to_sync(vcpu, phase);
	stats = get_stats(vm);
	EXPECT_EQ(0, stats.out_exits[EXIT_CR_ACCESS]);
	EXPECT_EQ(0, stats.out_exits[EXIT_INVLPG]);
	EXPECT_EQ(0, stats.out_exits[EXIT_EXCEPTION]);
	EXPECT_EQ(0, stats.out_guest_faults);
	EXPECT_EQ(0, stats.out_shadow_misses);
	EXPECT_EQ(0, stats.out_table_writes);
	EXPECT_EQ(0, stats.out_syncs);
	EXPECT_EQ(0, stats.out_reclaims);
	EXPECT_EQ(0, stats.out_shadow_tables);
}

MINIVMX_TEST(three_kinds_of_faults, guest_keeps_paging_busy)
{
	const bool keeps = vm->mmu != MINIVMX_MMU_VTLB;
	const bool invalidates = !keeps || vm->mmu == MINIVMX_MMU_UNSYNC;
	struct minivmx_stats stats;

	if (uses_ept(vm))
		SKIP(return, ABOUT_SHADOW);
	stats = count_to_sync(vm, 1);
	EXPECT_LT(0, stats.out_shadow_misses);
	EXPECT_EQ(0, stats.out_guest_faults);
	EXPECT_LT(0, get_stats(vm).out_shadow_tables);

	/* A load of CR3: an exit each, and with vtlb the shadow is gone. */
	stats = count_to_sync(vm, 2);
	EXPECT_LE(TIMES, stats.out_exits[EXIT_CR_ACCESS]);
	EXPECT_EQ(0, stats.out_guest_faults);
	EXPECT_EQ(0, stats.out_table_writes);
	EXPECT_EQ(keeps, !stats.out_shadow_misses);
	EXPECT_LE(keeps ? 0 : TIMES, stats.out_shadow_misses);

	/* INVLPG: none where the shadow is always right. */
	stats = count_to_sync(vm, 3);
	EXPECT_EQ(invalidates ? TIMES : 0, stats.out_exits[EXIT_INVLPG]);
	EXPECT_EQ(0, stats.out_guest_faults);

	/* The guest's own faults, and nothing else. */
	stats = count_to_sync(vm, 4);
	EXPECT_EQ(TIMES, stats.out_guest_faults);
	EXPECT_EQ(TIMES, stats.out_injections);
	EXPECT_EQ(0, stats.out_table_writes);

	/* Writes to a table in use. */
	stats = count_to_sync(vm, 5);
	EXPECT_EQ(0, stats.out_guest_faults);
	switch (vm->mmu) {
	case MINIVMX_MMU_VTLB:
		EXPECT_EQ(0, stats.out_table_writes);
		break;
	case MINIVMX_MMU_UNSYNC:
		EXPECT_GT(TIMES / 10, stats.out_table_writes);
		break;
	default:
		EXPECT_EQ(TIMES, stats.out_table_writes);
		break;
	}
}

/* ---------------------------------------------------------- many address spaces */

#define SPACES		200
#define TABLES_EACH	4
#define SPACES_BASE	(64 * MIB)
/* 8 MiB is what the driver takes if nothing else is asked for; 12 KiB a table. */
#define MOST_TABLES	(8 * MIB / (3 * PAGE_4K))

static u64 rounds;

static struct page *space(u64 id)
{
	return (struct page *)SPACES_BASE + id * (TABLES_EACH + 1);
}

/* Tables of its own for the window, in which one page shows its number. */
static void make_space(u64 id)
{
	struct page *root = space(id);

	copy_root(root);
	for (u64 level = 0; level + 1 < TABLES_EACH; level++)
		root[level].words[level ? 0 : WINDOW >> 39] =
			entry_for(&root[level + 1]);
	root[TABLES_EACH - 1].words[0] = entry_for(&root[TABLES_EACH]);
	root[TABLES_EACH].words[0] = id;
}

static void switch_among_few(u64 switches)
{
	for (u64 i = 0; i < switches; i++) {
		write_cr3((uintptr_t)space(i % 5));
		GUEST_ASSERT(read_at(WINDOW) == i % 5 + (rounds << 16));
	}
}

static void guest_switches_spaces(void)
{
	for (u64 id = 0; id < SPACES; id++)
		make_space(id);
	for (rounds = 0; rounds < 3; rounds++) {
		for (u64 id = 0; id < SPACES; id++) {
			write_cr3((uintptr_t)space(id));
			GUEST_ASSERT(read_at(WINDOW) == id + (rounds << 16));
			write_at(WINDOW, id + ((rounds + 1) << 16));
		}
	}
	switch_among_few(5);
	GUEST_SYNC(1);
	switch_among_few(1000);
	GUEST_SYNC(2);
}

MINIVMX_TEST(many_address_spaces, guest_switches_spaces)
{
	struct minivmx_stats stats;

	map_memory(vm, SPACES_BASE, SPACES * (TABLES_EACH + 1) * PAGE_4K, 0);
	run_to_sync(vcpu, 1);
	stats = get_stats(vm);
	if (uses_ept(vm)) {
		EXPECT_EQ(0, stats.out_exits[EXIT_CR_ACCESS]);
		run_to_sync(vcpu, 2);
		return;
	}
	EXPECT_GE(MOST_TABLES, stats.out_shadow_tables);
	EXPECT_GE(3 * MOST_TABLES, stats.out_tables);
	if (vm->mmu != MINIVMX_MMU_VTLB)
		EXPECT_LT(0, stats.out_reclaims);
	stats = count_to_sync(vm, 2);
	/* Room is made ahead, once. */
	EXPECT_GE(2 * TABLES_EACH, stats.out_reclaims);
	EXPECT_LE(1000, stats.out_exits[EXIT_CR_ACCESS]);
	if (vm->mmu != MINIVMX_MMU_VTLB)
		EXPECT_EQ(0, stats.out_shadow_misses);
}

/* A guest that touches one page after the other needs a table for each 2 MiB. */
static void guest_roams(void)
{
	open_window();
	for (u64 i = 0; i < ENTRIES; i++)
		window_pd.words[i] = entry_for(&window_pts[0]);
	map_page(0, &page_a);
	for (u64 i = 0; i < ENTRIES; i++)
		window_pdpt.words[i] = entry_for(&window_pd);
	for (u64 round = 0; round < 3; round++) {
		for (u64 i = 0; i < ENTRIES; i++) {
			u64 address = WINDOW + (i << 30) + (i * 7 % ENTRIES << 21);

			GUEST_ASSERT(read_at(address) == (uintptr_t)&page_a);
		}
	}
	/* Large pages have no tables of the guest's: each takes one of its own. */
	for (u64 i = 0; i < ENTRIES; i++)
		window_pd.words[i] = PTE_FLAGS | PTE_PS;
	for (u64 i = 1; i < ENTRIES; i++)
		window_pdpt.words[i] = 0;
	write_cr3(read_cr3());
	for (u64 i = 0; i < ENTRIES; i++) {
		u64 address = WINDOW + i * PAGE_2M + (uintptr_t)&page_b;

		if ((uintptr_t)&page_b < PAGE_2M)
			GUEST_ASSERT(read_at(address) == (uintptr_t)&page_b);
		else
			(void)read_at(WINDOW + i * PAGE_2M + PAGE_4K);
	}
}

MINIVMX_TEST(one_large_address_space, guest_roams)
{
	run_to_done(vcpu);
	EXPECT_GE(MOST_TABLES, get_stats(vm).out_shadow_tables);
}

TEST_HARNESS_MAIN
