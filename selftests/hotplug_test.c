// SPDX-License-Identifier: GPL-2.0
/*
 * What comes and goes under a guest that runs: CPUs, the system's power, and KVM. The
 * guest goes on, wherever it finds itself.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "alarm.h"
#include "minivmx_harness.h"
#include "window.h"

#define BASE		(64 * MIB)
#define ROUNDS		4
#define CPU1_ONLINE	"/sys/devices/system/cpu/cpu1/online"

static volatile u64 turns, seen;

/* Looks at the memory at BASE, which comes and goes, too. */
static void guest_looks(void)
{
	for (;;) {
		seen = read_at(BASE);
		turns++;
	}
}

/* A thread that runs a guest, whatever comes in between. */
struct runner {
	struct vm *vm;
	pthread_t thread;
	volatile bool stop;
};

static void *run_on(void *arg)
{
	struct runner *runner = arg;

	while (!runner->stop) {
		int error = run_error(&runner->vm->vcpu);

		require(!error || error == EINTR, "MINIVMX_RUN: %s",
			strerrorname_np(error));
		require(error || runner->vm->vcpu.run->reason ==
				 MINIVMX_EXIT_MEMORY,
			"%s", describe_exit(&runner->vm->vcpu));
	}
	return NULL;
}

static void start_runner(struct runner *runner, struct vm *vm)
{
	catch_signal(SIGUSR1, no_action);
	runner->vm = vm;
	runner->stop = false;
	map_memory(vm, BASE, PAGE_4K, 0);
	start_guest(vm, guest_looks);
	require(!pthread_create(&runner->thread, NULL, run_on, runner),
		"pthread_create fails");
}

static void stop_runner(struct runner *runner)
{
	runner->stop = true;
	while (pthread_tryjoin_np(runner->thread, NULL)) {
		pthread_kill(runner->thread, SIGUSR1);
		usleep(1000);
	}
}

static void move_runner(struct runner *runner, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	require(!pthread_setaffinity_np(runner->thread, sizeof(set), &set),
		"no CPU %d", cpu);
}

/* The guest goes on. */
static void wait_for_turns(struct runner *runner)
{
	volatile u64 *count = guest_copy(runner->vm, turns);
	u64 before = *count;

	while (*count < before + 1000)
		usleep(1000);
}

/* The guest reads it, now and then. */
static void wait_for_value(struct runner *runner, u64 value)
{
	volatile u64 *last = guest_copy(runner->vm, seen);

	while (*last != value)
		usleep(1000);
	wait_for_turns(runner);
	require(*last == value, "the guest sees %#llx at last, not %#llx", *last,
		value);
}

static void write_to(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);

	require(fd >= 0 && write(fd, value, strlen(value)) > 0, "%s: %s", path,
		strerrorname_np(errno));
	close(fd);
}

/* ------------------------------------------------------------------------ CPUs */

/* The thread was bound to the CPU that goes: the kernel moves it. */
TEST_F(vm, cpu_goes_and_comes)
{
	struct runner runner;

	if (online_cpus() < 2)
		SKIP(return, "this machine has one CPU");
	start_runner(&runner, &self->vm);
	for (int i = 0; i < ROUNDS; i++) {
		move_runner(&runner, 1);
		wait_for_turns(&runner);
		write_to(CPU1_ONLINE, "0");
		wait_for_turns(&runner);
		write_to(CPU1_ONLINE, "1");
		wait_for_turns(&runner);
	}
	stop_runner(&runner);
}

static void replace_memory(struct vm *vm, u64 value)
{
	u64 *page;

	unmap_memory(vm, BASE, PAGE_4K);
	map_memory(vm, BASE, PAGE_4K, 0);
	page = mmap_memory(vm, BASE, PAGE_4K);
	*page = value;
	munmap(page, PAGE_4K);
}

/* A CPU that was away forgets what was taken away meanwhile. */
TEST_F(vm, memory_goes_while_the_cpu_is_away)
{
	struct runner runner;

	if (online_cpus() < 2)
		SKIP(return, "this machine has one CPU");
	start_runner(&runner, &self->vm);
	for (u64 i = 1; i <= ROUNDS; i++) {
		replace_memory(&self->vm, 2 * i);
		move_runner(&runner, 1);
		wait_for_value(&runner, 2 * i);
		write_to(CPU1_ONLINE, "0");
		replace_memory(&self->vm, 2 * i + 1);
		write_to(CPU1_ONLINE, "1");
		move_runner(&runner, 1);
		wait_for_value(&runner, 2 * i + 1);
	}
	stop_runner(&runner);
}

/* ----------------------------------------------------------------------- power */

#define PM_TEST		"/sys/power/pm_test"

/*
 * All of a suspend but the sleep itself, which not every machine wakes up from: tasks
 * are frozen, devices suspended, and for "mem" all CPUs but one go.
 */
static void go_through_the_motions(const char *state)
{
	write_to("/sys/module/suspend/parameters/pm_test_delay", "1");
	write_to(PM_TEST, !strcmp(state, "mem") ? "core" : "platform");
	write_to("/sys/power/state", state);
	write_to(PM_TEST, "none");
}

/* Is it among the words of the file? */
static bool offers(const char *path, const char *word)
{
	FILE *file = fopen(path, "r");
	char words[64] = "";

	if (!file)
		return false;
	require(fgets(words, sizeof(words), file), "%s is empty", path);
	fclose(file);
	return strstr(words, word);
}

static bool can_suspend(const char *state)
{
	return offers("/sys/power/state", state) && !access(PM_TEST, W_OK);
}

FIXTURE(suspended)
{
	struct vm vm;
	struct runner runner;
};

FIXTURE_VARIANT(suspended)
{
	const char *state;
};

FIXTURE_VARIANT_ADD(suspended, to_idle) { .state = "freeze" };
FIXTURE_VARIANT_ADD(suspended, to_ram) { .state = "mem" };

FIXTURE_SETUP(suspended)
{
	const char *reason = create_vm(&self->vm);

	if (!reason && !can_suspend(variant->state))
		reason = "this kernel cannot go through the motions of a suspend";
	if (reason)
		SKIP(return, "%s", reason);
}

FIXTURE_TEARDOWN(suspended)
{
	close_vm(&self->vm);
}

TEST_F(suspended, guest_goes_on)
{
	start_runner(&self->runner, &self->vm);
	for (int cpu = 0; cpu < online_cpus(); cpu++) {
		move_runner(&self->runner, cpu);
		wait_for_turns(&self->runner);
		go_through_the_motions(variant->state);
		wait_for_turns(&self->runner);
	}
	stop_runner(&self->runner);
}

#define MEM_SLEEP	"/sys/power/mem_sleep"
#define WAKE_ALARM	"/sys/class/rtc/rtc0/wakealarm"

/* Returns NULL, or the reason to skip. */
static const char *obstacle_to_sleep(void)
{
	if (machine() == MACHINE_UNKNOWN)
		return "only the lab's machines are known to wake up";
	if (!offers(MEM_SLEEP, "deep"))
		return "this machine has no suspend to RAM";
	if (access(WAKE_ALARM, W_OK))
		return "nothing would wake this machine";
	return NULL;
}

/* All CPUs lose their state: those that went, and the last when the power goes. */
static void sleep_until_alarm(void)
{
	write_to(MEM_SLEEP, "deep");
	write_to(WAKE_ALARM, "+3");
	write_to("/sys/power/state", "mem");
	/* Where something else was faster. */
	write_to(WAKE_ALARM, "0");
}

/* All CPUs run the guest; the memory is the same, and can be taken away as before. */
TEST_F(vm, guest_goes_on_after_suspend_to_ram)
{
	const char *reason = obstacle_to_sleep();
	struct runner runner;

	if (reason)
		SKIP(return, "%s", reason);
	start_runner(&runner, &self->vm);
	for (int cpu = 0; cpu < online_cpus(); cpu++) {
		move_runner(&runner, cpu);
		replace_memory(&self->vm, 2 * cpu + 1);
		wait_for_value(&runner, 2 * cpu + 1);
		sleep_until_alarm();
		for (int other = 0; other < online_cpus(); other++) {
			move_runner(&runner, other);
			wait_for_value(&runner, 2 * cpu + 1);
		}
		replace_memory(&self->vm, 2 * cpu + 2);
		wait_for_value(&runner, 2 * cpu + 2);
	}
	stop_runner(&runner);
}

/* ------------------------------------------------------------------------- KVM */

/* In the order in which they are loaded. */
static const char *const kvm_modules[][2] = {
	{ "irqbypass", "/lib/modules/irqbypass.ko" },
	{ "kvm", "/lib/modules/kvm.ko" },
	{ "kvm_intel", "/lib/modules/kvm-intel.ko" },
};

static void load_kvm(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(kvm_modules); i++) {
		int file = open(kvm_modules[i][1], O_RDONLY | O_CLOEXEC);

		require(file >= 0 && !syscall(SYS_finit_module, file, "", 0),
			"%s: %s", kvm_modules[i][1], strerrorname_np(errno));
		close(file);
	}
}

static void unload_kvm(void)
{
	for (size_t i = ARRAY_SIZE(kvm_modules); i-- > 0;) {
		require(!syscall(SYS_delete_module, kvm_modules[i][0],
				 O_NONBLOCK),
			"%s: %s", kvm_modules[i][0], strerrorname_np(errno));
	}
}

/* VMX is KVM's and is not, on all CPUs, without a pause for the guest. */
TEST_F(vm, kvm_comes_and_goes_under_a_guest)
{
	const bool loaded = !access("/sys/module/kvm_intel", F_OK);
	struct runner runner;

	if (access(kvm_modules[2][1], R_OK))
		SKIP(return, "no %s to load", kvm_modules[2][1]);
	start_runner(&runner, &self->vm);
	for (int i = 0; i < ROUNDS; i++) {
		if (loaded)
			unload_kvm();
		else
			load_kvm();
		wait_for_turns(&runner);
		if (loaded)
			load_kvm();
		else
			unload_kvm();
		wait_for_turns(&runner);
	}
	stop_runner(&runner);
}

TEST_HARNESS_MAIN
