// SPDX-License-Identifier: GPL-2.0
/*
 * Guest memory: what the guest and the program see of it while regions come
 * and go.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>

#include "alarm.h"
#include "minivmx_harness.h"

#define BASE		(64 * MIB)	/* where the tests put their regions */
#define PATTERN		0x5555aaaa12345678UL

/* Arguments of the guests. The host writes them into the guest's copy. */
static struct {
	volatile u64 *address;
	u64 length;
	u64 stride;
	u64 value;
} job;

#define set_job(vm, ...)						\
	(*guest_copy(vm, job) = (__typeof__(job)){ __VA_ARGS__ })

/* Reports what is at job.address, then writes job.value there, for ever. */
static void guest_peek_and_poke(void)
{
	volatile typeof(job) *todo = &job;

	for (;;) {
		GUEST_SYNC(*todo->address);
		*todo->address = todo->value;
	}
}

/* Checks that a range holds job.value, in steps, and writes its complement. */
static void guest_check_range(void)
{
	volatile typeof(job) *todo = &job;

	for (;;) {
		for (u64 i = 0; i < todo->length; i += todo->stride) {
			volatile u64 *at = todo->address + i / sizeof(u64);

			GUEST_ASSERT(*at == todo->value);
			*at = ~todo->value;
		}
		GUEST_SYNC(0);
	}
}

static void expect_memory_exit(struct __test_metadata *_metadata,
			       const struct vcpu *vcpu, u64 gpa, u32 access)
{
	run_to_exit(vcpu, MINIVMX_EXIT_MEMORY);
	EXPECT_EQ(gpa, vcpu->run->memory.gpa);
	EXPECT_EQ(access, vcpu->run->memory.access);
}

MINIVMX_TEST(coherence, guest_peek_and_poke)
{
	volatile u64 *shared;

	map_memory(vm, BASE, PAGE_4K, 0);
	shared = mmap_memory(vm, BASE, PAGE_4K);
	set_job(vm, .address = (u64 *)BASE, .value = PATTERN);
	*shared = 1;
	run_to_sync(vcpu, 1);
	*shared = 2;
	run_to_sync(vcpu, PATTERN);
	EXPECT_EQ(PATTERN, *shared);
}

/* The guest is first to touch the page, then the program maps it. */
MINIVMX_TEST(guest_touches_first, guest_peek_and_poke)
{
	volatile u64 *shared;

	map_memory(vm, BASE, PAGE_4K, 0);
	set_job(vm, .address = (u64 *)(BASE + 8), .value = PATTERN);
	run_to_sync(vcpu, 0);
	run_to_sync(vcpu, PATTERN);
	shared = mmap_memory(vm, BASE, PAGE_4K);
	EXPECT_EQ(0, shared[0]);
	EXPECT_EQ(PATTERN, shared[1]);
}

MINIVMX_TEST(comes_zeroed, guest_check_range)
{
	const u32 flags[] = {
		0, MINIVMX_MAP_POPULATE, MINIVMX_MAP_2M,
		MINIVMX_MAP_2M | MINIVMX_MAP_POPULATE,
	};

	set_job(vm, .address = (u64 *)BASE, .length = PAGE_2M, .stride = 512);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
			map_memory(vm, BASE, PAGE_2M, flags[i]);
			run_to_sync(vcpu, 0);
			unmap_memory(vm, BASE, PAGE_2M);
		}
	}
}

TEST_F(vm, populate)
{
	const struct vm *vm = &self->vm;
	u64 pages = get_stats(vm).out_pages;

	map_memory(vm, BASE, 16 * PAGE_4K, 0);
	EXPECT_EQ(pages, get_stats(vm).out_pages);
	map_memory(vm, BASE + PAGE_2M, 16 * PAGE_4K, MINIVMX_MAP_POPULATE);
	EXPECT_EQ(pages + 16, get_stats(vm).out_pages);
	map_memory(vm, BASE + 2 * PAGE_2M, PAGE_2M,
		   MINIVMX_MAP_2M | MINIVMX_MAP_POPULATE);
	EXPECT_EQ(pages + 16 + 512, get_stats(vm).out_pages);
	unmap_memory(vm, BASE, 3 * PAGE_2M);
	EXPECT_EQ(pages, get_stats(vm).out_pages);
}

MINIVMX_TEST(pages_come_at_first_use, guest_peek_and_poke)
{
	u64 pages;

	map_memory(vm, BASE, 4 * PAGE_2M, 0);
	map_memory(vm, BASE + 4 * PAGE_2M, 4 * PAGE_2M, MINIVMX_MAP_2M);
	set_job(vm, .address = (u64 *)&job);
	run_to_sync(vcpu, (uintptr_t)&job);
	pages = get_stats(vm).out_pages;
	set_job(vm, .address = (u64 *)(BASE + PAGE_2M));
	run_to_sync(vcpu, 0);
	EXPECT_EQ(pages + 1, get_stats(vm).out_pages);
	set_job(vm, .address = (u64 *)(BASE + 5 * PAGE_2M));
	run_to_sync(vcpu, 0);
	EXPECT_EQ(pages + 1 + 512, get_stats(vm).out_pages);
}

static void check_read_only(struct __test_metadata *_metadata, struct vm *vm,
			    u32 flags)
{
	volatile u64 *shared;

	map_memory(vm, BASE, PAGE_2M, MINIVMX_MAP_READONLY | flags);
	shared = mmap_memory(vm, BASE, PAGE_2M);
	set_job(vm, .address = (u64 *)(BASE + PAGE_4K), .value = 1);
	start_guest(vm, guest_peek_and_poke);
	set_job(vm, .address = (u64 *)(BASE + PAGE_4K), .value = 1);
	shared[512] = PATTERN;
	run_to_sync(&vm->vcpu, PATTERN);
	for (int i = 0; i < 2; i++)
		expect_memory_exit(_metadata, &vm->vcpu, BASE + PAGE_4K,
				   MINIVMX_ACCESS_WRITE);
	EXPECT_EQ(PATTERN, shared[512]);
	/* A write, as the first access to the page. */
	vm->vcpu.run->regs.rip = (uintptr_t)guest_peek_and_poke;
	run_to_sync(&vm->vcpu, PATTERN);
	set_job(vm, .address = (u64 *)(BASE + 2 * PAGE_4K));
	expect_memory_exit(_metadata, &vm->vcpu, BASE + 2 * PAGE_4K,
			   MINIVMX_ACCESS_WRITE);
}

TEST_F(vm, read_only)
{
	check_read_only(_metadata, &self->vm, 0);
}

TEST_F(vm, read_only_2m)
{
	check_read_only(_metadata, &self->vm, MINIVMX_MAP_2M);
}

static void fill(u64 *memory, size_t bytes, u64 value)
{
	for (size_t i = 0; i < bytes / sizeof(*memory); i++)
		memory[i] = value;
}

/* Removing a part of a 2 MiB page leaves the rest with its contents. */
MINIVMX_TEST(split_of_a_large_page, guest_check_range)
{
	const u64 hole = 100 * PAGE_4K;
	u64 *shared;

	map_memory(vm, BASE, PAGE_2M, MINIVMX_MAP_2M);
	shared = mmap_memory(vm, BASE, PAGE_2M);
	fill(shared, PAGE_2M, PATTERN);
	set_job(vm, .address = (u64 *)BASE, .length = PAGE_2M,
		.stride = PAGE_4K, .value = PATTERN);
	run_to_sync(vcpu, 0);
	unmap_memory(vm, BASE + hole, PAGE_4K);
	guest_copy(vm, job)->value = ~PATTERN;
	expect_memory_exit(_metadata, vcpu, BASE + hole, MINIVMX_ACCESS_READ);
	map_memory(vm, BASE + hole, PAGE_4K, MINIVMX_MAP_POPULATE);
	((u64 *)mmap_memory(vm, BASE + hole, PAGE_4K))[0] = ~PATTERN;
	run_to_sync(vcpu, 0);
	/* The old page of the hole is the mapping's alone. */
	EXPECT_EQ(~PATTERN, shared[hole / 8]);
	EXPECT_EQ(PATTERN, shared[hole / 8 + 512]);
	EXPECT_EQ(PATTERN, shared[hole / 8 - 512]);
}

MINIVMX_TEST(unmap_spans_regions, guest_peek_and_poke)
{
	map_memory(vm, BASE, 4 * PAGE_4K, 0);
	map_memory(vm, BASE + 8 * PAGE_4K, 4 * PAGE_4K, MINIVMX_MAP_READONLY);
	map_memory(vm, BASE + PAGE_2M, PAGE_2M, MINIVMX_MAP_2M);
	unmap_memory(vm, BASE + PAGE_4K, 2 * PAGE_2M - 2 * PAGE_4K);

	set_job(vm, .address = (u64 *)BASE);
	run_to_sync(vcpu, 0);
	set_job(vm, .address = (u64 *)(BASE + 2 * PAGE_2M - PAGE_4K));
	run_to_sync(vcpu, 0);
	for (u64 gpa = BASE + PAGE_4K; gpa < BASE + 12 * PAGE_4K; gpa += PAGE_4K) {
		set_job(vm, .address = (u64 *)gpa);
		vcpu->run->regs.rip = (uintptr_t)guest_peek_and_poke;
		expect_memory_exit(_metadata, vcpu, gpa, MINIVMX_ACCESS_READ);
	}
}

/* A removed page is the mapping's as long as that stands. */
MINIVMX_TEST(mapping_keeps_its_page, guest_peek_and_poke)
{
	volatile u64 *old, *new;

	map_memory(vm, BASE, PAGE_4K, 0);
	old = mmap_memory(vm, BASE, PAGE_4K);
	old[0] = PATTERN;
	set_job(vm, .address = (u64 *)BASE, .value = 3);
	run_to_sync(vcpu, PATTERN);
	unmap_memory(vm, BASE, PAGE_4K);
	vcpu->run->regs.rip = (uintptr_t)guest_peek_and_poke;
	expect_memory_exit(_metadata, vcpu, BASE, MINIVMX_ACCESS_READ);
	EXPECT_EQ(PATTERN, old[0]);

	map_memory(vm, BASE, PAGE_4K, 0);
	run_to_sync(vcpu, 0);
	old[0] = 1;
	new = mmap_memory(vm, BASE, PAGE_4K);
	EXPECT_EQ(0, new[0]);
	run_to_sync(vcpu, 3);
	EXPECT_EQ(3, new[0]);
	EXPECT_EQ(1, old[0]);
}

TEST_F(vm, mapping_outlives_everything)
{
	struct vm *vm = &self->vm;
	volatile u64 *shared;

	map_memory(vm, BASE, PAGE_2M, MINIVMX_MAP_2M);
	shared = mmap_memory(vm, BASE, PAGE_2M);
	shared[0] = PATTERN;
	shared[PAGE_2M / 8 - 1] = ~PATTERN;
	close_vcpu(&vm->vcpu);
	close(vm->fd);
	close(vm->device);
	EXPECT_EQ(PATTERN, shared[0]);
	EXPECT_EQ(~PATTERN, shared[PAGE_2M / 8 - 1]);
	shared[0] = 1;
	munmap((void *)shared, PAGE_2M);
	munmap(vm->memory, GUEST_MEMORY);
	exit(_metadata->exit_code);
}

static sigjmp_buf bus_error;

static void on_bus_error(int signal)
{
	siglongjmp(bus_error, signal);
}

/* Reads one byte: true if that raises SIGBUS. */
static bool raises_bus_error(volatile u8 *address)
{
	catch_signal(SIGBUS, on_bus_error);
	if (sigsetjmp(bus_error, 1))
		return true;
	(void)*address;
	return false;
}

TEST_F(vm, hole_is_a_bus_error)
{
	const struct vm *vm = &self->vm;
	u8 *range = mmap_memory(vm, BASE, 4 * PAGE_4K);

	EXPECT_TRUE(raises_bus_error(range));
	map_memory(vm, BASE + PAGE_4K, PAGE_4K, 0);
	EXPECT_TRUE(raises_bus_error(range));
	EXPECT_FALSE(raises_bus_error(range + PAGE_4K));
	EXPECT_TRUE(raises_bus_error(range + 2 * PAGE_4K));
	map_memory(vm, BASE + 2 * PAGE_4K, PAGE_4K, 0);
	EXPECT_FALSE(raises_bus_error(range + 2 * PAGE_4K));
	/* Not touched through the mapping before it goes: nothing to keep. */
	map_memory(vm, BASE + 3 * PAGE_4K, PAGE_4K, MINIVMX_MAP_POPULATE);
	unmap_memory(vm, BASE + 3 * PAGE_4K, PAGE_4K);
	EXPECT_TRUE(raises_bus_error(range + 3 * PAGE_4K));
}

/*
 * A page goes while the guest reads it. In each round the host removes the
 * page, raises @generation when MINIVMX_UNMAP_MEMORY has returned, maps a new
 * page, and writes the generation into it. So a guest that saw the new
 * generation and then reads an older one has read a page that was gone.
 */
static struct {
	volatile u64 reads;
	volatile u64 stop;
	volatile u64 generation;
} race;

#define ROUNDS	30

static void guest_reads_on(void)
{
	volatile u64 *page = (u64 *)BASE;

	while (!race.stop) {
		u64 generation = race.generation;
		u64 value = *page;

		GUEST_ASSERT(!value || value >= generation);
		race.reads++;
	}
	GUEST_DONE();
}

struct runner {
	const struct vcpu *vcpu;
	volatile u64 memory_exits;
};

/* Runs the guest to its end; tries again whenever it meets the missing page. */
static void *run_on(void *arg)
{
	struct runner *runner = arg;
	const struct vcpu *vcpu = runner->vcpu;

	for (;;) {
		vcpu_run(vcpu);
		if (vcpu->run->reason != MINIVMX_EXIT_MEMORY)
			break;
		require(vcpu->run->memory.gpa == BASE,
			"exit at guest-physical address %#llx",
			vcpu->run->memory.gpa);
		runner->memory_exits++;
		sched_yield();
	}
	require(get_ucall(vcpu) == UCALL_DONE, "%s", describe_exit(vcpu));
	return NULL;
}

static void write_generation(const struct vm *vm, u64 generation)
{
	u64 *page = mmap_memory(vm, BASE, PAGE_4K);

	*page = generation;
	munmap(page, PAGE_4K);
}

/* Maps [BASE, BASE + @length) and takes @first of it away, then the rest. */
static void race_with_guest(struct __test_metadata *_metadata, struct vm *vm,
			    u32 flags, u64 length, u64 first)
{
	volatile __typeof__(race) *shared = guest_copy(vm, race);
	struct runner runner = { .vcpu = &vm->vcpu };
	pthread_t thread;

	map_memory(vm, BASE, length, flags);
	ASSERT_EQ(0, pthread_create(&thread, NULL, run_on, &runner));
	for (u64 round = 1; round <= ROUNDS; round++) {
		u64 reads = shared->reads, exits = runner.memory_exits;

		while (shared->reads < reads + 100)
			sched_yield();
		unmap_memory(vm, BASE, first);
		shared->generation = round;
		while (round % 2 && runner.memory_exits == exits)
			sched_yield();
		if (first < length)
			unmap_memory(vm, BASE + first, length - first);
		map_memory(vm, BASE, length, flags);
		write_generation(vm, round);
	}
	shared->stop = 1;
	pthread_join(thread, NULL);
	EXPECT_LE(ROUNDS / 2, runner.memory_exits);
}

MINIVMX_TEST(removed_while_running, guest_reads_on)
{
	race_with_guest(_metadata, vm, 0, PAGE_4K, PAGE_4K);
}

MINIVMX_TEST(large_page_removed_while_running, guest_reads_on)
{
	race_with_guest(_metadata, vm, MINIVMX_MAP_2M, PAGE_2M, PAGE_2M);
}

MINIVMX_TEST(large_page_split_while_running, guest_reads_on)
{
	race_with_guest(_metadata, vm, MINIVMX_MAP_2M, PAGE_2M, PAGE_4K);
}

/* Other regions come and go; the guest's own is not disturbed. */
MINIVMX_TEST(neighbours_change_while_running, guest_reads_on)
{
	volatile __typeof__(race) *shared = guest_copy(vm, race);
	struct runner runner = { .vcpu = vcpu };
	pthread_t thread;

	map_memory(vm, BASE, PAGE_4K, 0);
	ASSERT_EQ(0, pthread_create(&thread, NULL, run_on, &runner));
	for (int round = 0; round < ROUNDS; round++) {
		u64 reads = shared->reads;

		map_memory(vm, BASE + PAGE_4K, PAGE_4K, MINIVMX_MAP_POPULATE);
		map_memory(vm, BASE + PAGE_2M, PAGE_2M, MINIVMX_MAP_2M);
		while (shared->reads == reads)
			sched_yield();
		unmap_memory(vm, BASE + PAGE_4K, PAGE_2M);
		unmap_memory(vm, BASE + PAGE_2M + PAGE_4K, PAGE_2M - PAGE_4K);
	}
	shared->stop = 1;
	pthread_join(thread, NULL);
	EXPECT_EQ(0, runner.memory_exits);
}

/* One life of a VM: both page sizes, a split, mappings, a run. */
static void live_and_die(void)
{
	struct vm vm;

	require(!create_vm(&vm), "no VM");
	start_guest(&vm, guest_peek_and_poke);
	map_memory(&vm, BASE, PAGE_2M, MINIVMX_MAP_2M);
	map_memory(&vm, BASE + PAGE_2M, 64 * PAGE_4K, MINIVMX_MAP_POPULATE);
	set_job(&vm, .address = (u64 *)BASE);
	run_to_sync(&vm.vcpu, 0);
	unmap_memory(&vm, BASE + PAGE_4K, PAGE_4K);
	set_job(&vm, .address = (u64 *)(BASE + PAGE_2M));
	run_to_sync(&vm.vcpu, 0);
	close_vm(&vm);
}

/*
 * One page lost in each life would show as 4 KiB times the lives, twice what
 * the kernel's own caches are allowed to grow by.
 */
TEST_F_TIMEOUT(vm, all_comes_back, 300)
{
	const int lives = kmemleak_watches() ? 5 : 250;
	long before, after;

	for (int i = 0; i < lives / 10; i++)
		live_and_die();
	before = free_memory();
	for (int i = 0; i < lives; i++)
		live_and_die();
	after = free_memory();
	if (kmemleak_watches())
		return;
	EXPECT_LT(before - after, lives * 2)
		TH_LOG("%ld KiB lost in %d lives", before - after, lives);
}

/* ---------------------------------------- MAP_POPULATE beside other threads */

#define MUCH	(64 * MIB)	/* takes so long to populate that others come in between */

static int map_error(int vm, u64 gpa, u64 length, u32 flags)
{
	return call_error(vm, MINIVMX_MAP_MEMORY,
			  ARG(map_memory, .flags = flags, .gpa = gpa,
			      .length = length));
}

struct populater {
	const struct vm *vm;
	pthread_t thread;
	int error;
};

static void *populate_much(void *arg)
{
	struct populater *populater = arg;

	populater->error = map_error(populater->vm->fd, BASE, MUCH,
				     MINIVMX_MAP_POPULATE);
	return NULL;
}

static void be_first(int policy, int priority)
{
	const struct sched_param param = { .sched_priority = priority };

	require(!sched_setscheduler(0, policy, &param),
		"sched_setscheduler: %s", strerrorname_np(errno));
}

/* Returns in the middle of it, and the other thread waits until end_populate(). */
static void begin_populate(struct populater *populater)
{
	u64 pages = get_stats(populater->vm).out_pages;

	catch_signal(SIGUSR1, no_action);
	require(pin_to_cpu(0), "no CPU 0");
	require(!pthread_create(&populater->thread, NULL, populate_much,
				populater), "pthread_create");
	be_first(SCHED_FIFO, 1);
	/*
	 * Longer and longer, since it has to get on where the kernel is slow, too; but so
	 * little that it cannot come to its end between two looks.
	 */
	for (useconds_t pause = 100;
	     get_stats(populater->vm).out_pages < pages + 100; pause += pause / 8)
		usleep(pause);
}

static int end_populate(struct populater *populater)
{
	be_first(SCHED_OTHER, 0);
	pthread_join(populater->thread, NULL);
	return populater->error;
}

/* What comes into the place of a region is not undone with it. */
TEST_F(vm, undone_alone)
{
	const struct {
		u64 gpa, length;
	} taken[] = {
		{ BASE, MUCH }, { BASE, PAGE_4K },
		{ BASE + MUCH - PAGE_4K, PAGE_4K },
		{ BASE + MUCH / 2, PAGE_4K },
	};
	struct vm *vm = &self->vm;
	u64 pages = get_stats(vm).out_pages;

	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		struct populater populater = { .vm = vm };
		u64 *shared;
		int error;

		begin_populate(&populater);
		unmap_memory(vm, taken[i].gpa, taken[i].length);
		map_memory(vm, taken[i].gpa, taken[i].length, 0);
		shared = mmap_memory(vm, taken[i].gpa, PAGE_4K);
		*shared = PATTERN;
		munmap(shared, PAGE_4K);
		pthread_kill(populater.thread, SIGUSR1);
		error = end_populate(&populater);
		/* Where all is gone, it may come to its end before it sees the signal. */
		if (error || taken[i].length < MUCH)
			EXPECT_EQ(EINTR, error);

		/* All that is there now is the page that was written. */
		EXPECT_EQ(pages + 1, get_stats(vm).out_pages);
		EXPECT_EQ(EEXIST, map_error(vm->fd, taken[i].gpa, PAGE_4K, 0));
		shared = mmap_memory(vm, taken[i].gpa, PAGE_4K);
		EXPECT_FALSE(raises_bus_error((u8 *)shared));
		munmap(shared, PAGE_4K);
		unmap_memory(vm, taken[i].gpa, taken[i].length);
		test_err(ENOENT, vm->fd, MINIVMX_UNMAP_MEMORY,
			 ARG(unmap_memory, .gpa = BASE, .length = MUCH));
	}
}

/* Nor is it populated. */
TEST_F(vm, populated_alone)
{
	struct vm *vm = &self->vm;
	struct populater populater = { .vm = vm };
	u64 pages = get_stats(vm).out_pages;

	begin_populate(&populater);
	unmap_memory(vm, BASE, MUCH);
	map_memory(vm, BASE, MUCH, 0);
	EXPECT_EQ(0, end_populate(&populater));
	EXPECT_EQ(pages, get_stats(vm).out_pages);
}

/* What another thread takes out of the middle is not there, and all behind it is. */
TEST_F(vm, populated_behind_a_hole)
{
	struct vm *vm = &self->vm;
	struct populater populater = { .vm = vm };
	u64 pages = get_stats(vm).out_pages;

	begin_populate(&populater);
	unmap_memory(vm, BASE + MUCH / 2, PAGE_4K);
	EXPECT_EQ(0, end_populate(&populater));
	EXPECT_EQ(pages + MUCH / PAGE_4K - 1, get_stats(vm).out_pages);
}

/* ------------------------------------------------- more than there is */

#define SLOW_KERNEL	"where each page is poisoned, to fill memory takes minutes"
#define LARGE_MACHINE	"this fills the memory, and the machine has too much of it"

/* May a test fill this machine? */
static bool is_large_machine(void)
{
	return total_memory() > 2048 * 1024;
}

static u64 max_memory(const struct vm *vm)
{
	return get_info(vm->device).out_max_memory;
}

/* Another program: holds memory of its own until it is killed. */
static pid_t start_bystander(u64 bytes)
{
	int ready[2];
	char byte;
	pid_t pid;

	require(!pipe(ready), "pipe: %s", strerrorname_np(errno));
	pid = fork();
	require(pid >= 0, "fork: %s", strerrorname_np(errno));
	if (!pid) {
		void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
				    -1, 0);

		if (memory == MAP_FAILED || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	require(read(ready[0], &byte, 1) == 1, "the bystander did not start");
	close(ready[0]);
	return pid;
}

static bool still_lives(pid_t pid)
{
	return waitpid(pid, NULL, WNOHANG) == 0;
}

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* No VM is promised more than the machine can spare. */
TEST_F(vm, limit_of_the_machine)
{
	const struct vm *vm = &self->vm;
	const u64 most = max_memory(vm);

	EXPECT_LE(most, total_memory() * 1024 / 2);
	EXPECT_EQ(E2BIG, map_error(vm->fd, BASE, most, MINIVMX_MAP_POPULATE));
	EXPECT_EQ(E2BIG, map_error(vm->fd, BASE, most + 4096 * MIB,
				   MINIVMX_MAP_POPULATE));
}

/* Memory that others have is theirs, and a request that fails leaves nothing. */
TEST_F_TIMEOUT(vm, more_than_there_is, 120)
{
	const struct vm *vm = &self->vm;
	const u64 most = max_memory(vm), spare = 48 * MIB;
	u64 length = (most - GUEST_MEMORY) / PAGE_2M * PAGE_2M, pages;
	pid_t bystander;

	if (is_large_machine())
		SKIP(return, LARGE_MACHINE);
	if (kmemleak_watches())
		SKIP(return, SLOW_KERNEL);
	ASSERT_GT(length, 2 * spare);
	pages = get_stats(vm).out_pages;
	bystander = start_bystander(available_memory() * 1024 - spare);
	for (u32 flags = 0; flags <= MINIVMX_MAP_2M; flags += MINIVMX_MAP_2M) {
		EXPECT_EQ(ENOMEM, map_error(vm->fd, BASE, length,
					    flags | MINIVMX_MAP_POPULATE));
		EXPECT_EQ(pages, get_stats(vm).out_pages);
		EXPECT_TRUE(still_lives(bystander));
	}
	map_memory(vm, BASE, length, 0);
	stop(bystander);
}

static long read_min_free(int file)
{
	char text[32] = "";

	require(pread(file, text, sizeof(text) - 1, 0) > 0, "min_free_kbytes: %s",
		strerrorname_np(errno));
	return strtol(text, NULL, 10);
}

static void write_min_free(int file, long kib)
{
	char text[32];
	int length = snprintf(text, sizeof(text), "%ld", kib);

	require(pwrite(file, text, length, 0) == length, "min_free_kbytes: %s",
		strerrorname_np(errno));
}

static int unmap_error(const struct vm *vm, u64 gpa, u64 length)
{
	return call_error(vm->fd, MINIVMX_UNMAP_MEMORY,
			  ARG(unmap_memory, .gpa = gpa, .length = length));
}

/* Taking memory away needs none, unless a large page has to be split for it. */
MINIVMX_TEST(unmap_where_there_is_none, guest_check_range)
{
	const u64 small = BASE, large = BASE + PAGE_2M;
	int none, whole, start, end, part, file;
	pid_t bystander;
	long usual;

	if (is_large_machine())
		SKIP(return, LARGE_MACHINE);
	if (kmemleak_watches())
		SKIP(return, SLOW_KERNEL);
	map_memory(vm, small, PAGE_2M, 0);
	map_memory(vm, large, PAGE_2M, MINIVMX_MAP_2M);
	map_memory(vm, large + PAGE_2M, PAGE_2M, MINIVMX_MAP_2M);
	set_job(vm, .address = (u64 *)small, .length = 3 * PAGE_2M,
		.stride = PAGE_4K);
	run_to_sync(vcpu, 0);
	file = open("/proc/sys/vm/min_free_kbytes", O_RDWR);
	usual = read_min_free(file);
	bystander = start_bystander(available_memory() * 1024 - 48 * MIB);

	/* Once in vain, so that the calls themselves take no memory. */
	write_min_free(file, usual);
	none = unmap_error(vm, large + 2 * PAGE_2M, PAGE_4K);
	/* What is free is for nobody from here on. */
	write_min_free(file, free_memory() + 16 * 1024);
	start = unmap_error(vm, small, PAGE_4K);
	end = unmap_error(vm, small + PAGE_2M - 2 * PAGE_4K, 2 * PAGE_4K);
	whole = unmap_error(vm, large, PAGE_2M);
	part = unmap_error(vm, large + PAGE_2M, PAGE_4K);
	write_min_free(file, usual);

	EXPECT_TRUE(still_lives(bystander));
	stop(bystander);
	close(file);
	EXPECT_EQ(ENOENT, none);
	EXPECT_EQ(0, start);
	EXPECT_EQ(0, end);
	EXPECT_EQ(0, whole);
	EXPECT_EQ(uses_ept(vm) ? ENOMEM : 0, part);
	/* What failed has changed nothing. */
	set_job(vm, .address = (u64 *)(large + PAGE_2M), .length = PAGE_2M,
		.stride = PAGE_4K, .value = ~0UL);
	if (uses_ept(vm))
		run_to_sync(vcpu, 0);
}

/* Takes all pages that VMs may have; returns the VM that has them. */
static int take_the_rest(const struct vm *vm)
{
	u64 length = PAGE_4K, gpa = 0;
	int fd = test_cmd(vm->device, MINIVMX_CREATE_VM,
			  ARG(create_vm, .mmu = vm->mmu));

	while (2 * length <= max_memory(vm))
		length *= 2;
	for (; length >= PAGE_4K; length /= 2) {
		int error = map_error(fd, gpa, length, MINIVMX_MAP_POPULATE);

		require(!error || error == ENOMEM || error == E2BIG, "MINIVMX_MAP_MEMORY: %s",
			strerrorname_np(error));
		if (!error)
			gpa += length;
	}
	return fd;
}

/* What a guest or a program comes to too late is there when others have gone. */
MINIVMX_TEST(all_vms_together, guest_peek_and_poke)
{
	volatile u8 *shared;
	int other;

	if (is_large_machine())
		SKIP(return, LARGE_MACHINE);
	if (kmemleak_watches())
		SKIP(return, SLOW_KERNEL);
	map_memory(vm, BASE, PAGE_2M, 0);
	map_memory(vm, BASE + PAGE_2M, PAGE_2M, MINIVMX_MAP_2M);
	shared = mmap_memory(vm, BASE, 2 * PAGE_2M);
	set_job(vm, .address = (u64 *)&job);
	run_to_sync(vcpu, (uintptr_t)&job);
	other = take_the_rest(vm);
	for (u64 gpa = BASE; gpa <= BASE + PAGE_2M; gpa += PAGE_2M) {
		set_job(vm, .address = (u64 *)gpa);
		for (int i = 0; i < 2; i++)
			EXPECT_EQ(ENOMEM, run_error(vcpu));
		EXPECT_TRUE(raises_bus_error(shared + (gpa - BASE)));
	}
	close(other);
	EXPECT_FALSE(raises_bus_error(shared));
	run_to_sync(vcpu, 0);
	run_to_sync(vcpu, 0);
}

TEST_HARNESS_MAIN
