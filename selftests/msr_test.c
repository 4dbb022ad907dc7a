// SPDX-License-Identifier: GPL-2.0
/*
 * The MSRs that the driver keeps, as guests and programs use them: each row of a
 * table is written, and read again (SDM Vol. 2, "WRMSR", and Vol. 4).
 */
#include "minivmx_harness.h"
#include "registers.h"

#define IA32_TSC		0x10
#define IA32_BIOS_SIGN_ID	0x8b
#define IA32_SYSENTER_CS	0x174
#define IA32_SYSENTER_ESP	0x175
#define IA32_SYSENTER_EIP	0x176
#define IA32_MISC_ENABLE	0x1a0
#define IA32_DEBUGCTL		0x1d9
#define IA32_PAT		0x277
#define IA32_EFER		0xc0000080
#define IA32_STAR		0xc0000081
#define IA32_LSTAR		0xc0000082
#define IA32_CSTAR		0xc0000083
#define IA32_FMASK		0xc0000084
#define IA32_FS_BASE		0xc0000100
#define IA32_GS_BASE		0xc0000101
#define IA32_KERNEL_GS_BASE	0xc0000102

/* IA32_MISC_ENABLE: fast strings, neither BTS nor PEBS. */
#define MISC_INITIAL		0x1801UL
#define MISC_LIMIT_CPUID	BIT(22)
#define MISC_NO_XD		BIT(34)

/* IA32_EFER of a guest in 64-bit mode. */
#define EFER_GUEST		0xd00UL
#define EFER_SCE		BIT(0)
#define EFER_LME		BIT(8)
#define EFER_LMA		BIT(10)
#define EFER_NXE		BIT(11)

#define LOW			0x00007ffffffff123UL
#define HIGH			0xffff800000000abcUL
#define NOT_CANONICAL_1		0x0000800000000000UL
#define NOT_CANONICAL_2		0x7fff800000000000UL

struct write {
	u32 index;
	u64 value;
	/* What is read afterwards; what was there before, if WRMSR faults. */
	u64 kept;
	bool not_in_kvm;
};

#define FAULTS			0xfa17fa17fa17fa17UL
#define TAKEN(index, value)	{ index, value, value }
#define READS(index, value, kept) { index, value, kept }
#define REFUSED(index, value)	{ index, value, FAULTS }
/*
 * KVM makes the address canonical, lest a guest that comes from an AMD machine, where
 * nothing faults, be surprised; nested, this MSR is KVM's.
 */
#define REFUSED_BY_CPUS(index, value) { index, value, FAULTS, true }

/* IA32_MISC_ENABLE with a bit changed that can be changed, or that cannot be. */
#define MISC_SETTABLE(bit) TAKEN(IA32_MISC_ENABLE, MISC_INITIAL ^ BIT(bit))
#define MISC_FIXED(bit)	REFUSED(IA32_MISC_ENABLE, MISC_INITIAL ^ BIT(bit))

static const struct write writes[] = {
	TAKEN(IA32_SYSENTER_ESP, LOW),
	TAKEN(IA32_SYSENTER_ESP, HIGH),
	REFUSED_BY_CPUS(IA32_SYSENTER_ESP, NOT_CANONICAL_1),
	REFUSED_BY_CPUS(IA32_SYSENTER_ESP, NOT_CANONICAL_2),
	TAKEN(IA32_SYSENTER_EIP, LOW),
	TAKEN(IA32_SYSENTER_EIP, HIGH),
	REFUSED_BY_CPUS(IA32_SYSENTER_EIP, NOT_CANONICAL_1),
	REFUSED_BY_CPUS(IA32_SYSENTER_EIP, NOT_CANONICAL_2),
	TAKEN(IA32_FS_BASE, LOW),
	TAKEN(IA32_FS_BASE, HIGH),
	REFUSED(IA32_FS_BASE, NOT_CANONICAL_1),
	REFUSED(IA32_FS_BASE, NOT_CANONICAL_2),
	TAKEN(IA32_GS_BASE, LOW),
	TAKEN(IA32_GS_BASE, HIGH),
	REFUSED(IA32_GS_BASE, NOT_CANONICAL_1),
	REFUSED(IA32_GS_BASE, NOT_CANONICAL_2),
	TAKEN(IA32_KERNEL_GS_BASE, LOW),
	TAKEN(IA32_KERNEL_GS_BASE, HIGH),
	REFUSED(IA32_KERNEL_GS_BASE, NOT_CANONICAL_1),
	REFUSED(IA32_KERNEL_GS_BASE, NOT_CANONICAL_2),
	TAKEN(IA32_LSTAR, LOW),
	TAKEN(IA32_LSTAR, HIGH),
	REFUSED(IA32_LSTAR, NOT_CANONICAL_1),
	REFUSED(IA32_LSTAR, NOT_CANONICAL_2),
	TAKEN(IA32_CSTAR, LOW),
	TAKEN(IA32_CSTAR, HIGH),
	REFUSED(IA32_CSTAR, NOT_CANONICAL_1),
	REFUSED(IA32_CSTAR, NOT_CANONICAL_2),
	TAKEN(IA32_SYSENTER_CS, 0x1234),
	TAKEN(IA32_STAR, 0xfedcba9876543210),
	TAKEN(IA32_STAR, NOT_CANONICAL_1),
	TAKEN(IA32_FMASK, 0xffffffff),
	REFUSED(IA32_FMASK, BIT(32)),
	REFUSED(IA32_FMASK, BIT(63)),

	/* Eight memory types, of which 2 and 3 are none, and 8 neither. */
	TAKEN(IA32_PAT, 0x0706050401000706),
	REFUSED(IA32_PAT, 0x02),
	REFUSED(IA32_PAT, 0x0300),
	REFUSED(IA32_PAT, 0x0800000000000000),

	/* Paging is on: LME stays. LMA is not software's. */
	TAKEN(IA32_EFER, EFER_GUEST | EFER_SCE),
	READS(IA32_EFER, EFER_LME | EFER_NXE, EFER_GUEST),
	REFUSED(IA32_EFER, EFER_LMA | EFER_NXE),
	REFUSED(IA32_EFER, EFER_GUEST | BIT(1)),
	REFUSED(IA32_EFER, EFER_GUEST | BIT(9)),
	REFUSED(IA32_EFER, EFER_GUEST | BIT(12)),
	REFUSED(IA32_EFER, EFER_GUEST | BIT(63)),

	MISC_SETTABLE(0), MISC_SETTABLE(3), MISC_SETTABLE(16), MISC_SETTABLE(18),
	MISC_SETTABLE(22), MISC_SETTABLE(23), MISC_SETTABLE(34),
	TAKEN(IA32_MISC_ENABLE, MISC_INITIAL),
	/* Performance monitoring: read-only, and a write is ignored. */
	READS(IA32_MISC_ENABLE, MISC_INITIAL | BIT(7), MISC_INITIAL),
	MISC_FIXED(1), MISC_FIXED(2), MISC_FIXED(10), MISC_FIXED(11),
	MISC_FIXED(12), MISC_FIXED(13), MISC_FIXED(17), MISC_FIXED(24),
	MISC_FIXED(33), MISC_FIXED(35), MISC_FIXED(63),
	/* All at once, as public test guests have it. */
	TAKEN(IA32_MISC_ENABLE, 0x400c50009 | MISC_INITIAL),
	TAKEN(IA32_MISC_ENABLE, MISC_INITIAL),

	/* Where XD is disabled, NXE can be cleared, but not set. */
	TAKEN(IA32_MISC_ENABLE, MISC_INITIAL | MISC_NO_XD),
	TAKEN(IA32_EFER, EFER_GUEST | EFER_SCE),
	TAKEN(IA32_EFER, EFER_GUEST & ~EFER_NXE),
	REFUSED(IA32_EFER, EFER_GUEST),
	TAKEN(IA32_MISC_ENABLE, MISC_INITIAL),
	TAKEN(IA32_EFER, EFER_GUEST),

	/* No LBR, no BTF, nothing else. */
	TAKEN(IA32_DEBUGCTL, 0),
	REFUSED(IA32_DEBUGCTL, BIT(0)),
	REFUSED(IA32_DEBUGCTL, BIT(1)),
	REFUSED(IA32_DEBUGCTL, BIT(14)),
	REFUSED(IA32_DEBUGCTL, BIT(63)),

	/* No microcode update is loaded. */
	READS(IA32_BIOS_SIGN_ID, 0, 0),
	READS(IA32_BIOS_SIGN_ID, ~0UL, 0),
};

/* How far the guest got, for the host to name the row. */
static volatile u64 guest_row;
/* For the guest to know: KVM writes its MSRs. */
static volatile u64 in_kvm;

static void guest_goes_through_the_table(void)
{
	u64 before, after;

	for (size_t i = 0; i < ARRAY_SIZE(writes); i++) {
		const struct write *write = &writes[i];
		bool faults = write->kept == FAULTS;
		u64 vector;

		guest_row = i;
		if (in_kvm && write->not_in_kvm)
			continue;
		GUEST_ASSERT(try_rdmsr(write->index, &before) == NO_FAULT);
		vector = try_wrmsr(write->index, write->value);
		GUEST_ASSERT(vector == (faults ? VECTOR_GP : NO_FAULT));
		if (faults)
			GUEST_ASSERT(guest_fault.error == 0);
		GUEST_ASSERT(try_rdmsr(write->index, &after) == NO_FAULT);
		GUEST_ASSERT(after == (faults ? before : write->kept));
	}
}

/* To UCALL_DONE; each trapped exit is answered by the driver. */
static void run_through(struct __test_metadata *_metadata, const struct vm *vm)
{
	const struct vcpu *vcpu = &vm->vcpu;

	do {
		vcpu->run->answer = MINIVMX_ANSWER_DEFAULT;
		vcpu_run(vcpu);
	} while (vcpu->run->reason == EXIT_RDMSR ||
		 vcpu->run->reason == EXIT_WRMSR);
	EXPECT_EQ(UCALL_DONE, get_ucall(vcpu)) {
		const struct write *write = &writes[*guest_copy(vm, guest_row)];

		TH_LOG("MSR %#x, value %#llx: %s", write->index, write->value,
		       describe_ucall(vcpu));
	}
}

MINIVMX_TEST(of_the_guest, guest_goes_through_the_table)
{
	*guest_copy(vm, in_kvm) = runs_in_kvm();
	run_through(_metadata, vm);
}

/* Those that the guest reaches natively, too, by the driver's own rules. */
MINIVMX_TEST(of_the_guest_trapped, guest_goes_through_the_table)
{
	set_traps(vcpu, 0, 2, EXIT_RDMSR, EXIT_WRMSR);
	run_through(_metadata, vm);
}

static int set_error(const struct vcpu *vcpu, u32 index, u64 value)
{
	struct minivmx_msr msr = { .index = index, .value = value };

	return call_error(vcpu->fd, MINIVMX_SET_MSRS,
			  ARG(msrs, .count = 1, .entries = (uintptr_t)&msr));
}

MINIVMX_TEST(of_the_program, guest_goes_through_the_table)
{
	for (size_t i = 0; i < ARRAY_SIZE(writes); i++) {
		const struct write *write = &writes[i];
		bool faults = write->kept == FAULTS;
		u64 before = get_msr(vcpu, write->index);

		EXPECT_EQ(faults ? EINVAL : 0,
			  set_error(vcpu, write->index, write->value))
			TH_LOG("MSR %#x, value %#llx", write->index, write->value);
		EXPECT_EQ(faults ? before : write->kept,
			  get_msr(vcpu, write->index))
			TH_LOG("MSR %#x, value %#llx", write->index, write->value);
	}
}

TEST_F(vm, after_power_up)
{
	const struct write initial[] = {
		{ .index = IA32_MISC_ENABLE, .kept = MISC_INITIAL },
		{ .index = IA32_PAT, .kept = 0x0007040600070406 },
		{ .index = IA32_EFER }, { .index = IA32_STAR },
		{ .index = IA32_LSTAR }, { .index = IA32_CSTAR },
		{ .index = IA32_FMASK }, { .index = IA32_SYSENTER_CS },
		{ .index = IA32_SYSENTER_ESP }, { .index = IA32_SYSENTER_EIP },
		{ .index = IA32_FS_BASE }, { .index = IA32_GS_BASE },
		{ .index = IA32_KERNEL_GS_BASE }, { .index = IA32_DEBUGCTL },
		{ .index = IA32_BIOS_SIGN_ID },
	};

	for (size_t i = 0; i < ARRAY_SIZE(initial); i++) {
		EXPECT_EQ(initial[i].kept,
			  get_msr(&self->vm.vcpu, initial[i].index))
			TH_LOG("MSR %#x", initial[i].index);
	}
}

#define ROUNDS	20

static void guest_uses_kernel_gs_base(void)
{
	u64 value;

	for (u64 round = 0; round < ROUNDS; round++) {
		for (u64 i = 0; i < 100; i++) {
			GUEST_ASSERT(try_wrmsr(IA32_KERNEL_GS_BASE, HIGH + i) ==
				     NO_FAULT);
			GUEST_ASSERT(try_rdmsr(IA32_KERNEL_GS_BASE, &value) ==
				     NO_FAULT);
			GUEST_ASSERT(value == HIGH + i);
		}
		asm volatile("swapgs");
		GUEST_ASSERT(try_wrmsr(IA32_KERNEL_GS_BASE, LOW + round) ==
			     NO_FAULT);
		asm volatile("swapgs");
		GUEST_SYNC(round);
		GUEST_ASSERT(try_rdmsr(IA32_KERNEL_GS_BASE, &value) == NO_FAULT);
		GUEST_ASSERT(value == LOW - round);
	}
}

/* It is in the CPU in each burst, whoever changes it, and no access exits if there are bitmaps. */
MINIVMX_TEST(kernel_gs_base, guest_uses_kernel_gs_base)
{
	u64 caps = get_info(vm->device).out_capabilities;
	struct minivmx_stats stats;

	for (u64 round = 0; round < ROUNDS; round++) {
		run_to_sync(vcpu, round);
		EXPECT_EQ(HIGH + 99, get_msr(vcpu, IA32_KERNEL_GS_BASE));
		EXPECT_EQ(LOW + round, get_msr(vcpu, IA32_GS_BASE));
		set_msr(vcpu, IA32_KERNEL_GS_BASE, LOW - round);
	}
	run_to_done(vcpu);
	stats = get_stats(vm);
	if (caps & MINIVMX_CAP_MSR_BITMAPS)
		EXPECT_EQ(0, stats.out_exits[EXIT_RDMSR] + stats.out_exits[EXIT_WRMSR]);
}

static void guest_sets_the_clock(void)
{
	u64 value;

	GUEST_ASSERT(try_wrmsr(IA32_TSC, 1UL << 60) == NO_FAULT);
	GUEST_ASSERT(try_rdmsr(IA32_TSC, &value) == NO_FAULT);
	GUEST_ASSERT(value >= 1UL << 60 && value < 1UL << 61);
	GUEST_ASSERT(try_wrmsr(IA32_TSC, 0) == NO_FAULT);
	GUEST_ASSERT(try_rdmsr(IA32_TSC, &value) == NO_FAULT);
	GUEST_ASSERT(value < 1UL << 60);
}

MINIVMX_TEST(time_stamp_counter, guest_sets_the_clock)
{
	run_to_done(vcpu);
}

struct cpuid {
	u32 a, b, c, d;
};

static struct cpuid cpuid(u32 leaf)
{
	struct cpuid answer;

	asm volatile("cpuid" : "=a"(answer.a), "=b"(answer.b), "=c"(answer.c),
		     "=d"(answer.d) : "a"(leaf), "c"(0));
	return answer;
}

#define CPUID_NX	BIT(20)

/* SDM Vol. 4, IA32_MISC_ENABLE: "Limit CPUID Maxval" and "XD Bit Disable". */
static void guest_turns_features_off(void)
{
	u32 last = cpuid(0).a, features = cpuid(0x80000001).d;

	GUEST_ASSERT(last > 2 && features & CPUID_NX);
	GUEST_ASSERT(try_wrmsr(IA32_MISC_ENABLE, MISC_INITIAL | MISC_LIMIT_CPUID) ==
		     NO_FAULT);
	GUEST_ASSERT(cpuid(0).a == 2);
	GUEST_ASSERT(!cpuid(4).a && !cpuid(7).b && !cpuid(13).a);
	GUEST_ASSERT(cpuid(0x80000001).d == features);
	GUEST_ASSERT(try_wrmsr(IA32_MISC_ENABLE, MISC_INITIAL | MISC_NO_XD) ==
		     NO_FAULT);
	GUEST_ASSERT(cpuid(0).a == last);
	GUEST_ASSERT(cpuid(0x80000001).d == (features & ~CPUID_NX));
	GUEST_ASSERT(try_wrmsr(IA32_MISC_ENABLE, MISC_INITIAL) == NO_FAULT);
	GUEST_ASSERT(cpuid(0x80000001).d == features);
}

MINIVMX_TEST(misc_enable_and_cpuid, guest_turns_features_off)
{
	run_to_done(vcpu);
}

TEST_HARNESS_MAIN
