// SPDX-License-Identifier: GPL-2.0
/*
 * What /proc/self/fdinfo says of the files, also while a vCPU runs: the numbers of
 * MINIVMX_GET_STATS, and nothing that is an address.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "guest.h"
#include "kselftest_harness.h"
#include "minivmx_util.h"

static FILE *open_fdinfo(int fd)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "r");
	require(file, "%s cannot be opened: %s", path, strerror(errno));
	return file;
}

/* The value of a line; false if there is none. */
static bool find_line(int fd, const char *name, char value[static 64])
{
	FILE *file = open_fdinfo(fd);
	char line[128], format[64];
	bool found = false;

	snprintf(format, sizeof(format), "%s:\t%%63s", name);
	while (!found && fgets(line, sizeof(line), file))
		found = sscanf(line, format, value) == 1;
	fclose(file);
	return found;
}

static u64 number(int fd, const char *name)
{
	char value[64];

	require(find_line(fd, name, value), "no line %s", name);
	return strtoull(value, NULL, 10);
}

/* Exits with a reason; what never happened has no line. */
static u64 exits_for(int fd, enum exit_reason reason)
{
	char name[32], value[64];

	snprintf(name, sizeof(name), "exits[%d]", reason);
	return find_line(fd, name, value) ? strtoull(value, NULL, 10) : 0;
}

FIXTURE(fdinfo)
{
	struct vm vm;
};

FIXTURE_SETUP(fdinfo)
{
	const char *reason = create_vm(&self->vm);

	if (reason)
		SKIP(return, "%s", reason);
	load_program(&self->vm);
}

FIXTURE_TEARDOWN(fdinfo)
{
	close_vm(&self->vm);
}

static volatile u64 stop;

static void cpuid(void)
{
	u32 a = 0, b, c = 0, d;

	asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
}

static void guest_asks_three_times(void)
{
	for (int i = 0; i < 3; i++)
		cpuid();
	GUEST_DONE();
}

static void guest_asks_until_stopped(void)
{
	while (!stop)
		cpuid();
	GUEST_DONE();
}

#define MEMBER(name)	{ #name, offsetof(struct minivmx_stats, out_##name) }

/* What a VM file has, and of these the first ones a vCPU file, too. */
#define OF_A_VCPU	10
static const struct member {
	const char *name;
	size_t offset;
} members[] = {
	MEMBER(runs), MEMBER(bursts), MEMBER(entries), MEMBER(returns),
	MEMBER(injections), MEMBER(flushes), MEMBER(kicks), MEMBER(ept_fills),
	MEMBER(allocations), MEMBER(absences),
	MEMBER(pages), MEMBER(tables), MEMBER(guest_faults), MEMBER(shadow_misses),
	MEMBER(table_writes), MEMBER(syncs), MEMBER(reclaims),
	MEMBER(shadow_tables), MEMBER(supervisor_writes),
};

static u64 value_of(const struct minivmx_stats *stats, const struct member *member)
{
	return *(const u64 *)((const char *)stats + member->offset);
}

/* Each member of the structure, by its name. */
TEST_F(fdinfo, has_what_the_call_tells)
{
	struct minivmx_stats stats;

	start_guest(&self->vm, guest_asks_three_times);
	run_to_done(&self->vm.vcpu);
	stats = get_stats(&self->vm);
	EXPECT_EQ(sizeof(stats), 8 * (1 + ARRAY_SIZE(members) + MINIVMX_STATS_EXITS));
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		const struct member *member = &members[i];

		EXPECT_EQ(value_of(&stats, member), number(self->vm.fd, member->name))
			TH_LOG("%s", member->name);
		if (i < OF_A_VCPU)
			EXPECT_EQ(value_of(&stats, member),
				  number(self->vm.vcpu.fd, member->name));
	}
	for (int reason = 0; reason < MINIVMX_STATS_EXITS; reason++) {
		EXPECT_EQ(stats.out_exits[reason], exits_for(self->vm.fd, reason));
		EXPECT_EQ(stats.out_exits[reason], exits_for(self->vm.vcpu.fd, reason));
	}
	EXPECT_EQ(3, exits_for(self->vm.vcpu.fd, EXIT_CPUID));
}

TEST_F(fdinfo, says_what_a_file_is)
{
	char value[64];

	ASSERT_TRUE(find_line(self->vm.fd, "mmu", value));
	EXPECT_STREQ(mmu_name(self->vm.mmu), value);
	ASSERT_TRUE(find_line(self->vm.vcpu.fd, "vcpu", value));
	EXPECT_STREQ("0", value);
	EXPECT_FALSE(find_line(self->vm.vcpu.fd, "pages", value));
	EXPECT_FALSE(find_line(self->vm.device, "mmu", value));
	EXPECT_FALSE(find_line(self->vm.device, "vcpu", value));
}

static void *run_to_stop(void *arg)
{
	const struct vcpu *vcpu = arg;

	run_to_done(vcpu);
	return NULL;
}

/* The vCPU is in one call all the time, and nothing else of it can be read. */
TEST_F(fdinfo, can_be_read_while_the_guest_runs)
{
	struct vm *vm = &self->vm;
	u64 last = 0;
	pthread_t thread;

	start_guest(vm, guest_asks_until_stopped);
	ASSERT_EQ(0, pthread_create(&thread, NULL, run_to_stop, &vm->vcpu));
	while (exits_for(vm->fd, EXIT_CPUID) < 100)
		sched_yield();
	for (int i = 0; i < 100; i++) {
		u64 of_vcpu, of_vm;

		test_err(EBUSY, vm->vcpu.fd, MINIVMX_GET_REGS, ARG(regs_arg));
		of_vcpu = exits_for(vm->vcpu.fd, EXIT_CPUID);
		of_vm = exits_for(vm->fd, EXIT_CPUID);
		EXPECT_LE(last, of_vcpu);
		EXPECT_LE(of_vcpu, of_vm);
		EXPECT_EQ(1, number(vm->vcpu.fd, "runs"));
		EXPECT_EQ(0, number(vm->vcpu.fd, "returns"));
		last = of_vm;
		sched_yield();
	}
	EXPECT_LT(100, last);
	guest_copy(vm, stop)[0] = 1;
	pthread_join(thread, NULL);
	EXPECT_EQ(1, number(vm->vcpu.fd, "returns"));
}

/* What it did stays in the VM's numbers. */
TEST_F(fdinfo, a_vm_remembers_a_vcpu_that_is_gone)
{
	struct vm *vm = &self->vm;

	if (!has_several_vcpus(vm))
		SKIP(return, NEEDS_TWO_VCPUS);
	start_guest(vm, guest_asks_three_times);
	run_to_done(&vm->vcpu);
	close_vcpu(&vm->vcpu);
	EXPECT_EQ(3, exits_for(vm->fd, EXIT_CPUID));
	EXPECT_EQ(1, number(vm->fd, "runs"));
	create_vcpu(vm, 1, &vm->vcpu);
	EXPECT_EQ(1, number(vm->vcpu.fd, "vcpu"));
	EXPECT_EQ(0, exits_for(vm->vcpu.fd, EXIT_CPUID));
}

/* Counts of a short run are small, and no address of the kernel is. */
TEST_F(fdinfo, has_no_address)
{
	const int fds[] = { self->vm.fd, self->vm.vcpu.fd };
	char line[128];

	start_guest(&self->vm, guest_asks_three_times);
	run_to_done(&self->vm.vcpu);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		FILE *file = open_fdinfo(fds[i]);
		u64 value;

		while (fgets(line, sizeof(line), file)) {
			EXPECT_EQ(NULL, strstr(line, "0x"));
			if (sscanf(line, "%*[^:]:\t%llu", &value) == 1)
				EXPECT_LT(value, BIT(32)) TH_LOG("%s", line);
		}
		fclose(file);
	}
}

TEST_HARNESS_MAIN
