// SPDX-License-Identifier: GPL-2.0
/*
 * EPT violations: each kind of access to each kind of memory, with 4 KiB and
 * 2 MiB pages; what the CPU says in the exit qualification, and what the driver
 * makes of it. With shadow paging the same is a page fault: what is no matter of
 * EPT alone must come out the same.
 */
#include "minivmx_harness.h"

#define BASE		(64 * MIB)
#define HOLE		(96 * MIB)

/* SDM Vol. 3C, "Exit Qualification for EPT Violations". */
#define QUAL_READ	BIT(0)
#define QUAL_WRITE	BIT(1)
#define QUAL_FETCH	BIT(2)
#define QUAL_READABLE	BIT(3)
#define QUAL_WRITABLE	BIT(4)
#define QUAL_EXECUTABLE	BIT(5)
#define QUAL_LINEAR	BIT(7)	/* the linear address is valid */
#define QUAL_FINAL	BIT(8)	/* the access was to its translation */
/* Bits 11:9 and what is above depend on features that the driver leaves off. */
#define QUAL_MASK	0x1ffUL
#define QUAL_USUAL	(QUAL_LINEAR | QUAL_FINAL)

#define RETURN		0xc3	/* RET, for guests that call into a page */

static struct {
	volatile u64 *address;
} job;

#define set_address(vm, at)						\
	(guest_copy(vm, job)->address = (volatile u64 *)(uintptr_t)(at))

static void guest_read(void)
{
	(void)*((volatile typeof(job) *)&job)->address;
}

static void guest_write(void)
{
	*((volatile typeof(job) *)&job)->address = 1;
}

static void guest_read_modify_write(void)
{
	u64 value = 1;

	asm volatile("xchgq %0, (%1)"
		     : "+r"(value)
		     : "r"(((volatile typeof(job) *)&job)->address) : "memory");
}

static void guest_fetch(void)
{
	asm volatile("call *%0"
		     : : "r"(((volatile typeof(job) *)&job)->address)
		     : "memory");
}

struct access_case {
	const char *name;
	void (*guest)(void);
	u32 access;		/* enum minivmx_access */
	u64 qualification;	/* bits 2:0 */
	u64 may;		/* further bits of both that the CPU may set */
};

static const struct access_case read_case = {
	"read", guest_read, MINIVMX_ACCESS_READ, QUAL_READ, 0
};

static const struct access_case write_case = {
	"write", guest_write, MINIVMX_ACCESS_WRITE, QUAL_WRITE, 0
};

/* A locked access reads as well: the SDM leaves bit 0 open. */
static const struct access_case rmw_case = {
	"read-modify-write", guest_read_modify_write, MINIVMX_ACCESS_WRITE,
	QUAL_WRITE, QUAL_READ
};

static const struct access_case fetch_case = {
	"fetch", guest_fetch, MINIVMX_ACCESS_FETCH, QUAL_FETCH, 0
};

static const struct access_case *const accesses[] = {
	&read_case, &write_case, &rmw_case, &fetch_case,
};

static void restart(const struct vm *vm, void (*code)(void), u64 address)
{
	start_long_mode(vm, &vm->vcpu, 0, code);
	set_address(vm, address);
}

/* Runs the guest; lets the driver answer violations outside BASE and HOLE. */
static void run_to_violation(const struct vcpu *vcpu)
{
	struct minivmx_run *run = vcpu->run;

	for (;;) {
		run_to_exit(vcpu, EXIT_EPT_VIOLATION);
		if (run->physical_address >= BASE)
			return;
		run->answer = MINIVMX_ANSWER_DEFAULT;
	}
}

static void run_to_done_by_default(const struct vcpu *vcpu)
{
	struct minivmx_run *run = vcpu->run;

	do {
		run->answer = MINIVMX_ANSWER_DEFAULT;
		require(!run_error(vcpu), "MINIVMX_RUN fails");
	} while (run->reason == EXIT_EPT_VIOLATION);
	require(get_ucall(vcpu) == UCALL_DONE, "%s", describe_exit(vcpu));
}

#define EXPECT_QUALIFICATION(expected, optional, name)			\
	do {								\
		u64 _seen = run->qualification & QUAL_MASK;		\
									\
		EXPECT_EQ((expected), _seen & ~(optional))		\
			TH_LOG("%s: qualification %#llx", name, _seen);	\
	} while (0)

/* Both forms of an access to memory that is not there, or is read-only. */
static void check_access(struct __test_metadata *_metadata, struct vm *vm,
			 const struct access_case *c, u64 address,
			 u64 permissions)
{
	struct minivmx_run *run = vm->vcpu.run;

	set_trap(&vm->vcpu, EXIT_EPT_VIOLATION);
	restart(vm, c->guest, address);
	run_to_violation(&vm->vcpu);
	EXPECT_EQ(address, run->physical_address);
	EXPECT_EQ(address, run->linear_address);
	EXPECT_QUALIFICATION(c->qualification | permissions | QUAL_USUAL,
			     c->may, c->name);

	/* The driver's own answer is an exit of its own. */
	run->answer = MINIVMX_ANSWER_DEFAULT;
	run_to_exit(&vm->vcpu, MINIVMX_EXIT_MEMORY);
	EXPECT_EQ(address, run->memory.gpa);

	set_traps(&vm->vcpu, 0, 0);
	restart(vm, c->guest, address);
	run_to_exit(&vm->vcpu, MINIVMX_EXIT_MEMORY);
	EXPECT_EQ(address, run->memory.gpa) TH_LOG("%s", c->name);
	EXPECT_EQ(c->access, run->memory.access & ~c->may) TH_LOG("%s", c->name);
	EXPECT_EQ(address, run->linear_address);
	EXPECT_EQ(address, run->physical_address);
	EXPECT_QUALIFICATION(c->qualification | permissions | QUAL_USUAL,
			     c->may, c->name);
}

TEST_F(vm, access_outside_regions)
{
	struct vm *vm = &self->vm;

	if (!uses_ept(vm))
		SKIP(return, NEEDS_EPT);
	load_program(vm);
	/* Beside regions of either page size, and far from any. */
	map_memory(vm, BASE, PAGE_4K, MINIVMX_MAP_POPULATE);
	map_memory(vm, BASE + PAGE_2M, PAGE_2M,
		   MINIVMX_MAP_2M | MINIVMX_MAP_POPULATE);
	for (size_t i = 0; i < ARRAY_SIZE(accesses); i++) {
		check_access(_metadata, vm, accesses[i], BASE + PAGE_4K, 0);
		check_access(_metadata, vm, accesses[i], BASE + 2 * PAGE_2M, 0);
		check_access(_metadata, vm, accesses[i], BASE + PAGE_2M - 16, 0);
		check_access(_metadata, vm, accesses[i], 0xfee00000, 0);
	}
}

/* A read or a fetch comes first, so that the CPU has the page in its EPT. */
static void check_read_only(struct __test_metadata *_metadata, struct vm *vm,
			    u32 flags)
{
	const u64 permissions = QUAL_READABLE | QUAL_EXECUTABLE;
	u8 *shared;

	load_program(vm);
	map_memory(vm, BASE, PAGE_2M, MINIVMX_MAP_READONLY | flags);
	shared = mmap_memory(vm, BASE, PAGE_2M);
	shared[PAGE_4K] = RETURN;
	restart(vm, guest_read, BASE + PAGE_4K);
	run_to_done(&vm->vcpu);
	restart(vm, guest_fetch, BASE + PAGE_4K);
	run_to_done(&vm->vcpu);
	check_access(_metadata, vm, &write_case, BASE + PAGE_4K, permissions);
	check_access(_metadata, vm, &rmw_case, BASE + PAGE_4K, permissions);
	EXPECT_EQ(RETURN, shared[PAGE_4K]);
}

TEST_F(vm, write_to_read_only_4k)
{
	if (!uses_ept(&self->vm))
		SKIP(return, NEEDS_EPT);
	check_read_only(_metadata, &self->vm, 0);
}

TEST_F(vm, write_to_read_only_2m)
{
	if (!uses_ept(&self->vm))
		SKIP(return, NEEDS_EPT);
	check_read_only(_metadata, &self->vm, MINIVMX_MAP_2M);
}

static void check_read_write(struct vm *vm, u32 flags)
{
	u8 *shared;

	load_program(vm);
	map_memory(vm, BASE, PAGE_2M, flags);
	shared = mmap_memory(vm, BASE, PAGE_2M);
	for (size_t i = 0; i < ARRAY_SIZE(accesses); i++) {
		u64 offset = i * PAGE_4K;

		shared[offset] = RETURN;
		restart(vm, accesses[i]->guest, BASE + offset);
		run_to_done(&vm->vcpu);
	}
}

TEST_F(vm, read_write_4k)
{
	check_read_write(&self->vm, 0);
}

TEST_F(vm, read_write_2m)
{
	check_read_write(&self->vm, MINIVMX_MAP_2M);
}

/* The first touch of a page is a violation that the driver answers itself. */
static void check_first_touch(struct __test_metadata *_metadata, struct vm *vm,
			      u32 flags)
{
	struct minivmx_run *run = vm->vcpu.run;
	u8 *shared;

	load_program(vm);
	map_memory(vm, BASE, 2 * PAGE_2M, flags);
	shared = mmap_memory(vm, BASE, PAGE_2M);
	shared[0] = RETURN;
	set_trap(&vm->vcpu, EXIT_EPT_VIOLATION);
	for (size_t i = 0; i < ARRAY_SIZE(accesses); i++) {
		const struct access_case *c = accesses[i];

		unmap_memory(vm, BASE, 2 * PAGE_2M);
		map_memory(vm, BASE, 2 * PAGE_2M, flags);
		shared = mmap_memory(vm, BASE, PAGE_2M);
		shared[0] = RETURN;
		restart(vm, c->guest, BASE);
		run_to_violation(&vm->vcpu);
		EXPECT_EQ(BASE, run->physical_address);
		EXPECT_QUALIFICATION(c->qualification | QUAL_USUAL, c->may,
				     c->name);
		run_to_done_by_default(&vm->vcpu);
		/* Now that it is there, nothing exits any more. */
		restart(vm, c->guest, BASE);
		run_to_done_by_default(&vm->vcpu);
		munmap(shared, PAGE_2M);
	}
}

TEST_F(vm, first_touch_4k)
{
	if (!uses_ept(&self->vm))
		SKIP(return, NEEDS_EPT);
	check_first_touch(_metadata, &self->vm, 0);
}

TEST_F(vm, first_touch_2m)
{
	if (!uses_ept(&self->vm))
		SKIP(return, NEEDS_EPT);
	check_first_touch(_metadata, &self->vm, MINIVMX_MAP_2M);
}

/* The program brings the missing memory, and the guest tries again. */
MINIVMX_TEST(memory_on_demand, guest_read)
{
	set_address(vm, HOLE);
	run_to_exit(vcpu, MINIVMX_EXIT_MEMORY);
	run_to_exit(vcpu, MINIVMX_EXIT_MEMORY);
	map_memory(vm, HOLE, PAGE_4K, 0);
	run_to_done(vcpu);
}

/* The bytes in the exit are those of the program, which the guest is. */
TEST_F(vm, instruction_bytes)
{
	struct vm *vm = &self->vm;
	struct minivmx_memory_exit *memory = &vm->vcpu.run->memory;

	load_program(vm);
	for (int i = 0; i < 3; i++) {
		restart(vm, accesses[i]->guest, HOLE);
		run_to_exit(&vm->vcpu, MINIVMX_EXIT_MEMORY);
		EXPECT_EQ(sizeof(memory->instruction), memory->instruction_bytes);
		EXPECT_EQ(0, memcmp(memory->instruction,
				    (void *)(uintptr_t)vm->vcpu.run->regs.rip,
				    memory->instruction_bytes));
	}
	restart(vm, guest_fetch, HOLE);
	run_to_exit(&vm->vcpu, MINIVMX_EXIT_MEMORY);
	EXPECT_EQ(HOLE, vm->vcpu.run->regs.rip);
	EXPECT_EQ(0, memory->instruction_bytes);
}

/* mov (%rax), %rax as the last bytes before a hole: three bytes, no more. */
TEST_F(vm, instruction_bytes_end_at_a_hole)
{
	static const u8 code[] = { 0x48, 0x8b, 0x00 };
	struct vm *vm = &self->vm;
	struct minivmx_run *run = vm->vcpu.run;
	u8 *page;

	load_program(vm);
	map_memory(vm, BASE, PAGE_4K, 0);
	page = mmap_memory(vm, BASE, PAGE_4K);
	memcpy(page + PAGE_4K - sizeof(code), code, sizeof(code));
	start_long_mode(vm, &vm->vcpu, 0,
			(void (*)(void))(BASE + PAGE_4K - sizeof(code)));
	run->regs.rax = HOLE;
	run_to_exit(&vm->vcpu, MINIVMX_EXIT_MEMORY);
	EXPECT_EQ(HOLE, run->memory.gpa);
	EXPECT_EQ(sizeof(code), run->memory.instruction_bytes);
	EXPECT_EQ(0, memcmp(run->memory.instruction, code, sizeof(code)));
}

GUEST_BLOB(real_mode_read, 16,
	   "	mov	%ds:0x10, %al\n"
	   "	hlt\n");

/* In real mode the linear address is the segment's base and the offset. */
TEST_F(vm, instruction_bytes_in_real_mode)
{
	struct vm *vm = &self->vm;
	struct minivmx_run *run = vm->vcpu.run;
	struct minivmx_sregs sregs;

	if (!uses_ept(vm))
		SKIP(return, NEEDS_REAL_MODE);
	start_real(vm, real_mode_read);
	sregs = get_sregs(&vm->vcpu);
	sregs.cs.selector = GUEST_BLOB_BASE >> 4;
	sregs.cs.base = GUEST_BLOB_BASE;
	sregs.ds.selector = 0xf000;
	sregs.ds.base = 0xf0000;
	set_sregs(&vm->vcpu, &sregs);
	run->regs.rip = 0;
	unmap_memory(vm, 0xf0000, PAGE_4K);
	run_to_exit(&vm->vcpu, MINIVMX_EXIT_MEMORY);
	EXPECT_EQ(0xf0010, run->memory.gpa);
	EXPECT_EQ(MINIVMX_ACCESS_READ, run->memory.access);
	EXPECT_EQ(0, memcmp(run->memory.instruction, real_mode_read,
			    real_mode_read_end - real_mode_read));
}

/* An access across the end of a region: the missing part is reported. */
MINIVMX_TEST(access_crosses_into_a_hole, guest_read)
{
	map_memory(vm, BASE, PAGE_4K, 0);
	set_address(vm, BASE + PAGE_4K - 4);
	run_to_exit(vcpu, MINIVMX_EXIT_MEMORY);
	EXPECT_EQ(BASE + PAGE_4K, run->memory.gpa & ~(PAGE_4K - 1));
	map_memory(vm, BASE + PAGE_4K, PAGE_4K, 0);
	run_to_done(vcpu);
}

/* Makes the guest's page directory for [1 GiB, 2 GiB) lie at @gpa. */
static void move_page_directory(const struct vm *vm, u64 gpa)
{
	u64 *pdpt = (u64 *)(vm->memory + GUEST_PML4 + PAGE_4K);

	pdpt[1] = gpa | 3;
}

/* The walk of the guest's own tables ends in a hole: that is a read. */
MINIVMX_TEST(table_walk_into_a_hole, guest_read)
{
	const u64 linear = (1UL << 30) + 5 * PAGE_2M + 0x123000;

	if (!uses_ept(vm))
		SKIP(return, NEEDS_EPT);
	move_page_directory(vm, HOLE);
	set_address(vm, linear);
	run_to_exit(vcpu, MINIVMX_EXIT_MEMORY);
	EXPECT_EQ(HOLE + 5 * 8, run->memory.gpa);
	EXPECT_EQ(HOLE + 5 * 8, run->physical_address);
	EXPECT_EQ(linear, run->linear_address);
	EXPECT_QUALIFICATION(QUAL_READ | QUAL_LINEAR, 0, "walk");
	EXPECT_EQ(MINIVMX_ACCESS_READ, run->memory.access);
}

/* Guest tables in read-only memory serve as long as no flag is to be set. */
MINIVMX_TEST(table_walk_in_read_only_memory, guest_read)
{
	const u64 linear = (1UL << 30) + 5 * PAGE_2M;
	u64 *table;

	map_memory(vm, BASE, PAGE_4K, MINIVMX_MAP_READONLY);
	table = mmap_memory(vm, BASE, PAGE_4K);
	table[5] = 0xa3;
	move_page_directory(vm, BASE);
	set_address(vm, linear);
	run_to_done(vcpu);
	EXPECT_EQ(0xa3, table[5]);
}

/* The CPU keeps accessed and dirty flags in the guest's tables as ever. */
MINIVMX_TEST(guest_accessed_and_dirty, guest_read)
{
	u64 *pd = (u64 *)(vm->memory + GUEST_PML4 + 2 * PAGE_4K);
	const int entry = BASE / PAGE_2M;

	map_memory(vm, BASE, PAGE_4K, 0);
	set_address(vm, BASE);
	EXPECT_EQ(0, pd[entry] & 0x60);
	run_to_done(vcpu);
	EXPECT_EQ(0x20, pd[entry] & 0x60);
	restart(vm, guest_write, BASE);
	run_to_done(vcpu);
	EXPECT_EQ(0x60, pd[entry] & 0x60);
}

TEST_F(vm, capabilities_are_consistent)
{
	u64 caps = get_info(self->vm.device).out_capabilities;

	if (!uses_ept(&self->vm))
		SKIP(return, NEEDS_EPT);
	EXPECT_TRUE(caps & MINIVMX_CAP_EPT);
	EXPECT_TRUE(caps & (MINIVMX_CAP_INVEPT_SINGLE | MINIVMX_CAP_INVEPT_GLOBAL));
	if (caps & MINIVMX_CAP_VPID) {
		EXPECT_TRUE(caps & (MINIVMX_CAP_INVVPID_SINGLE |
				    MINIVMX_CAP_INVVPID_ALL));
	}
}

static void guest_undefined(void)
{
	struct gprs gprs = { 0 };

	GUEST_ASSERT(GUEST_TRY("ud2", &gprs) == VECTOR_UD);
	GUEST_ASSERT(guest_fault.count == 1);
}

/* The IDT is missing when an exception needs it: the event is not lost. */
MINIVMX_TEST(violation_while_delivering_an_exception, guest_undefined)
{
	struct minivmx_sregs sregs = get_sregs(vcpu);
	void *idt;

	sregs.idtr.base = HOLE;
	set_sregs(vcpu, &sregs);
	run_to_exit(vcpu, MINIVMX_EXIT_MEMORY);
	EXPECT_EQ(HOLE + VECTOR_UD * 16, run->memory.gpa & ~0xfUL);
	EXPECT_EQ(MINIVMX_ACCESS_READ, run->memory.access);
	/* Valid, hardware exception, #UD. */
	EXPECT_EQ(0x80000306, run->vectoring_info);
	map_memory(vm, HOLE, PAGE_4K, 0);
	idt = mmap_memory(vm, HOLE, PAGE_4K);
	memcpy(idt, vm->memory + GUEST_IDT, PAGE_4K);
	run_to_done(vcpu);
}

static void guest_general_protection(void)
{
	struct gprs gprs = { 0 };

	gprs.a = 0x30;
	GUEST_ASSERT(GUEST_TRY("movw %%ax, %%fs", &gprs) == VECTOR_GP);
	GUEST_ASSERT(guest_fault.error == 0x30);
	GUEST_ASSERT(guest_fault.count == 1);
}

/* The same for the stack, and an exception that has an error code. */
MINIVMX_TEST(violation_while_pushing_an_error, guest_general_protection)
{
	const u64 stack = HOLE + PAGE_4K;

	memcpy(vm->memory + GUEST_TSS + 36, &stack, sizeof(stack));
	run_to_exit(vcpu, MINIVMX_EXIT_MEMORY);
	EXPECT_EQ(HOLE, run->memory.gpa & ~(PAGE_4K - 1));
	EXPECT_EQ(MINIVMX_ACCESS_WRITE, run->memory.access);
	/* Valid, with error code, hardware exception, #GP. */
	EXPECT_EQ(0x80000b0d, run->vectoring_info);
	EXPECT_EQ(0x30, run->vectoring_error);
	map_memory(vm, HOLE, PAGE_4K, 0);
	run_to_done(vcpu);
}

TEST_HARNESS_MAIN
