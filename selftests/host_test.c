// SPDX-License-Identifier: GPL-2.0
/*
 * What the host has in the CPU comes back after a guest had the CPU: each test
 * sets something that a program can set to a value that few programs use, runs a
 * guest that changes its own counterpart, and looks again. What a VM exit does not
 * restore is in SDM Vol. 3C, "Loading Host State".
 */
#include <asm/hwcap2.h>
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <cpuid.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <linux/prctl.h>
#include <sched.h>
#include <setjmp.h>
#include <sys/auxv.h>
#include <sys/io.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "alarm.h"
#include "minivmx_harness.h"

#define IA32_FS_BASE		0xc0000100
#define IA32_GS_BASE		0xc0000101
#define IA32_KERNEL_GS_BASE	0xc0000102
#define IA32_LSTAR		0xc0000082
#define IA32_STAR		0xc0000081
#define IA32_TSC_AUX		0xc0000103
#define CR4_OSXSAVE		BIT(18)
#define USER_DS			0x2b

static sigjmp_buf fault;

static void on_fault(int signal)
{
	siglongjmp(fault, signal);
}

/* Does @action raise no SIGSEGV? */
static bool survives(void (*action)(u16), u16 argument)
{
	catch_signal(SIGSEGV, on_fault);
	if (sigsetjmp(fault, 1))
		return false;
	action(argument);
	return true;
}

/* -------------------------------------------------- x87, SSE, XCR0 and PKRU */

static bool guest_xsave;

static bool has_xsave(void)
{
	u32 a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && c & bit_OSXSAVE;
}

static void guest_changes_x87_and_xcr0(void)
{
	const u16 control = 0x27f;
	u64 cr4;

	asm volatile("fninit; fldcw %0; fld1; fldpi" : : "m"(control));
	if (guest_xsave) {
		asm volatile("movq %%cr4, %0" : "=r"(cr4));
		asm volatile("movq %0, %%cr4" : : "r"(cr4 | CR4_OSXSAVE));
		asm volatile("xsetbv" : : "a"(1), "d"(0), "c"(0));
	}
}

static u64 host_xcr0(void)
{
	u32 low, high;

	asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (u64)high << 32 | low;
}

MINIVMX_TEST(host_x87_and_xcr0, guest_changes_x87_and_xcr0)
{
	bool xsave = has_xsave();
	u64 before = xsave ? host_xcr0() : 0;
	const u16 control = 0x37f;
	u16 seen, top;

	*guest_copy(vm, guest_xsave) = xsave;
	asm volatile("fninit; fldcw %0; fldz" : : "m"(control));
	run_to_done(vcpu);
	asm volatile("fnstcw %0; fnstsw %1; fstp %%st(0)" : "=m"(seen), "=m"(top));
	EXPECT_EQ(control, seen);
	EXPECT_EQ(7, top >> 11 & 7);
	if (xsave)
		EXPECT_EQ(before, host_xcr0());
}

static bool has_pkru(void)
{
	u32 a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && c & bit_OSPKE;
}

static u32 rdpkru(void)
{
	u32 low, high;

	asm volatile("rdpkru" : "=a"(low), "=d"(high) : "c"(0));
	return low;
}

static void wrpkru(u32 value)
{
	asm volatile("wrpkru" : : "a"(value), "c"(0), "d"(0));
}

/* The keys of this program's own pages, all key 0, stay usable. */
MINIVMX_TEST(host_pkru, guest_changes_x87_and_xcr0)
{
	const u32 odd = 0xa5a5a5a4;
	u32 before;

	if (!has_pkru())
		SKIP(return, "this CPU has no protection keys");
	*guest_copy(vm, guest_xsave) = true;
	before = rdpkru();
	wrpkru(odd);
	run_to_done(vcpu);
	EXPECT_EQ(odd, rdpkru());
	wrpkru(before);
}

/* ----------------------------------------------------------- debug registers */

/* BS and BD, which no #DB clears. */
#define DR6_STEPPED		0xffff6ff0UL

static volatile u64 watched;

static void guest_uses_debug_registers(void)
{
	for (;;) {
		u64 dr0, dr6;

		asm volatile("movq %0, %%dr0" : : "r"(0x1111UL));
		asm volatile("movq %0, %%dr6" : : "r"(DR6_STEPPED));
		asm volatile("movq %0, %%dr7" : : "r"(0x400UL));
		watched++;
		GUEST_SYNC(1);
		asm volatile("movq %%dr0, %0" : "=r"(dr0));
		asm volatile("movq %%dr6, %0" : "=r"(dr6));
		GUEST_ASSERT(dr0 == 0x1111 && dr6 == DR6_STEPPED);
	}
}

static volatile sig_atomic_t traps;

static void count_trap(int signal)
{
	(void)signal;
	traps++;
}

static int watch(volatile void *address)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_BREAKPOINT,
		.size = sizeof(attr),
		.bp_type = HW_BREAKPOINT_W,
		.bp_addr = (uintptr_t)address,
		.bp_len = HW_BREAKPOINT_LEN_8,
		.exclude_kernel = 1,
	};

	return syscall(SYS_perf_event_open, &attr, 0, -1, -1,
		       PERF_FLAG_FD_CLOEXEC);
}

/*
 * A breakpoint of the host sees the host's writes, all of them, and no other. Were the guest's
 * BS in DR6 then, the kernel would take it for a step, and send SIGTRAP.
 */
MINIVMX_TEST(host_debug_registers, guest_uses_debug_registers)
{
	u64 count = 0;
	int perf = watch(&watched);

	if (perf < 0)
		SKIP(return, "this kernel has no hardware breakpoints: %s",
		     strerrorname_np(errno));
	catch_signal(SIGTRAP, count_trap);
	for (int i = 0; i < 20; i++) {
		run_to_sync(vcpu, 1);
		watched++;
	}
	ASSERT_EQ(sizeof(count), read(perf, &count, sizeof(count)));
	EXPECT_EQ(20, count);
	EXPECT_EQ(0, traps);
	EXPECT_EQ(20, *guest_copy(vm, watched));
	EXPECT_EQ(0x1111, get_sregs(vcpu).dr[0]);
}

#define BREAKPOINTS	4

static volatile u64 targets[BREAKPOINTS], guest_hits;

/* Four of its own, on variables of its own: #DB comes behind each write. */
static void guest_has_breakpoints(void)
{
	const u64 addresses[BREAKPOINTS] = {
		(uintptr_t)&targets[0], (uintptr_t)&targets[1],
		(uintptr_t)&targets[2], (uintptr_t)&targets[3],
	};

	asm volatile("mov %0, %%dr0" : : "r"(addresses[0]));
	asm volatile("mov %0, %%dr1" : : "r"(addresses[1]));
	asm volatile("mov %0, %%dr2" : : "r"(addresses[2]));
	asm volatile("mov %0, %%dr3" : : "r"(addresses[3]));
	/* Writes of 8 bytes, all enabled. */
	asm volatile("mov %0, %%dr7" : : "r"(0x999904aaUL));
	for (;;) {
		for (int i = 0; i < BREAKPOINTS; i++) {
			struct gprs r = { .a = addresses[i] };

			if (GUEST_TRY("incq (%%rax)", &r) == VECTOR_DB)
				guest_hits++;
		}
		GUEST_SYNC(1);
	}
}

/* All of the host's breakpoints, while the guest has as many. */
MINIVMX_TEST(host_and_guest_breakpoints, guest_has_breakpoints)
{
	int perf[BREAKPOINTS];

	for (int i = 0; i < BREAKPOINTS; i++) {
		perf[i] = watch(&targets[i]);
		if (perf[i] < 0)
			SKIP(return, "this kernel has no hardware breakpoints: %s",
			     strerrorname_np(errno));
	}
	for (int i = 0; i < 10; i++) {
		run_to_sync(vcpu, 1);
		for (int j = 0; j < BREAKPOINTS; j++)
			targets[j]++;
	}
	for (int i = 0; i < BREAKPOINTS; i++) {
		u64 count = 0;

		ASSERT_EQ(sizeof(count), read(perf[i], &count, sizeof(count)));
		EXPECT_EQ(10, count) TH_LOG("breakpoint %d", i);
		EXPECT_EQ(10, guest_copy(vm, targets)[0][i]);
	}
	EXPECT_EQ(10 * BREAKPOINTS, *guest_copy(vm, guest_hits));
}

/* ---------------------------------------------------- segments, MSRs, the TSS */

static void wrmsr(u32 index, u64 value)
{
	asm volatile("wrmsr" : : "c"(index), "a"((u32)value), "d"(value >> 32));
}

static void guest_spoils_segments(void)
{
	u32 a = 0x80000001, b, c = 0, d;

	asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	for (;;) {
		wrmsr(IA32_FS_BASE, 0x1111000);
		wrmsr(IA32_GS_BASE, 0x2222000);
		wrmsr(IA32_KERNEL_GS_BASE, 0x3333000);
		wrmsr(IA32_STAR, 0x4444000000000000);
		wrmsr(IA32_LSTAR, 0x5555000);
		if (d & BIT(27))
			wrmsr(IA32_TSC_AUX, 0x666);
		asm volatile("swapgs");
		asm volatile("mov %0, %%ds; mov %0, %%es" : : "r"(0));
		asm volatile("lldt %%ax" : : "a"(0));
		GUEST_SYNC(1);
	}
}

static __thread volatile u64 local = 0x1234;

MINIVMX_TEST(host_fs_and_gs_bases, guest_spoils_segments)
{
	u64 fs, gs, seen;

	ASSERT_EQ(0, syscall(SYS_arch_prctl, ARCH_GET_FS, &fs));
	ASSERT_EQ(0, syscall(SYS_arch_prctl, ARCH_SET_GS, 0x7654000));
	for (int i = 0; i < 20; i++) {
		run_to_sync(vcpu, 1);
		EXPECT_EQ(0x1234, local);
		if (i % 4 == 3)
			usleep(1000);
		ASSERT_EQ(0, syscall(SYS_arch_prctl, ARCH_GET_FS, &seen));
		EXPECT_EQ(fs, seen);
		ASSERT_EQ(0, syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
		EXPECT_EQ(0x7654000, gs);
	}
}

/* FS and GS, and the bases that they have. */
struct bases {
	u64 fs, fs_base;
	u64 gs, gs_base;
};

/* MINIVMX_RUN with these; what is there afterwards is @seen. */
static long run_with_bases(const struct vcpu *vcpu, const struct bases *set,
			   struct bases *seen)
{
	register const struct bases *from asm("r8") = set;
	register struct bases *to asm("r9") = seen;
	register u64 own asm("r10");
	long result = SYS_ioctl;

	/* No access to thread-local storage comes between. */
	asm volatile("rdfsbase %[own]\n\t"
		     "mov (%[from]), %%fs\n\t"
		     "mov 8(%[from]), %%rcx\n\t"
		     "wrfsbase %%rcx\n\t"
		     "mov 16(%[from]), %%gs\n\t"
		     "mov 24(%[from]), %%rcx\n\t"
		     "wrgsbase %%rcx\n\t"
		     "syscall\n\t"
		     "mov %%fs, %%ecx\n\t"
		     "mov %%rcx, (%[to])\n\t"
		     "rdfsbase %%rcx\n\t"
		     "mov %%rcx, 8(%[to])\n\t"
		     "mov %%gs, %%ecx\n\t"
		     "mov %%rcx, 16(%[to])\n\t"
		     "rdgsbase %%rcx\n\t"
		     "mov %%rcx, 24(%[to])\n\t"
		     "xor %%ecx, %%ecx\n\t"
		     "mov %%ecx, %%gs\n\t"
		     "mov %%ecx, %%fs\n\t"
		     "wrfsbase %[own]"
		     : "+a"(result), [own] "=&r"(own)
		     : [from] "r"(from), [to] "r"(to), "D"(vcpu->fd),
		       "S"(MINIVMX_RUN), "d"(0)
		     : "rcx", "r11", "memory");
	return result;
}

/* A selector loads the base of its descriptor: the program may have another. */
static const struct bases odd_bases[] = {
	{ 0, 0, 0, 0 },
	{ 0, 0x123456789000, 0, 0x7654321000 },
	{ USER_DS, 0x123456789000, USER_DS, 0x7654321000 },
	{ USER_DS, 0, USER_DS, 0 },
	{ 0, 0x123456789000, USER_DS, 0x7654321000 },
	{ USER_DS, 0x123456789000, 0, 0x7654321000 },
	{ 1, 0x123456789000, 3, 0x7654321000 },
};

static void check_bases(struct __test_metadata *_metadata,
			const struct vcpu *vcpu)
{
	if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE))
		SKIP(return, "this CPU has no WRFSBASE for programs");
	for (size_t i = 0; i < ARRAY_SIZE(odd_bases); i++) {
		const struct bases *set = &odd_bases[i];
		struct bases seen;

		ASSERT_EQ(0, run_with_bases(vcpu, set, &seen));
		ASSERT_EQ(UCALL_SYNC, get_ucall(vcpu))
			TH_LOG("%s", describe_ucall(vcpu));
		EXPECT_EQ(set->fs, seen.fs) TH_LOG("case %zu", i);
		EXPECT_EQ(set->fs_base, seen.fs_base) TH_LOG("case %zu", i);
		EXPECT_EQ(set->gs, seen.gs) TH_LOG("case %zu", i);
		EXPECT_EQ(set->gs_base, seen.gs_base) TH_LOG("case %zu", i);
	}
}

MINIVMX_TEST(host_bases_behind_selectors, guest_spoils_segments)
{
	check_bases(_metadata, vcpu);
}

/* This guest has no SWAPGS, but IA32_KERNEL_GS_BASE. */
GUEST_BLOB(spoils_a_base_in_32_bits, 32,
	   "	movl $0xc0000102, %ecx\n"
	   "	xorl %edx, %edx\n"
	   "	movl $1, %edi\n"
	   "1:	movl $0x3333000, %eax\n"
	   "	wrmsr\n"
	   "	movl $1, %eax\n"	/* UCALL_SYNC */
	   "	outl %eax, $0xf0\n"	/* UCALL_PORT */
	   "	jmp 1b\n");

TEST_F(vm, host_bases_behind_selectors_without_swapgs)
{
	const struct vcpu *vcpu = &self->vm.vcpu;

	start_protected(&self->vm, spoils_a_base_in_32_bits);
	run_to_sync(vcpu, 1);
	EXPECT_EQ(0x3333000, get_msr(vcpu, IA32_KERNEL_GS_BASE));
	check_bases(_metadata, vcpu);
}

MINIVMX_TEST(host_tsc_aux, guest_spoils_segments)
{
	u32 a, b, c, d;

	if (!__get_cpuid(0x80000001, &a, &b, &c, &d) || !(d & BIT(27)))
		SKIP(return, "this CPU has no RDTSCP");
	for (int i = 0; i < 20; i++) {
		int cpu = i % online_cpus();

		ASSERT_TRUE(pin_to_cpu(cpu));
		run_to_sync(vcpu, 1);
		asm volatile("rdtscp" : "=a"(a), "=d"(d), "=c"(c));
		EXPECT_EQ(cpu, c & 0xfff);
	}
}

MINIVMX_TEST(host_data_selectors, guest_spoils_segments)
{
	u16 ds, es;

	asm volatile("mov %0, %%ds; mov %0, %%es" : : "r"(USER_DS));
	for (int i = 0; i < 10; i++) {
		run_to_sync(vcpu, 1);
		asm volatile("mov %%ds, %0; mov %%es, %1" : "=r"(ds), "=r"(es));
		EXPECT_EQ(USER_DS, ds);
		EXPECT_EQ(USER_DS, es);
		if (i % 4 == 3)
			usleep(1000);
	}
	asm volatile("mov %0, %%ds; mov %0, %%es" : : "r"(0));
}

static volatile u64 behind_ldt = 0xfeedface;

static u64 read_gs(void)
{
	u64 value;

	asm volatile("movq %%gs:0, %0" : "=r"(value));
	return value;
}

/* A selector of the local descriptor table, loaded before and after. */
MINIVMX_TEST(host_ldt, guest_spoils_segments)
{
	const u16 selector = 7;
	struct user_desc entry = {
		.base_addr = (uintptr_t)&behind_ldt,
		.limit = 0xfffff,
		.seg_32bit = 1,
		.limit_in_pages = 1,
	};

	if (syscall(SYS_modify_ldt, 1, &entry, sizeof(entry))) {
		ASSERT_STREQ("ENOSYS", strerrorname_np(errno));
		SKIP(return, "this kernel has no modify_ldt()");
	}
	asm volatile("mov %0, %%gs" : : "r"(selector));
	ASSERT_EQ(0xfeedface, read_gs());
	for (int i = 0; i < 10; i++) {
		run_to_sync(vcpu, 1);
		EXPECT_EQ(0xfeedface, read_gs());
		asm volatile("mov %0, %%gs" : : "r"(0));
		asm volatile("mov %0, %%gs" : : "r"(selector));
		EXPECT_EQ(0xfeedface, read_gs());
		if (i % 4 == 3)
			usleep(1000);
	}
	asm volatile("mov %0, %%gs" : : "r"(0));
}

static void write_port(u16 port)
{
	outb(0, port);
}

static bool may_write_port(u16 port)
{
	return survives(write_port, port);
}

/* The I/O bitmap lies behind the limit that a VM exit gives the TSS. */
MINIVMX_TEST(host_io_bitmap, guest_spoils_segments)
{
	if (ioperm(0x80, 1, 1)) {
		ASSERT_STREQ("ENOSYS", strerrorname_np(errno));
		SKIP(return, "this kernel has no ioperm()");
	}
	ASSERT_TRUE(may_write_port(0x80));
	for (int i = 0; i < 20; i++) {
		run_to_sync(vcpu, 1);
		EXPECT_TRUE(may_write_port(0x80));
		EXPECT_FALSE(may_write_port(0x81));
		if (i % 4 == 3)
			usleep(1000);
		EXPECT_TRUE(may_write_port(0x80));
	}
}

/* As above, with all ports. */
MINIVMX_TEST(host_iopl, guest_spoils_segments)
{
	if (syscall(SYS_iopl, 3)) {
		ASSERT_STREQ("ENOSYS", strerrorname_np(errno));
		SKIP(return, "this kernel has no iopl()");
	}
	for (int i = 0; i < 20; i++) {
		run_to_sync(vcpu, 1);
		EXPECT_TRUE(may_write_port(0x80));
		EXPECT_TRUE(may_write_port(0x81));
	}
	ASSERT_EQ(0, syscall(SYS_iopl, 0));
	run_to_sync(vcpu, 1);
	EXPECT_FALSE(may_write_port(0x80));
}

/* The limits of GDTR and IDTR, which a VM exit raises to FFFFH. */
MINIVMX_TEST(host_table_limits, guest_spoils_segments)
{
	struct __packed {
		u16 limit;
		u64 base;
	} gdt[2], idt[2];

	ASSERT_TRUE(pin_to_cpu(sched_getcpu()));
	asm volatile("sgdt %0; sidt %1" : "=m"(gdt[0]), "=m"(idt[0]));
	run_to_sync(vcpu, 1);
	asm volatile("sgdt %0; sidt %1" : "=m"(gdt[1]), "=m"(idt[1]));
	EXPECT_EQ(gdt[0].limit, gdt[1].limit);
	EXPECT_EQ(idt[0].limit, idt[1].limit);
}

/* ------------------------------------------------------------------------ CR4 */

static void rdtsc(u16 unused __maybe_unused)
{
	asm volatile("rdtsc" : : : "eax", "edx");
}

/* CR4.TSD is each program's own, and changes between one RUN and the next. */
MINIVMX_TEST(host_cr4, guest_spoils_segments)
{
	for (int i = 0; i < 10; i++) {
		run_to_sync(vcpu, 1);
		EXPECT_TRUE(survives(rdtsc, 0));
		ASSERT_EQ(0, prctl(PR_SET_TSC, PR_TSC_SIGSEGV));
		run_to_sync(vcpu, 1);
		EXPECT_FALSE(survives(rdtsc, 0));
		ASSERT_EQ(0, prctl(PR_SET_TSC, PR_TSC_ENABLE));
	}
}

TEST_HARNESS_MAIN
