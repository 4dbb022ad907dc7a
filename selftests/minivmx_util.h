/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every test of minivmx needs: the calls with their names, a VM with one
 * vCPU, and exits in words. Helpers end the test with a sentence when something
 * fails that is not what the test is about.
 */
#ifndef MINIVMX_UTIL_H
#define MINIVMX_UTIL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kselftest.h"
#include "minivmx.h"

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;

#define __aligned(n)	__attribute__((aligned(n)))
#define __packed	__attribute__((packed))
#define BIT(n)		(1UL << (n))
#define PAGE_4K		0x1000UL
#define PAGE_2M		0x200000UL
#define MIB		BIT(20)

/* Basic exit reasons (SDM Vol. 3D, "VMX Basic Exit Reasons"). */
enum exit_reason {
	EXIT_EXCEPTION		= 0,
	EXIT_INTERRUPT		= 1,
	EXIT_TRIPLE_FAULT	= 2,
	EXIT_INTERRUPT_WINDOW	= 7,
	EXIT_NMI_WINDOW		= 8,
	EXIT_CPUID		= 10,
	EXIT_GETSEC		= 11,
	EXIT_HLT		= 12,
	EXIT_INVD		= 13,
	EXIT_INVLPG		= 14,
	EXIT_RDPMC		= 15,
	EXIT_RDTSC		= 16,
	EXIT_VMCALL		= 18,
	EXIT_CR_ACCESS		= 28,
	EXIT_DR_ACCESS		= 29,
	EXIT_IO			= 30,
	EXIT_RDMSR		= 31,
	EXIT_WRMSR		= 32,
	EXIT_INVALID_GUEST	= 33,
	EXIT_MWAIT		= 36,
	EXIT_MONITOR		= 39,
	EXIT_PAUSE		= 40,
	EXIT_EPT_VIOLATION	= 48,
	EXIT_RDTSCP		= 51,
	EXIT_WBINVD		= 54,
	EXIT_XSETBV		= 55,
};

/* Exception vectors (SDM Vol. 3A, "Protected-Mode Exceptions and Interrupts"). */
enum exception {
	VECTOR_DE		= 0,
	VECTOR_DB		= 1,
	VECTOR_BP		= 3,
	VECTOR_UD		= 6,
	VECTOR_DF		= 8,
	VECTOR_SS		= 12,
	VECTOR_GP		= 13,
	VECTOR_PF		= 14,
	VECTOR_AC		= 17,
};

/*
 * What the runner says of the machine, in MINIVMX_EXPECT: words with commas
 * between them.
 */
enum machine {
	MACHINE_UNKNOWN,	/* none of these: skip what cannot be */
	MACHINE_EPT,		/* "ept": nothing may be skipped for want of EPT */
	MACHINE_NO_EPT,		/* "no-ept": VMX without extended page tables */
	MACHINE_NO_VMX,		/* "no-vmx": no /dev/minivmx */
};

/* Reasons to skip a test where uses_ept() is false. */
#define NEEDS_EPT	"not with shadow paging: this is about EPT"
#define NEEDS_REAL_MODE	"not with shadow paging: it has no real mode"
/* And one where has_several_vcpus() is. */
#define NEEDS_TWO_VCPUS	"not with shadow paging that protects tables: it has one vCPU"

struct vcpu {
	int fd;
	struct minivmx_run *run;
};

/* A VM whose memory [0, GUEST_MEMORY) is mapped at @memory, and its vCPU 0. */
struct vm {
	int device;
	int fd;
	u32 mmu;
	unsigned char *memory;
	struct vcpu vcpu;
};

#define GUEST_MEMORY	(8 * MIB)

/* The argument of a call: ARG(map_memory, .gpa = 0, .length = PAGE_4K). */
#define ARG(type, ...)							\
	(&(struct minivmx_##type){					\
		.size = sizeof(struct minivmx_##type), ##__VA_ARGS__ })

/* Ends the test with @fmt unless @condition holds. */
#define require(condition, fmt, ...)					\
	do {								\
		if (!(condition))					\
			fail_test(__FILE__, __LINE__, fmt, ##__VA_ARGS__); \
	} while (0)

/* Makes a call that must succeed; returns its result. */
#define test_cmd(fd, call, arg)						\
	require_call(__FILE__, __LINE__, #call, fd, call, arg)

/* Makes a call that must fail with @expected. */
#define test_err(expected, fd, call, arg)				\
	do {								\
		int test_err_seen = call_error(fd, call, arg);		\
									\
		EXPECT_EQ(expected, test_err_seen)			\
			TH_LOG("%s: expected %s, got %s", #call,	\
			       strerrorname_np(expected),		\
			       strerrorname_np(test_err_seen));		\
	} while (0)

void __noreturn __printf(3, 4)
fail_test(const char *file, int line, const char *fmt, ...);
int require_call(const char *file, int line, const char *name, int fd,
		 unsigned long call, const void *arg);
int call_error(int fd, unsigned long call, const void *arg);

enum machine machine(void);
/* "shadow": every policy of shadow paging must be there. */
bool shadow_expected(void);

#define MMUS		(MINIVMX_MMU_PV + 1)

/* What MINIVMX_MMU names (ept, vtlb, wp, unsync, pv), else EPT. */
u32 chosen_mmu(void);
const char *mmu_name(u32 mmu);

/* Each returns NULL, or the reason to skip. */
const char *open_device(int *device);
/* With the chosen mmu, or with another. */
const char *create_vm(struct vm *vm);
const char *create_vm_with(struct vm *vm, u32 mmu);

static inline bool uses_ept(const struct vm *vm)
{
	return vm->mmu == MINIVMX_MMU_EPT;
}

static inline bool has_several_vcpus(const struct vm *vm)
{
	return uses_ept(vm) || vm->mmu == MINIVMX_MMU_VTLB;
}

void map_memory(const struct vm *vm, u64 gpa, u64 length,
		u32 flags);
void unmap_memory(const struct vm *vm, u64 gpa, u64 length);
void *mmap_memory(const struct vm *vm, u64 gpa, size_t length);
void create_vcpu(const struct vm *vm, u32 id, struct vcpu *vcpu);
/* One that is there already. */
void use_vcpu(struct vcpu *vcpu, int fd);
void close_vcpu(struct vcpu *vcpu);
void close_vm(struct vm *vm);

struct minivmx_info get_info(int device);
struct minivmx_stats get_stats(const struct vm *vm);
struct minivmx_sregs get_sregs(const struct vcpu *vcpu);
void set_sregs(const struct vcpu *vcpu, struct minivmx_sregs *sregs);
u64 get_msr(const struct vcpu *vcpu, u32 index);
void set_msr(const struct vcpu *vcpu, u32 index, u64 value);
u64 vmread(const struct vcpu *vcpu, u32 encoding);
void set_traps(const struct vcpu *vcpu, u32 exceptions, int nr, ...);
#define set_trap(vcpu, exit)	set_traps(vcpu, 0, 1, exit)

/* MINIVMX_RUN: returns 0 or an errno value. */
int run_error(const struct vcpu *vcpu);
/* MINIVMX_RUN that must succeed. */
void vcpu_run(const struct vcpu *vcpu);

/* MINIVMX_RUN that must end in the exit named; else the exit seen is shown. */
#define run_to_exit(vcpu, exit)						\
	require_exit(__FILE__, __LINE__, vcpu, exit)
void require_exit(const char *file, int line, const struct vcpu *vcpu,
		  u32 reason);
const char *describe_exit(const struct vcpu *vcpu);

/* Binds the calling thread to @cpu; false if there is no such CPU. */
bool pin_to_cpu(int cpu);
int online_cpus(void);
bool kvm_loaded(void);
/* Is this a machine of KVM, whose nested VMX is not in all things like a CPU? */
bool runs_in_kvm(void);
/*
 * Free memory in KiB, with the pages that the kernel keeps ready for each CPU:
 * those come and go by megabytes.
 */
long free_memory(void);
/* Memory in KiB that can be had, and all that there is. */
long available_memory(void);
long total_memory(void);
/*
 * Does the kernel look for lost memory by itself? There KASAN keeps what was freed
 * for a while, so that free memory says nothing, and kmemleak is asked at the end
 * of all tests (lab/init).
 */
bool kmemleak_watches(void);

#endif /* MINIVMX_UTIL_H */
