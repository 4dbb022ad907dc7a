// SPDX-License-Identifier: GPL-2.0
/*
 * The compat test's 32-bit program: every call once, and a guest that runs.
 * Its argument is the number of an mmu. It has no C library, and tells by its exit
 * status which step failed: 0 for none, else the number of the step.
 */
#include <asm/unistd_32.h>
#include <linux/errno.h>
#include <linux/types.h>

#include "minivmx.h"

/* For the 64-bit part, which compares them with its own. */
__attribute__((section(".compat_sizes"), used))
const __u32 compat_sizes[] = {
#define STRUCTURE(name)	sizeof(struct minivmx_##name)
#include "compat_structures.h"
};

#define O_RDWR		2
#define PROT_RW		3
#define MAP_SHARED	1

#define CODE		0x1000
#define HIGH_GPA	0x100000000ULL	/* beyond what 32 bits address */
#define CR0_PE		1
#define CPUID_LEAF	0x40000000
#define ANSWER		0x12345678
#define PORT		0x10
#define EXIT_HLT	12
#define EXIT_IO		30
#define GUEST_SYSENTER_EIP	0x6826
#define IA32_SYSENTER_CS	0x174

static long call_kernel(long number, long a, long b, long c, long d, long e,
			long f)
{
	long result;

	/* The sixth argument goes into EBP, which the compiler may be using. */
	asm volatile("pushl %[f]\n\t"
		     "pushl %%ebp\n\t"
		     "movl 4(%%esp), %%ebp\n\t"
		     "int $0x80\n\t"
		     "popl %%ebp\n\t"
		     "addl $4, %%esp"
		     : "=a"(result)
		     : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e),
		       [f] "m"(f)
		     : "memory");
	return result;
}

static long ioctl(long fd, unsigned long number, void *arg)
{
	return call_kernel(__NR_ioctl, fd, number, (long)arg, 0, 0, 0);
}

static void *mmap_file(long fd, __u64 offset)
{
	return (void *)call_kernel(__NR_mmap2, 0, 4096, PROT_RW, MAP_SHARED, fd,
				   offset >> 12);
}

static int is_error(const void *address)
{
	return (unsigned long)address > -4096UL;
}

#define ARG(type, ...)							\
	(&(struct minivmx_##type){					\
		.size = sizeof(struct minivmx_##type), ##__VA_ARGS__ })

static int step;

static void __attribute__((noreturn)) leave(int status)
{
	for (;;)
		call_kernel(__NR_exit, status, 0, 0, 0, 0, 0);
}

static void require(int condition)
{
	step++;
	if (!condition)
		leave(step);
}

/* Adds nothing to memory: CPUID tells what the program set, and that goes out. */
static const __u8 guest[] = {
	0xb8, 0x00, 0x00, 0x00, 0x40,	/* mov $CPUID_LEAF, %eax */
	0x0f, 0xa2,			/* cpuid */
	0xe7, PORT,			/* out %eax, $PORT */
	0xf4,				/* hlt */
};

static void start_in_protected_mode(long vcpu, struct minivmx_run *run)
{
	struct minivmx_sregs sregs = { .size = sizeof(sregs) };

	require(ioctl(vcpu, MINIVMX_GET_SREGS, &sregs) == 0);
	sregs.cs.base = 0;
	sregs.cs.limit = 0xffffffff;
	sregs.cs.selector = 8;
	sregs.cs.access_rights = 0xc09b;
	sregs.cr0 |= CR0_PE;
	require(ioctl(vcpu, MINIVMX_SET_SREGS, &sregs) == 0);
	run->regs.rip = CODE;
	run->regs.rflags = 2;
}

static void use_registers(long vcpu, struct minivmx_run *run)
{
	struct minivmx_regs_arg regs = { .size = sizeof(regs) };
	struct minivmx_msr msr = { .index = IA32_SYSENTER_CS, .value = 0x88 };
	struct minivmx_msrs msrs = {
		.size = sizeof(msrs), .count = 1, .entries = (unsigned long)&msr,
	};
	struct minivmx_vmcs_field field = {
		.size = sizeof(field), .encoding = GUEST_SYSENTER_EIP,
		.value = 0x123456789abcULL,
	};

	run->regs.r15 = 0xfedcba9876543210ULL;
	require(ioctl(vcpu, MINIVMX_GET_REGS, &regs) == 0);
	require(regs.regs.r15 == 0xfedcba9876543210ULL);
	regs.regs.r14 = 0x123456789ULL;
	require(ioctl(vcpu, MINIVMX_SET_REGS, &regs) == 0);
	require(run->regs.r14 == 0x123456789ULL);

	require(ioctl(vcpu, MINIVMX_SET_MSRS, &msrs) == 0 && msrs.out_done == 1);
	msr.value = 0;
	require(ioctl(vcpu, MINIVMX_GET_MSRS, &msrs) == 0 && msr.value == 0x88);
	msrs.entries = 0xfffff000;
	require(ioctl(vcpu, MINIVMX_GET_MSRS, &msrs) == -EFAULT);

	require(ioctl(vcpu, MINIVMX_VMWRITE, &field) == 0);
	field.value = 0;
	require(ioctl(vcpu, MINIVMX_VMREAD, &field) == 0);
	require(field.value == 0x123456789abcULL);
	require(ioctl(vcpu, MINIVMX_SET_TRAPS, ARG(traps)) == 0);
}

static void run_guest(long vm, long vcpu, struct minivmx_run *run)
{
	struct minivmx_cpuid_entry entry = { .leaf = CPUID_LEAF, .eax = ANSWER };
	struct minivmx_stats stats = { .size = sizeof(stats) };

	require(ioctl(vcpu, MINIVMX_SET_CPUID,
		      ARG(cpuid, .count = 1, .entries = (unsigned long)&entry)) == 0);
	require(ioctl(vcpu, MINIVMX_RUN, (void *)1) == -EINVAL);
	require(ioctl(vcpu, MINIVMX_KICK, (void *)1) == -EINVAL);
	run->flags = MINIVMX_RUN_DEADLINE;
	require(ioctl(vcpu, MINIVMX_RUN, (void *)0) == 0);
	require(run->reason == MINIVMX_EXIT_DEADLINE);
	run->flags = MINIVMX_RUN_WAIT;
	require(ioctl(vcpu, MINIVMX_KICK, (void *)0) == 0);
	require(ioctl(vcpu, MINIVMX_RUN, (void *)0) == 0);
	require(run->reason == MINIVMX_EXIT_KICK);
	require(ioctl(vcpu, MINIVMX_RUN, (void *)0) == 0);
	require(run->reason == EXIT_IO && run->io.port == PORT);
	require(run->io.data == ANSWER);
	require(ioctl(vcpu, MINIVMX_RUN, (void *)0) == 0);
	require(run->reason == EXIT_HLT);
	require(ioctl(vm, MINIVMX_GET_STATS, &stats) == 0);
	require(stats.out_returns == 4);
}

static void use_every_call(__u32 mmu)
{
	struct minivmx_info info = { .size = sizeof(info) };
	struct minivmx_run *run;
	__u8 *low, *high;
	long device, vm, vcpu;

	device = call_kernel(__NR_open, (long)"/dev/minivmx", O_RDWR, 0, 0, 0, 0);
	require(device >= 0);
	require(ioctl(device, MINIVMX_GET_INFO, &info) == 0);
	require(info.out_api_version == MINIVMX_API_VERSION);
	require(ioctl(device, MINIVMX_RUN, (void *)0) == -ENOTTY);
	vm = ioctl(device, MINIVMX_CREATE_VM, ARG(create_vm, .mmu = mmu));
	require(vm >= 0);
	require(ioctl(vm, MINIVMX_MAP_MEMORY,
		      ARG(map_memory, .length = 0x10000)) == 0);
	require(ioctl(vm, MINIVMX_MAP_MEMORY,
		      ARG(map_memory, .gpa = HIGH_GPA, .length = 4096)) == 0);
	low = mmap_file(vm, CODE);
	high = mmap_file(vm, HIGH_GPA);
	require(!is_error(low) && !is_error(high));
	for (unsigned int i = 0; i < sizeof(guest); i++)
		((volatile __u8 *)low)[i] = guest[i];
	require(*(volatile __u8 *)high == 0);
	vcpu = ioctl(vm, MINIVMX_CREATE_VCPU, ARG(create_vcpu));
	require(vcpu >= 0);
	run = mmap_file(vcpu, 0);
	require(!is_error(run));

	start_in_protected_mode(vcpu, run);
	use_registers(vcpu, run);
	run_guest(vm, vcpu, run);
	require(ioctl(vm, MINIVMX_UNMAP_MEMORY,
		      ARG(unmap_memory, .gpa = HIGH_GPA, .length = 4096)) == 0);
}

/* @stack: the number of arguments, then their addresses. */
static void __attribute__((used, noreturn)) begin(const long *stack)
{
	const char *mmu = (const char *)stack[2];

	use_every_call(mmu[0] - '0');
	leave(0);
}

asm(".globl _start\n"
	"_start:\n"
	"	movl	%esp, %eax\n"
	"	pushl	$0\n"
	"	pushl	%eax\n"
	"	call	begin\n");
