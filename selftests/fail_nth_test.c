// SPDX-License-Identifier: GPL-2.0
/*
 * Every call with the first of its allocations failed, or of its accesses to the
 * program's memory, then with the second, and so on until none is left: it says so,
 * leaves things as they were, and works when it is made again. The kernel makes them
 * fail (Documentation/fault-injection/fault-injection.rst, "fail-nth"); where it cannot,
 * there is nothing to be seen here.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "alarm.h"
#include "calls.h"
#include "kselftest_harness.h"
#include "window.h"

#define BASE		SPARE
#define VPID_FIELD	0x0000

/* ------------------------------------------------------------- fault injection */

#define DEBUGFS		"/sys/kernel/debug/"
#define OFTEN		"1000000000"

/* What was made to fail. */
enum fault {
	NO_FAILURE,
	MEMORY,			/* an allocation */
	ACCESS,			/* to the program's memory */
};

static struct {
	int nth;		/* /proc/thread-self/fail-nth */
	long accesses_left;	/* counts down */
} injection;

static void write_to(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);

	require(fd >= 0 && write(fd, value, strlen(value)) > 0, "%s: %s", path,
		strerrorname_np(errno));
	close(fd);
}

/* How many more accesses may fail. */
static long accesses_left(void)
{
	FILE *file = fopen(DEBUGFS "fail_usercopy/times", "r");
	long left;

	require(file && fscanf(file, "%ld", &left) == 1, "fail_usercopy: %s",
		strerrorname_np(errno));
	fclose(file);
	return left;
}

/* All allocations that may fail do, and silently: by default few would. */
static void choose_faults(void)
{
	static const char *const settings[][2] = {
		{ DEBUGFS "failslab/ignore-gfp-wait", "N" },
		{ DEBUGFS "failslab/verbose", "0" },
		{ DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N" },
		{ DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N" },
		{ DEBUGFS "fail_page_alloc/min-order", "0" },
		{ DEBUGFS "fail_page_alloc/verbose", "0" },
		{ DEBUGFS "fail_usercopy/verbose", "0" },
		{ DEBUGFS "fail_usercopy/times", OFTEN },
	};

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		write_to(settings[i][0], settings[i][1]);
}

/* Returns NULL, or the reason to skip. */
static const char *prepare_injection(void)
{
	injection.nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (injection.nth < 0) {
		require(!kmemleak_watches(),
			"the debug kernel has no fault injection");
		return "this kernel has no fault injection";
	}
	choose_faults();
	injection.accesses_left = accesses_left();
	return NULL;
}

static void arm(unsigned int n)
{
	require(dprintf(injection.nth, "%u", n) > 0, "fail-nth: %s",
		strerrorname_np(errno));
}

/*
 * What was made to fail since arm(). To ask is an access to the program's memory by
 * itself: if that fails, nothing did before.
 */
static enum fault disarm(void)
{
	char text[16] = "";
	bool failed = pread(injection.nth, text, sizeof(text) - 1, 0) > 0 &&
		      strtoul(text, NULL, 10) == 0;
	long left;

	while (pwrite(injection.nth, "0", 1, 0) != 1)
		require(errno == EFAULT, "fail-nth: %s", strerrorname_np(errno));
	if (!failed)
		return NO_FAILURE;
	left = injection.accesses_left;
	injection.accesses_left = accesses_left();
	return injection.accesses_left == left ? MEMORY : ACCESS;
}

/* -------------------------------------------------------------------- attempts */

struct world {
	struct vm vm;
	int fd;			/* what a call made */
	void *memory;
	struct vcpu vcpu;
	u64 vpid;
	long references;	/* to pages, before there was a VM */
	struct minivmx_sregs sregs;
	const struct call *call;
};

struct attempt {
	/* Makes what has to be there, each time anew. */
	void (*prepare)(struct world *world);
	/* Returns an errno. */
	int (*make)(struct world *world);
	/* Undoes it, and what was prepared. */
	void (*undo)(struct world *world);
	/* There must be an allocation that can fail. */
	bool allocates;
	/* What was done before it failed stays done. */
	bool goes_on;
};

/* What a call that failed must leave as it was. */
struct usage {
	u64 pages;
	u64 tables;
	long references;
	int next_file;
};

/* To pages, that the module has: one that was lost is in no account of a VM's. */
static long pages_held(void)
{
	FILE *file = fopen("/sys/module/minivmx/parameters/page_references", "r");
	long references;

	if (!file && !kmemleak_watches())
		return 0;
	require(file && fscanf(file, "%ld", &references) == 1,
		"page_references: %s", strerrorname_np(errno));
	fclose(file);
	return references;
}

static struct usage usage(const struct world *world)
{
	struct minivmx_stats stats = get_stats(&world->vm);
	int file = dup(world->vm.device);

	close(file);
	return (struct usage) {
		stats.out_pages, stats.out_tables, pages_held(), file,
	};
}

/* Makes the call with its @n-th allocation or access failed. */
static enum fault fail_once(struct __test_metadata *_metadata,
			    struct world *world, const struct attempt *attempt,
			    unsigned int n)
{
	struct usage before = usage(world), after;
	enum fault fault;
	int error;

	arm(n);
	error = attempt->make(world);
	fault = disarm();
	if (!error)
		return fault;
	EXPECT_EQ(fault == ACCESS ? EFAULT : ENOMEM, error)
		TH_LOG("with number %u failed: %s", n, strerrorname_np(error));
	EXPECT_NE(NO_FAILURE, fault);
	after = usage(world);
	if (!attempt->goes_on) {
		EXPECT_EQ(before.pages, after.pages);
		EXPECT_EQ(before.tables, after.tables);
		EXPECT_EQ(before.references, after.references)
			TH_LOG("number %u failed, and pages are lost", n);
	}
	EXPECT_EQ(before.next_file, after.next_file);
	error = attempt->make(world);
	EXPECT_EQ(0, error)
		TH_LOG("number %u failed, and then: %s", n,
		       strerrorname_np(error));
	return fault;
}

static void fail_each(struct __test_metadata *_metadata, struct world *world,
		      const struct attempt *attempt, const char *name)
{
	unsigned int faults[] = { [NO_FAILURE] = 0, [MEMORY] = 0, [ACCESS] = 0 };

	for (unsigned int n = 1; !faults[NO_FAILURE]; n++) {
		if (attempt->prepare)
			attempt->prepare(world);
		faults[fail_once(_metadata, world, attempt, n)]++;
		if (attempt->undo)
			attempt->undo(world);
	}
	printf("# %s failed %u times for memory, %u times for access\n", name,
	       faults[MEMORY], faults[ACCESS]);
	if (attempt->allocates)
		EXPECT_LT(0, faults[MEMORY]);
}

FIXTURE(fail_nth)
{
	struct world world;
};

FIXTURE_SETUP(fail_nth)
{
	const char *reason = create_vm(&self->world.vm);

	if (!reason)
		reason = prepare_injection();
	if (reason)
		SKIP(return, "%s", reason);
}

FIXTURE_TEARDOWN(fail_nth)
{
	close_vm(&self->world.vm);
}

#define FAIL_EACH(name, ...)						\
static const struct attempt attempt_to_##name = { __VA_ARGS__ };	\
									\
TEST_F(fail_nth, name)							\
{									\
	fail_each(_metadata, &self->world, &attempt_to_##name, #name);	\
}

static int file_or_error(struct world *world, int result)
{
	world->fd = result;
	return result < 0 ? errno : 0;
}

static void close_file(struct world *world)
{
	close(world->fd);
}

/* -------------------------------------------------------------------- creation */

static int open_the_device(struct world *world)
{
	return file_or_error(world, open("/dev/minivmx", O_RDWR | O_CLOEXEC));
}

static int create_another_vm(struct world *world)
{
	return file_or_error(world,
			     ioctl(world->vm.device, MINIVMX_CREATE_VM,
				   ARG(create_vm, .mmu = world->vm.mmu)));
}

/* A VM without memory, as vCPUs are counted, and shadow paging has one. */
static void prepare_empty_vm(struct world *world)
{
	world->vm.fd = test_cmd(world->vm.device, MINIVMX_CREATE_VM,
				ARG(create_vm, .mmu = world->vm.mmu));
}

static int create_first_vcpu(struct world *world)
{
	return file_or_error(world, ioctl(world->vm.fd, MINIVMX_CREATE_VCPU,
					  ARG(create_vcpu)));
}

/* The number that tags the vCPU's translations: the first that is free. */
static u64 vpid_of(int fd)
{
	struct vcpu vcpu = { .fd = fd };

	return vmread(&vcpu, VPID_FIELD);
}

static void close_vcpu_and_empty_vm(struct world *world)
{
	u64 vpid = vpid_of(world->fd);

	require(!world->vpid || world->vpid == vpid,
		"a VPID was lost: %llu is the next after %llu", vpid, world->vpid);
	world->vpid = vpid;
	close(world->fd);
	close(world->vm.fd);
}

FAIL_EACH(open_device, .make = open_the_device, .undo = close_file,
	  .allocates = true)
FAIL_EACH(create_vm, .make = create_another_vm, .undo = close_file,
	  .allocates = true)

TEST_F(fail_nth, create_vcpu)
{
	const struct attempt attempt = {
		.prepare = prepare_empty_vm,
		.make = create_first_vcpu,
		.undo = close_vcpu_and_empty_vm,
		.allocates = true,
	};
	int fd = self->world.vm.fd;

	fail_each(_metadata, &self->world, &attempt, "create_vcpu");
	self->world.vm.fd = fd;
}

/* ---------------------------------------------------------------------- memory */

static int map_at_base(struct world *world, u64 length, u32 flags)
{
	return call_error(world->vm.fd, MINIVMX_MAP_MEMORY,
			  ARG(map_memory, .flags = flags, .gpa = BASE,
			      .length = length));
}

static int map_pages(struct world *world)
{
	return map_at_base(world, 4 * PAGE_4K, 0);
}

static int map_populated(struct world *world)
{
	return map_at_base(world, 4 * PAGE_4K, MINIVMX_MAP_POPULATE);
}

static int map_populated_2m(struct world *world)
{
	return map_at_base(world, PAGE_2M,
			   MINIVMX_MAP_2M | MINIVMX_MAP_POPULATE);
}

static void unmap_all(struct world *world)
{
	unmap_memory(&world->vm, BASE, PAGE_2M);
}

FAIL_EACH(map_memory, .make = map_pages, .undo = unmap_all)
FAIL_EACH(map_and_populate, .make = map_populated, .undo = unmap_all,
	  .allocates = true)
FAIL_EACH(map_and_populate_2m, .make = map_populated_2m, .undo = unmap_all,
	  .allocates = true)

/* More regions than there was room for so far, and the guest has them in use. */
#define REGIONS		24

static void prepare_regions(struct world *world)
{
	for (u64 i = 0; i < REGIONS; i++)
		map_memory(&world->vm, BASE + 2 * i * PAGE_4K, PAGE_4K, 0);
}

static int map_one_more(struct world *world)
{
	return call_error(world->vm.fd, MINIVMX_MAP_MEMORY,
			  ARG(map_memory, .gpa = BASE + PAGE_2M,
			      .length = PAGE_4K));
}

static void unmap_regions(struct world *world)
{
	unmap_memory(&world->vm, BASE, 2 * PAGE_2M);
}

FAIL_EACH(map_one_of_many, .prepare = prepare_regions, .make = map_one_more,
	  .undo = unmap_regions)

static void guest_touches_base(void)
{
	for (;;) {
		write_at(BASE, read_at(BASE) + 1);
		write_at(BASE + PAGE_2M - PAGE_4K, 1);
		GUEST_SYNC(read_at(BASE));
	}
}

/*
 * A page of 2 MiB, which the guest has reached as one, if this CPU can have them: then
 * tables are allocated to split it.
 */
static void prepare_large_page(struct world *world)
{
	map_memory(&world->vm, BASE, PAGE_2M,
		   MINIVMX_MAP_2M | MINIVMX_MAP_POPULATE);
	run_to_sync(&world->vm.vcpu, 1);
}

static int unmap_from_the_middle(struct world *world)
{
	return call_error(world->vm.fd, MINIVMX_UNMAP_MEMORY,
			  ARG(unmap_memory, .gpa = BASE + 4 * PAGE_4K,
			      .length = 4 * PAGE_4K));
}

TEST_F(fail_nth, unmap_from_a_large_page)
{
	const struct attempt attempt = {
		.prepare = prepare_large_page,
		.make = unmap_from_the_middle,
		.undo = unmap_all,
	};

	start_guest(&self->world.vm, guest_touches_base);
	fail_each(_metadata, &self->world, &attempt, "unmap_from_a_large_page");
}

/* ------------------------------------------------------------ mappings, closing */

static int map_into_program(struct world *world, int fd, size_t size, u64 offset)
{
	world->memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			     offset);
	return world->memory == MAP_FAILED ? errno : 0;
}

static int mmap_guest_memory(struct world *world)
{
	return map_into_program(world, world->vm.fd, PAGE_2M, 0);
}

static int mmap_run_page(struct world *world)
{
	return map_into_program(world, world->vm.vcpu.fd, MINIVMX_RUN_SIZE, 0);
}

static void munmap_guest_memory(struct world *world)
{
	munmap(world->memory, PAGE_2M);
}

static void munmap_run_page(struct world *world)
{
	munmap(world->memory, MINIVMX_RUN_SIZE);
}

FAIL_EACH(mmap_of_memory, .make = mmap_guest_memory,
	  .undo = munmap_guest_memory, .allocates = true)
FAIL_EACH(mmap_of_run_page, .make = mmap_run_page, .undo = munmap_run_page,
	  .allocates = true)

static sigjmp_buf bus_error;

static void leave_access(int signal)
{
	siglongjmp(bus_error, signal);
}

static void prepare_mapping(struct world *world)
{
	catch_signal(SIGBUS, leave_access);
	map_memory(&world->vm, BASE, PAGE_2M, 0);
	world->memory = mmap_memory(&world->vm, BASE, PAGE_2M);
}

/* A page that does not come is SIGBUS, for want of an errno. */
static int touch_mapping(struct world *world)
{
	volatile int error = ENOMEM;

	if (!sigsetjmp(bus_error, 1)) {
		*(volatile u64 *)world->memory = 1;
		error = 0;
	}
	return error;
}

static void undo_mapping(struct world *world)
{
	munmap_guest_memory(world);
	unmap_all(world);
}

FAIL_EACH(first_touch_by_the_program, .prepare = prepare_mapping,
	  .make = touch_mapping, .undo = undo_mapping, .allocates = true)

/* Whatever happens, what is closed is gone. */
static int close_a_vcpu_and_its_vm(struct world *world)
{
	close(world->fd);
	close(world->vm.fd);
	return 0;
}

static void prepare_vcpu(struct world *world)
{
	prepare_empty_vm(world);
	require(!create_first_vcpu(world), "MINIVMX_CREATE_VCPU: %s",
		strerrorname_np(errno));
	require(!world->vpid || world->vpid == vpid_of(world->fd),
		"a VPID was lost");
	world->vpid = vpid_of(world->fd);
}

TEST_F(fail_nth, close)
{
	const struct attempt attempt = {
		.prepare = prepare_vcpu,
		.make = close_a_vcpu_and_its_vm,
	};
	int fd = self->world.vm.fd;

	fail_each(_metadata, &self->world, &attempt, "close");
	self->world.vm.fd = fd;
}

/* ----------------------------------------------- calls that leave all as it was */

static int make_call(struct world *world)
{
	static unsigned char argument[PAGE_4K];
	const struct call *call = world->call;

	memcpy(argument, call->valid, call->size);
	return call_error(file_of(&world->vm, call->kind), call->number,
			  argument);
}

static bool creates_something(const struct call *call)
{
	return call->number == MINIVMX_CREATE_VM ||
	       call->number == MINIVMX_CREATE_VCPU ||
	       call->number == MINIVMX_MAP_MEMORY ||
	       call->number == MINIVMX_UNMAP_MEMORY;
}

/* Zeros are not what a CPU can have. */
static int set_same_sregs(struct world *world)
{
	return call_error(world->vm.vcpu.fd, MINIVMX_SET_SREGS, &world->sregs);
}

static void get_these_sregs(struct world *world)
{
	world->sregs = get_sregs(&world->vm.vcpu);
}

FAIL_EACH(set_sregs, .prepare = get_these_sregs, .make = set_same_sregs)

TEST_F(fail_nth, other_calls)
{
	const struct attempt attempt = { .make = make_call };
	struct world *world = &self->world;

	for_each_call(world->call) {
		if (!creates_something(world->call) &&
		    world->call->number != MINIVMX_SET_SREGS)
			fail_each(_metadata, world, &attempt, world->call->name);
	}
}

static int set_cpuid_entries(struct world *world)
{
	static struct minivmx_cpuid_entry entries[8];

	return call_error(world->vm.vcpu.fd, MINIVMX_SET_CPUID,
			  ARG(cpuid, .count = ARRAY_SIZE(entries),
			      .entries = (uintptr_t)entries));
}

FAIL_EACH(set_cpuid, .make = set_cpuid_entries, .allocates = true)

/* ------------------------------------------------------------------------- RUN */

#define TOUCHED		2

/* Comes by fresh pages and fresh page tables, with tables made and changed. */
static void guest_uses_memory(void)
{
	open_window();
	for (u64 i = 0; i < TOUCHED; i++) {
		write_at(BASE + i * PAGE_2M, i);
		map_page(i * ENTRIES / 4, i % 2 ? &page_a : &page_b);
	}
	for (u64 i = 0; i < TOUCHED; i++) {
		GUEST_ASSERT(read_at(BASE + i * PAGE_2M) == i);
		GUEST_ASSERT(read_at(WINDOW_PAGE(i * ENTRIES / 4)) ==
			     (uintptr_t)(i % 2 ? &page_a : &page_b));
	}
	write_at(2 * BASE, 1);
	write_cr3(read_cr3());
	map_page(0, &page_a);
	GUEST_ASSERT(read_at(WINDOW_PAGE(0)) == (uintptr_t)&page_a);
	GUEST_DONE();
}

static void prepare_guest(struct world *world)
{
	const char *reason;

	world->references = pages_held();
	reason = create_vm(&world->vm);
	require(!reason, "%s", reason);
	map_memory(&world->vm, BASE, TOUCHED * PAGE_2M, 0);
	map_memory(&world->vm, 2 * BASE, PAGE_2M, MINIVMX_MAP_2M);
	start_guest(&world->vm, guest_uses_memory);
}

static int run_guest(struct world *world)
{
	int error = run_error(&world->vm.vcpu);

	require(error || get_ucall(&world->vm.vcpu) == UCALL_DONE, "%s",
		describe_exit(&world->vm.vcpu));
	return error;
}

static void close_guest(struct world *world)
{
	long references;

	close_vm(&world->vm);
	references = pages_held();
	require(references == world->references, "%ld pages are lost",
		references - world->references);
}

TEST_F_TIMEOUT(fail_nth, run, 240)
{
	const struct attempt attempt = {
		.prepare = prepare_guest,
		.make = run_guest,
		.undo = close_guest,
		.allocates = true,
		.goes_on = true,
	};
	struct world world = { 0 };

	fail_each(_metadata, &world, &attempt, "run");
}

TEST_HARNESS_MAIN
