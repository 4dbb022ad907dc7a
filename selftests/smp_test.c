// SPDX-License-Identifier: GPL-2.0
/*
 * Several vCPUs of one VM at once, on CPUs of their own: they share memory, and
 * what is taken away is gone for all of them.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "alarm.h"
#include "guest.h"
#include "kselftest_harness.h"
#include "minivmx_util.h"

#define BASE		(64 * MIB)
#define VCPUS		2
#define ADDITIONS	20000
#define TSC_OFFSET	0x2010

struct smp_vcpu {
	struct vcpu vcpu;
	int cpu;
	volatile u64 memory_exits;
	pthread_t thread;
};

struct smp {
	struct vm vm;
	struct smp_vcpu vcpus[VCPUS];
};

FIXTURE(smp)
{
	struct smp smp;
};

FIXTURE_SETUP(smp)
{
	struct smp *smp = &self->smp;
	const char *reason = create_vm(&smp->vm);

	if (reason)
		SKIP(return, "%s", reason);
	if (!has_several_vcpus(&smp->vm))
		SKIP(return, NEEDS_TWO_VCPUS);
	if (online_cpus() < VCPUS)
		SKIP(return, "this machine has one CPU");
	load_program(&smp->vm);
	smp->vcpus[0].vcpu = smp->vm.vcpu;
	create_vcpu(&smp->vm, 1, &smp->vcpus[1].vcpu);
}

FIXTURE_TEARDOWN(smp)
{
	struct smp *smp = &self->smp;

	close_vcpu(&smp->vcpus[1].vcpu);
	close_vm(&smp->vm);
}

static struct {
	volatile u64 counter;
	volatile u64 ready[VCPUS];
	volatile u64 apic_ids[VCPUS];
	volatile u64 reads[VCPUS];
	volatile u64 generation;
	volatile u64 seen;
	volatile u64 stop;
} shared;

static u64 own_apic_id(void)
{
	u32 a = 1, b, c = 0, d;

	asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return b >> 24;
}

static void start_all(struct smp *smp, void (*code)(void),
		      void *(*run)(void *))
{
	for (int i = 0; i < VCPUS; i++) {
		struct smp_vcpu *vcpu = &smp->vcpus[i];

		vcpu->cpu = i;
		vcpu->memory_exits = 0;
		start_long_mode(&smp->vm, &vcpu->vcpu, i, code);
		require(!pthread_create(&vcpu->thread, NULL, run, vcpu),
			"pthread_create fails");
	}
}

static void join_all(struct smp *smp)
{
	for (int i = 0; i < VCPUS; i++)
		pthread_join(smp->vcpus[i].thread, NULL);
}

/* Runs to the guest's end on a CPU of its own; tries missing memory again. */
static void *run_on(void *arg)
{
	struct smp_vcpu *vcpu = arg;

	require(pin_to_cpu(vcpu->cpu), "no CPU %d", vcpu->cpu);
	for (;;) {
		vcpu_run(&vcpu->vcpu);
		if (vcpu->vcpu.run->reason != MINIVMX_EXIT_MEMORY)
			break;
		require(vcpu->vcpu.run->memory.gpa == BASE,
			"exit at guest-physical address %#llx",
			vcpu->vcpu.run->memory.gpa);
		vcpu->memory_exits++;
	}
	require(get_ucall(&vcpu->vcpu) == UCALL_DONE, "%s",
		describe_exit(&vcpu->vcpu));
	return NULL;
}

/* Each waits for the other, so both must run at the same time. */
static void guest_adds(void)
{
	u64 id = own_apic_id();

	shared.apic_ids[id] = id;
	shared.ready[id] = 1;
	while (!shared.ready[!id])
		asm volatile("pause");
	for (int i = 0; i < ADDITIONS; i++)
		__atomic_fetch_add(&shared.counter, 1, __ATOMIC_RELAXED);
}

TEST_F(smp, shared_counter)
{
	struct smp *smp = &self->smp;

	start_all(smp, guest_adds, run_on);
	join_all(smp);
	EXPECT_EQ(VCPUS * ADDITIONS, guest_copy(&smp->vm, shared)->counter);
	EXPECT_EQ(1, guest_copy(&smp->vm, shared)->apic_ids[1]);
}

/* As in memory_test: a value read is not older than the generation before it. */
static void guest_reads_on(void)
{
	volatile u64 *page = (u64 *)BASE;
	u64 id = own_apic_id();

	while (!shared.stop) {
		u64 generation = shared.generation;
		u64 value = *page;

		GUEST_ASSERT(!value || value >= generation);
		shared.reads[id]++;
	}
}

static void wait_for_reads(struct smp *smp)
{
	__typeof__(shared) *copy = guest_copy(&smp->vm, shared);

	for (int i = 0; i < VCPUS; i++) {
		u64 before = copy->reads[i];

		while (copy->reads[i] < before + 50)
			sched_yield();
	}
}

static void write_generation(const struct vm *vm, u64 generation)
{
	u64 *page = mmap_memory(vm, BASE, PAGE_4K);

	*page = generation;
	munmap(page, PAGE_4K);
}

TEST_F(smp, memory_goes_for_all)
{
	struct smp *smp = &self->smp;
	__typeof__(shared) *copy = guest_copy(&smp->vm, shared);
	const int rounds = 20;

	map_memory(&smp->vm, BASE, PAGE_4K, 0);
	start_all(smp, guest_reads_on, run_on);
	for (u64 round = 1; round <= rounds; round++) {
		u64 exits[VCPUS];

		wait_for_reads(smp);
		for (int i = 0; i < VCPUS; i++)
			exits[i] = smp->vcpus[i].memory_exits;
		unmap_memory(&smp->vm, BASE, PAGE_4K);
		copy->generation = round;
		for (int i = 0; i < VCPUS; i++) {
			while (smp->vcpus[i].memory_exits == exits[i])
				sched_yield();
		}
		map_memory(&smp->vm, BASE, PAGE_4K, 0);
		write_generation(&smp->vm, round);
	}
	copy->stop = 1;
	join_all(smp);
	/* Some vCPU was running at some unmapping, and had to be stopped. */
	EXPECT_LT(0, get_stats(&smp->vm).out_kicks);
}

/* Both touch the same fresh pages at once: each page comes once. */
static void guest_touches(void)
{
	u64 id = own_apic_id();

	shared.ready[id] = 1;
	while (!shared.ready[!id])
		asm volatile("pause");
	for (u64 page = 0; page < 256; page++) {
		volatile u64 *words = (u64 *)(BASE + page * PAGE_4K);

		__atomic_fetch_add(&words[0], 1, __ATOMIC_RELAXED);
	}
}

TEST_F(smp, first_touch_races)
{
	struct smp *smp = &self->smp;
	u64 *words, pages;

	map_memory(&smp->vm, BASE, 256 * PAGE_4K, 0);
	start_all(smp, guest_touches, run_on);
	join_all(smp);
	words = mmap_memory(&smp->vm, BASE, 256 * PAGE_4K);
	for (int page = 0; page < 256; page++) {
		EXPECT_EQ(VCPUS, words[page * PAGE_4K / 8])
			TH_LOG("page %d", page);
	}
	pages = get_stats(&smp->vm).out_pages;
	unmap_memory(&smp->vm, BASE, 256 * PAGE_4K);
	EXPECT_EQ(256, pages - get_stats(&smp->vm).out_pages);
}

/* ------------------------------------------------ translations of one's own */

#define SHOOTDOWNS	200
/* The guest's page directories lie behind its PML4 and PDPT; pages are of 2 MiB. */
#define PDE_OF(address)	((volatile u64 *)(GUEST_PML4 + 2 * PAGE_4K) + (address) / PAGE_2M)

static void invalidate(u64 address)
{
	asm volatile("invlpg (%0)" : : "r"(address) : "memory");
}

/* One of two pages, which hold their numbers. */
static u64 page_at(u64 round)
{
	return BASE + round % 2 * PAGE_2M;
}

static u64 page_number(void)
{
	return *(volatile u64 *)BASE;
}

static void maps_anew(void)
{
	for (u64 round = 1; round <= SHOOTDOWNS; round++) {
		*PDE_OF(BASE) = page_at(round) | (*PDE_OF(BASE) & (PAGE_4K - 1));
		invalidate(BASE);
		GUEST_ASSERT(page_number() == page_at(round));
		shared.generation = round;
		while (shared.seen != round)
			asm volatile("pause");
	}
}

static void looks_again(void)
{
	for (u64 round = 1; round <= SHOOTDOWNS; round++) {
		while (shared.generation != round) {
			u64 value = page_number();

			GUEST_ASSERT(value == page_at(0) || value == page_at(1));
		}
		invalidate(BASE);
		GUEST_ASSERT(page_number() == page_at(round));
		shared.seen = round;
	}
}

static void guest_shoots_down(void)
{
	if (own_apic_id())
		looks_again();
	else
		maps_anew();
}

/* What one vCPU changes in their tables, the other sees when it invalidates it. */
TEST_F(smp, shootdown)
{
	struct smp *smp = &self->smp;

	map_memory(&smp->vm, BASE, 2 * PAGE_2M, 0);
	for (u64 page = 0; page < 2; page++) {
		u64 *words = mmap_memory(&smp->vm, page_at(page), PAGE_4K);

		words[0] = page_at(page);
		munmap(words, PAGE_4K);
	}
	start_all(smp, guest_shoots_down, run_on);
	join_all(smp);
	EXPECT_EQ(SHOOTDOWNS, guest_copy(&smp->vm, shared)->seen);
}

static u32 root_entries(const struct smp *smp, u32 id)
{
	struct minivmx_pte entries[MINIVMX_MAX_PTES];
	struct minivmx_read_table *root = ARG(read_table, .vcpu = id,
					      .entries = (uintptr_t)entries);

	test_cmd(smp->vm.fd, MINIVMX_READ_TABLE, root);
	return root->out_count;
}

static void guest_does_nothing(void)
{
}

/* Each vCPU has a shadow, which memory that goes takes from all of them. */
TEST_F(smp, shadows)
{
	struct smp *smp = &self->smp;

	if (uses_ept(&smp->vm))
		SKIP(return, "not with EPT: this is about shadow tables");
	for (u32 id = 0; id < VCPUS; id++) {
		EXPECT_EQ(0, root_entries(smp, id));
		start_long_mode(&smp->vm, &smp->vcpus[id].vcpu, id, guest_does_nothing);
		run_to_done(&smp->vcpus[id].vcpu);
		EXPECT_LT(0, root_entries(smp, id));
	}
	EXPECT_LT(0, root_entries(smp, 0));
	map_memory(&smp->vm, BASE, PAGE_4K, MINIVMX_MAP_POPULATE);
	unmap_memory(&smp->vm, BASE, PAGE_4K);
	for (u32 id = 0; id < VCPUS; id++) {
		EXPECT_EQ(0, root_entries(smp, id))
			TH_LOG("vCPU %u", id);
	}
}

/* ------------------------------------------- vCPUs that do not come into being */

/* Wants a vCPU of the number that the other process wants, and never has a file for it. */
static void fail_to_create(const struct vm *vm, const volatile u32 *id)
{
	const struct rlimit none = { 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	require(pin_to_cpu(1), "no CPU 1");
	require(!setrlimit(RLIMIT_NOFILE, &none), "setrlimit fails");
	for (;;) {
		int error = call_error(vm->fd, MINIVMX_CREATE_VCPU,
				       ARG(create_vcpu, .id = *id));

		require(error == EMFILE || error == EEXIST, "MINIVMX_CREATE_VCPU: %s",
			strerrorname_np(error));
	}
}

/* The number may be the other's for a moment. */
static void create_vcpu_at_last(const struct vm *vm, u32 id, struct vcpu *vcpu)
{
	const struct minivmx_create_vcpu *argument = ARG(create_vcpu, .id = id);
	int fd;

	do {
		fd = ioctl(vm->fd, MINIVMX_CREATE_VCPU, argument);
	} while (fd < 0 && errno == EEXIST);
	require(fd >= 0, "MINIVMX_CREATE_VCPU: %s", strerrorname_np(errno));
	use_vcpu(vcpu, fd);
}

/* One that fails takes nothing from the next of the same number. */
TEST_F(smp, failed_creation)
{
	const struct vm *vm = &self->smp.vm;
	const u32 numbers = get_info(vm->device).out_max_vcpus;
	volatile u32 *id = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t other;
	int status;

	ASSERT_NE(MAP_FAILED, id);
	*id = VCPUS;
	other = fork();
	ASSERT_LE(0, other);
	if (!other)
		fail_to_create(vm, id);
	require(pin_to_cpu(0), "no CPU 0");
	for (u32 wanted = VCPUS; wanted < numbers; wanted++) {
		struct vcpu vcpu;

		*id = wanted;
		create_vcpu_at_last(vm, wanted, &vcpu);
		start_long_mode(vm, &vcpu, 0, guest_does_nothing);
		run_to_done(&vcpu);
		close_vcpu(&vcpu);
	}
	kill(other, SIGKILL);
	ASSERT_EQ(other, waitpid(other, &status, 0));
	/* Until then it went on. */
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void *run_to_signal(void *arg)
{
	struct smp_vcpu *vcpu = arg;
	int error;

	require(pin_to_cpu(vcpu->cpu), "no CPU %d", vcpu->cpu);
	error = run_error(&vcpu->vcpu);
	require(error == EINTR, "MINIVMX_RUN: %s, expected EINTR",
		strerrorname_np(error));
	return NULL;
}

static void guest_spins(void)
{
	shared.ready[own_apic_id()] = 1;
	for (;;)
		asm volatile("pause");
}

/* A signal of one CPU reaches the thread that runs a guest on another. */
TEST_F(smp, signals_reach_other_cpus)
{
	struct smp *smp = &self->smp;
	__typeof__(shared) *copy = guest_copy(&smp->vm, shared);

	catch_signal(SIGUSR1, no_action);
	start_all(smp, guest_spins, run_to_signal);
	for (int i = 0; i < VCPUS; i++) {
		while (!copy->ready[i])
			sched_yield();
		pthread_kill(smp->vcpus[i].thread, SIGUSR1);
	}
	join_all(smp);
}

/*
 * However far apart their first instructions are. A guest that finds its CPUs'
 * counters to differ does not use them.
 */
TEST_F(smp, time_stamp_counters_agree)
{
	struct smp *smp = &self->smp;
	u64 offset = vmread(&smp->vcpus[0].vcpu, TSC_OFFSET);

	EXPECT_EQ(offset, vmread(&smp->vcpus[1].vcpu, TSC_OFFSET));
}

TEST_HARNESS_MAIN
