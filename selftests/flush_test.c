// SPDX-License-Identifier: GPL-2.0
/*
 * What the driver does in a CPU's place drops translations as the CPU would.
 *
 * An emulator that forgets them at each VM entry shows no missing flush. So this
 * looks at how often the driver flushed; whether that is enough where several
 * CPUs are concerned is what tools/tlb tries.
 */
#include "minivmx_harness.h"
#include "minivmx_pv.h"
#include "registers.h"

#define CR0_WP		BIT(16)
#define CR0_CD		BIT(30)
#define CR4_MCE		BIT(6)
#define CR4_PGE		BIT(7)

#define FIELD_GUEST_CR3	0x6802
#define FIELD_GUEST_RIP	0x681e

#define NEEDS_VPID	"without VPIDs each VM entry flushes by itself"

static bool has_vpid(const struct vm *vm)
{
	return get_info(vm->device).out_capabilities & MINIVMX_CAP_VPID;
}

static u64 flushes(const struct vm *vm)
{
	return get_stats(vm).out_flushes;
}

/* ---------------------------------------------------------- by the guest */

static void do_nothing(void)
{
}

static void do_cpuid(void)
{
	u32 a = 0, c = 0;

	asm volatile("cpuid" : "+a"(a), "+c"(c) : : "ebx", "edx");
}

/* Bits that the host keeps make the rest of the change the driver's, too. */
static void write_cr0(void)
{
	const u64 cr0 = read_cr0();

	GUEST_ASSERT(try_cr0(cr0 ^ (CR0_CD | CR0_WP)) == NO_FAULT);
	GUEST_ASSERT(try_cr0(cr0) == NO_FAULT);
}

static void write_cr4(void)
{
	const u64 cr4 = read_cr4();

	GUEST_ASSERT(try_cr4(cr4 ^ (CR4_MCE | CR4_PGE)) == NO_FAULT);
	GUEST_ASSERT(try_cr4(cr4) == NO_FAULT);
}

static void write_cr3(void)
{
	u64 cr3;

	asm volatile("movq %%cr3, %0\n\t"
		     "movq %0, %%cr3" : "=r"(cr3) : : "memory");
}

static void hypercall(u64 number)
{
	u64 a = number, b = GUEST_PML4, c = 0;

	asm volatile("vmcall" : "+a"(a), "+b"(b), "+c"(c) : : "memory");
}

static void flush_one(void)
{
	hypercall(MINIVMX_PV_FLUSH_ONE);
}

static void flush_all(void)
{
	hypercall(MINIVMX_PV_FLUSH_ALL);
}

#define EPT	BIT(MINIVMX_MMU_EPT)
#define SHADOW	(BIT(MINIVMX_MMU_VTLB) | BIT(MINIVMX_MMU_WP) |	\
		 BIT(MINIVMX_MMU_UNSYNC) | BIT(MINIVMX_MMU_PV))
#define PV	BIT(MINIVMX_MMU_PV)

static const struct step {
	const char *name;
	void (*guest)(void);
	u32 flushes;		/* with these MMUs the driver flushes */
} steps[] = {
	{ "nothing", do_nothing, 0 },
	{ "CPUID", do_cpuid, 0 },
	{ "MOV to CR0", write_cr0, EPT | SHADOW },
	{ "MOV to CR4", write_cr4, EPT | SHADOW },
	/* With EPT the CPU does it, and flushes. */
	{ "MOV to CR3", write_cr3, SHADOW },
	{ "hypercall to flush one", flush_one, PV },
	{ "hypercall to flush all", flush_all, PV },
};

/* Twice: the first time also brings memory. */
static void guest_takes_steps(void)
{
	for (u64 i = 0; i < 2 * ARRAY_SIZE(steps); i++) {
		GUEST_SYNC(i);
		steps[i % ARRAY_SIZE(steps)].guest();
	}
	GUEST_SYNC(2 * ARRAY_SIZE(steps));
}

MINIVMX_TEST(of_instructions, guest_takes_steps)
{
	u64 before, after;

	if (!has_vpid(vm))
		SKIP(return, NEEDS_VPID);
	/* A vCPU that comes to another CPU flushes there, too. */
	require(pin_to_cpu(0), "no CPU 0");
	for (u64 i = 0; i <= ARRAY_SIZE(steps); i++)
		run_to_sync(vcpu, i);
	for (u64 i = 0; i < ARRAY_SIZE(steps); i++) {
		before = flushes(vm);
		run_to_sync(vcpu, ARRAY_SIZE(steps) + i + 1);
		after = flushes(vm);
		EXPECT_EQ(!!(steps[i].flushes & BIT(vm->mmu)), after > before)
			TH_LOG("%s: %llu flushes", steps[i].name, after - before);
	}
}

/* -------------------------------------------------------- by the program */

static void guest_waits(void)
{
	for (u64 i = 0;; i++)
		GUEST_SYNC(i);
}

static void vmwrite(const struct vcpu *vcpu, u32 encoding, u64 value)
{
	test_cmd(vcpu->fd, MINIVMX_VMWRITE,
		 ARG(vmcs_field, .encoding = encoding, .value = value));
}

MINIVMX_TEST(of_calls, guest_waits)
{
	struct minivmx_sregs sregs;
	u64 before, rip;

	if (!has_vpid(vm))
		SKIP(return, NEEDS_VPID);
	require(pin_to_cpu(0), "no CPU 0");
	run_to_sync(vcpu, 0);
	run_to_sync(vcpu, 1);

	sregs = get_sregs(vcpu);
	before = flushes(vm);
	get_sregs(vcpu);
	rip = vmread(vcpu, FIELD_GUEST_RIP);
	vmwrite(vcpu, FIELD_GUEST_RIP, rip);
	EXPECT_EQ(before, flushes(vm));

	set_sregs(vcpu, &sregs);
	EXPECT_LT(before, flushes(vm));
	if (!uses_ept(vm))
		return;
	before = flushes(vm);
	vmwrite(vcpu, FIELD_GUEST_CR3, sregs.cr3);
	EXPECT_LT(before, flushes(vm));
	run_to_sync(vcpu, 2);
}

/* ------------------------------------------------------------- by others */

MINIVMX_TEST(of_moves, guest_waits)
{
	u64 before;

	if (!has_vpid(vm))
		SKIP(return, NEEDS_VPID);
	if (online_cpus() < 2)
		SKIP(return, "needs two CPUs");
	require(pin_to_cpu(1), "no CPU 1");
	run_to_sync(vcpu, 0);
	for (int i = 0; i < 4; i++) {
		before = flushes(vm);
		require(pin_to_cpu(i % 2), "no CPU %d", i % 2);
		run_to_sync(vcpu, i + 1);
		EXPECT_LT(before, flushes(vm));
	}
}

#define BASE	(64 * MIB)

static void guest_reads(void)
{
	for (u64 i = 0;; i++) {
		(void)*(volatile u64 *)BASE;
		GUEST_SYNC(i);
	}
}

MINIVMX_TEST(of_removed_memory, guest_reads)
{
	u64 before;

	if (!uses_ept(vm) && !has_vpid(vm))
		SKIP(return, NEEDS_VPID);
	require(pin_to_cpu(0), "no CPU 0");
	map_memory(vm, BASE, PAGE_4K, 0);
	run_to_sync(vcpu, 0);
	run_to_sync(vcpu, 1);
	before = flushes(vm);
	run_to_sync(vcpu, 2);
	EXPECT_EQ(before, flushes(vm));

	unmap_memory(vm, BASE, PAGE_4K);
	map_memory(vm, BASE, PAGE_4K, 0);
	run_to_sync(vcpu, 3);
	EXPECT_LT(before, flushes(vm));
}

TEST_HARNESS_MAIN
