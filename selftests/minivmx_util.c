// SPDX-License-Identifier: GPL-2.0
#include <cpuid.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"
#include "minivmx_util.h"

void fail_test(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fprintf(stderr, "# %s:%d: ", file, line);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	_exit(KSFT_FAIL);
}

int require_call(const char *file, int line, const char *name, int fd,
		 unsigned long call, const void *arg)
{
	int result = ioctl(fd, call, arg);

	if (result < 0)
		fail_test(file, line, "%s: %s", name, strerrorname_np(errno));
	return result;
}

int call_error(int fd, unsigned long call, const void *arg)
{
	return ioctl(fd, call, arg) < 0 ? errno : 0;
}

/* The words of MINIVMX_EXPECT, as bits. */
enum expectation {
	EXPECT_EPT	= BIT(0),
	EXPECT_NO_EPT	= BIT(1),
	EXPECT_NO_VMX	= BIT(2),
	EXPECT_SHADOW	= BIT(3),
};

static u32 expectation(const char *word)
{
	if (!strcmp(word, "ept"))
		return EXPECT_EPT;
	if (!strcmp(word, "no-ept"))
		return EXPECT_NO_EPT;
	if (!strcmp(word, "no-vmx"))
		return EXPECT_NO_VMX;
	if (!strcmp(word, "shadow"))
		return EXPECT_SHADOW;
	fail_test(__FILE__, __LINE__, "MINIVMX_EXPECT: '%s' means nothing", word);
}

static u32 expectations(void)
{
	const char *expect = getenv("MINIVMX_EXPECT");
	char words[64], *word, *rest;
	u32 all = 0;

	snprintf(words, sizeof(words), "%s", expect ? expect : "");
	for (word = strtok_r(words, ",", &rest); word;
	     word = strtok_r(NULL, ",", &rest))
		all |= expectation(word);
	return all;
}

enum machine machine(void)
{
	u32 all = expectations();

	if (all & EXPECT_EPT)
		return MACHINE_EPT;
	if (all & EXPECT_NO_EPT)
		return MACHINE_NO_EPT;
	if (all & EXPECT_NO_VMX)
		return MACHINE_NO_VMX;
	return MACHINE_UNKNOWN;
}

bool shadow_expected(void)
{
	return expectations() & EXPECT_SHADOW;
}

static const char *const mmu_names[MMUS] = {
	[MINIVMX_MMU_EPT] = "ept",
	[MINIVMX_MMU_VTLB] = "vtlb",
	[MINIVMX_MMU_WP] = "wp",
	[MINIVMX_MMU_UNSYNC] = "unsync",
	[MINIVMX_MMU_PV] = "pv",
};

const char *mmu_name(u32 mmu)
{
	return mmu_names[mmu];
}

u32 chosen_mmu(void)
{
	const char *name = getenv("MINIVMX_MMU");

	if (!name)
		return MINIVMX_MMU_EPT;
	for (u32 mmu = MINIVMX_MMU_EPT; mmu < MMUS; mmu++) {
		if (!strcmp(name, mmu_names[mmu]))
			return mmu;
	}
	fail_test(__FILE__, __LINE__, "MINIVMX_MMU=%s means nothing", name);
}

const char *open_device(int *device)
{
	*device = open("/dev/minivmx", O_RDWR | O_CLOEXEC);
	if (*device >= 0) {
		require(machine() != MACHINE_NO_VMX,
			"/dev/minivmx is there on a CPU without VMX");
		return NULL;
	}
	require(errno == ENOENT, "open of /dev/minivmx: %s",
		strerrorname_np(errno));
	require(machine() != MACHINE_EPT && machine() != MACHINE_NO_EPT,
		"no /dev/minivmx on a CPU with VMX");
	return "no /dev/minivmx: this CPU has no VMX, or the module is not loaded";
}

static bool mmu_is_expected(u32 mmu)
{
	if (mmu == MINIVMX_MMU_EPT)
		return machine() == MACHINE_EPT;
	return shadow_expected();
}

/* Why there is no VM with @vm->mmu; ends the test if there ought to be one. */
static const char *reason_for_refusal(const struct vm *vm, int error)
{
	static char text[64];
	struct minivmx_info info = get_info(vm->device);

	require(error == EOPNOTSUPP && !mmu_is_expected(vm->mmu),
		"MINIVMX_CREATE_VM, %s: %s", mmu_name(vm->mmu),
		strerrorname_np(error));
	require(!(info.out_mmus & BIT(vm->mmu)),
		"MINIVMX_CREATE_VM: EOPNOTSUPP, but out_mmus has %s",
		mmu_name(vm->mmu));
	if (vm->mmu == MINIVMX_MMU_EPT) {
		require(info.out_ept_missing,
			"MINIVMX_CREATE_VM: EOPNOTSUPP, but no capability is missing");
		return "this CPU has no extended page tables";
	}
	snprintf(text, sizeof(text), "this driver has no shadow paging by '%s'",
		 mmu_name(vm->mmu));
	return text;
}

const char *create_vm(struct vm *vm)
{
	return create_vm_with(vm, chosen_mmu());
}

const char *create_vm_with(struct vm *vm, u32 mmu)
{
	const char *reason = open_device(&vm->device);

	if (reason)
		return reason;
	vm->mmu = mmu;
	vm->fd = ioctl(vm->device, MINIVMX_CREATE_VM, ARG(create_vm, .mmu = mmu));
	if (vm->fd < 0)
		return reason_for_refusal(vm, errno);
	require(mmu != MINIVMX_MMU_EPT || machine() != MACHINE_NO_EPT,
		"MINIVMX_CREATE_VM succeeds on a CPU without EPT");
	map_memory(vm, 0, GUEST_MEMORY, 0);
	vm->memory = mmap_memory(vm, 0, GUEST_MEMORY);
	create_vcpu(vm, 0, &vm->vcpu);
	return NULL;
}

void map_memory(const struct vm *vm, u64 gpa, u64 length,
		u32 flags)
{
	test_cmd(vm->fd, MINIVMX_MAP_MEMORY,
		 ARG(map_memory, .flags = flags, .gpa = gpa, .length = length));
}

void unmap_memory(const struct vm *vm, u64 gpa, u64 length)
{
	test_cmd(vm->fd, MINIVMX_UNMAP_MEMORY,
		 ARG(unmap_memory, .gpa = gpa, .length = length));
}

void *mmap_memory(const struct vm *vm, u64 gpa, size_t length)
{
	void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED,
			    vm->fd, gpa);

	require(memory != MAP_FAILED, "mmap of guest memory: %s",
		strerrorname_np(errno));
	return memory;
}

void create_vcpu(const struct vm *vm, u32 id, struct vcpu *vcpu)
{
	use_vcpu(vcpu, test_cmd(vm->fd, MINIVMX_CREATE_VCPU,
				ARG(create_vcpu, .id = id)));
}

void use_vcpu(struct vcpu *vcpu, int fd)
{
	vcpu->fd = fd;
	vcpu->run = mmap(NULL, MINIVMX_RUN_SIZE, PROT_READ | PROT_WRITE,
			 MAP_SHARED, vcpu->fd, 0);
	require(vcpu->run != MAP_FAILED, "mmap of the run page: %s",
		strerrorname_np(errno));
}

void close_vcpu(struct vcpu *vcpu)
{
	munmap(vcpu->run, MINIVMX_RUN_SIZE);
	close(vcpu->fd);
}

void close_vm(struct vm *vm)
{
	close_vcpu(&vm->vcpu);
	munmap(vm->memory, GUEST_MEMORY);
	close(vm->fd);
	close(vm->device);
}

struct minivmx_info get_info(int device)
{
	struct minivmx_info info = { .size = sizeof(info) };

	test_cmd(device, MINIVMX_GET_INFO, &info);
	return info;
}

struct minivmx_stats get_stats(const struct vm *vm)
{
	struct minivmx_stats stats = { .size = sizeof(stats) };

	test_cmd(vm->fd, MINIVMX_GET_STATS, &stats);
	return stats;
}

struct minivmx_sregs get_sregs(const struct vcpu *vcpu)
{
	struct minivmx_sregs sregs = { .size = sizeof(sregs) };

	test_cmd(vcpu->fd, MINIVMX_GET_SREGS, &sregs);
	return sregs;
}

void set_sregs(const struct vcpu *vcpu, struct minivmx_sregs *sregs)
{
	test_cmd(vcpu->fd, MINIVMX_SET_SREGS, sregs);
}

u64 get_msr(const struct vcpu *vcpu, u32 index)
{
	struct minivmx_msr msr = { .index = index };

	test_cmd(vcpu->fd, MINIVMX_GET_MSRS,
		 ARG(msrs, .count = 1, .entries = (uintptr_t)&msr));
	return msr.value;
}

void set_msr(const struct vcpu *vcpu, u32 index, u64 value)
{
	struct minivmx_msr msr = { .index = index, .value = value };

	test_cmd(vcpu->fd, MINIVMX_SET_MSRS,
		 ARG(msrs, .count = 1, .entries = (uintptr_t)&msr));
}

u64 vmread(const struct vcpu *vcpu, u32 encoding)
{
	struct minivmx_vmcs_field field = {
		.size = sizeof(field),
		.encoding = encoding,
	};

	test_cmd(vcpu->fd, MINIVMX_VMREAD, &field);
	return field.value;
}

void set_traps(const struct vcpu *vcpu, u32 exceptions, int nr, ...)
{
	struct minivmx_traps traps = {
		.size = sizeof(traps),
		.exceptions = exceptions,
	};
	va_list exits;

	va_start(exits, nr);
	while (nr--) {
		unsigned int reason = va_arg(exits, unsigned int);

		traps.exits[reason / 64] |= 1ULL << (reason % 64);
	}
	va_end(exits);
	test_cmd(vcpu->fd, MINIVMX_SET_TRAPS, &traps);
}

int run_error(const struct vcpu *vcpu)
{
	return call_error(vcpu->fd, MINIVMX_RUN, NULL);
}

void vcpu_run(const struct vcpu *vcpu)
{
	int error = run_error(vcpu);

	require(!error, "MINIVMX_RUN: %s", strerrorname_np(error));
}

const char *describe_exit(const struct vcpu *vcpu)
{
	static char text[512];
	const struct minivmx_run *run = vcpu->run;
	const char *ucall = describe_ucall(vcpu);

	if (ucall)
		return ucall;
	snprintf(text, sizeof(text),
		 "exit reason %#x, qualification %#llx, rip %#llx, guest-physical %#llx, linear %#llx, interruption %#x, port %#x, MSR %#x, failed entry %u, cause '%.127s'",
		 run->reason, run->qualification, run->regs.rip,
		 run->physical_address, run->linear_address,
		 run->interruption_info, run->io.port, run->msr.index,
		 run->entry_failure, run->cause);
	return text;
}

void require_exit(const char *file, int line, const struct vcpu *vcpu,
		  u32 reason)
{
	int error = run_error(vcpu);

	if (error)
		fail_test(file, line, "MINIVMX_RUN: %s", strerrorname_np(error));
	if (vcpu->run->reason != reason)
		fail_test(file, line, "expected exit reason %#x, got %s", reason,
			  describe_exit(vcpu));
}

bool pin_to_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return !sched_setaffinity(0, sizeof(set), &set);
}

int online_cpus(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN);
}

bool kvm_loaded(void)
{
	const char *kvm = getenv("MINIVMX_KVM");

	if (kvm && !strcmp(kvm, "1"))
		return true;
	return !access("/sys/module/kvm_intel", F_OK);
}

bool runs_in_kvm(void)
{
	u32 eax, ebx, ecx, edx, signature[3];

	__cpuid(1, eax, ebx, ecx, edx);
	if (!(ecx & BIT(31)))
		return false;
	__cpuid(0x40000000, eax, signature[0], signature[1], signature[2]);
	return !memcmp(signature, "KVMKVMKVM\0\0", sizeof(signature));
}

static FILE *open_proc(const char *path)
{
	FILE *file = fopen(path, "r");

	require(file, "open of %s: %s", path, strerrorname_np(errno));
	return file;
}

/* The sum of the numbers behind @name, over all lines that begin with it. */
static long sum_of(const char *path, const char *name)
{
	FILE *file = open_proc(path);
	char line[256];
	long sum = 0;
	int lines = 0;

	while (fgets(line, sizeof(line), file)) {
		const char *start = line + strspn(line, " ");

		if (strncmp(start, name, strlen(name)))
			continue;
		sum += strtol(start + strlen(name), NULL, 10);
		lines++;
	}
	fclose(file);
	require(lines, "no %s in %s", name, path);
	return sum;
}

long free_memory(void)
{
	return sum_of("/proc/meminfo", "MemFree:") +
	       sum_of("/proc/zoneinfo", "count:") * 4;
}

long available_memory(void)
{
	return sum_of("/proc/meminfo", "MemAvailable:");
}

long total_memory(void)
{
	return sum_of("/proc/meminfo", "MemTotal:");
}

bool kmemleak_watches(void)
{
	return !access("/sys/kernel/debug/kmemleak", F_OK);
}
