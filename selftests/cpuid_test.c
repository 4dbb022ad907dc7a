// SPDX-License-Identifier: GPL-2.0
/*
 * What CPUID tells guests agrees with what else they find. Which answers there are
 * on which CPU is tested in userspace (tools/pure).
 */
#include "minivmx_harness.h"
#include "registers.h"

struct cpuid {
	u32 a, b, c, d;
};

static struct cpuid cpuid(u32 leaf, u32 subleaf)
{
	struct cpuid answer;

	asm volatile("cpuid" : "=a"(answer.a), "=b"(answer.b), "=c"(answer.c),
		     "=d"(answer.d) : "a"(leaf), "c"(subleaf));
	return answer;
}

#define CR4_OSXSAVE	BIT(18)

/* A bit of CR4 can be set just if CPUID tells of its feature. */
static void guest_compares_with_cr4(void)
{
	const struct cpuid version = cpuid(1, 0), features = cpuid(7, 0);
	const struct {
		u64 bit;
		bool told;
	} bits[] = {
		{ BIT(11), features.c & BIT(2) },	/* UMIP */
		{ BIT(12), features.c & BIT(16) },	/* LA57 */
		{ BIT(13), version.c & BIT(5) },	/* VMXE */
		{ BIT(14), version.c & BIT(6) },	/* SMXE */
		{ BIT(16), features.b & BIT(0) },	/* FSGSBASE */
		{ BIT(17), version.c & BIT(17) },	/* PCIDE */
		{ CR4_OSXSAVE, version.c & BIT(26) },
		{ BIT(20), features.b & BIT(7) },	/* SMEP */
		{ BIT(21), features.b & BIT(20) },	/* SMAP */
		{ BIT(22), features.c & BIT(3) },	/* PKE */
		{ BIT(23), features.c & BIT(7) },	/* CET */
		{ BIT(24), features.c & BIT(31) },	/* PKS */
	};
	u64 cr4 = read_cr4();

	for (size_t i = 0; i < ARRAY_SIZE(bits); i++) {
		u64 vector = try_cr4(cr4 | bits[i].bit);

		GUEST_ASSERT(vector == (bits[i].told ? NO_FAULT : VECTOR_GP));
		GUEST_ASSERT(try_cr4(cr4) == NO_FAULT);
	}
}

MINIVMX_TEST(cr4, guest_compares_with_cr4)
{
	run_to_done(vcpu);
}

static struct cpuid widths;

static void guest_reads_widths(void)
{
	widths = cpuid(0x80000008, 0);
}

MINIVMX_TEST(address_widths, guest_reads_widths)
{
	const u32 physical = cpuid(0x80000008, 0).a & 0xff;

	/* The CPU checks page tables by what it has, wherever memory can be. */
	run_to_done(vcpu);
	EXPECT_EQ(48 << 8 | physical, guest_copy(vm, widths)->a);
	EXPECT_EQ(physical < 48 ? physical : 48,
		  get_info(vm->device).out_physical_bits);
}

#define XCR0_X87	BIT(0)
#define XCR0_SSE	BIT(1)
#define XCR0_AVX	BIT(2)
#define XSAVEC		BIT(1)

/*
 * SDM Vol. 2, CPUID, leaf 0DH: the size of the area for XCR0, in the standard form,
 * and with XSAVEC in the compacted form, where x87, SSE and AVX lie alike.
 */
static void guest_measures_xsave(void)
{
	u64 xcr0s[] = { XCR0_X87, XCR0_X87 | XCR0_SSE,
			XCR0_X87 | XCR0_SSE | XCR0_AVX };
	u64 allowed = cpuid(13, 0).a;
	bool compacts = cpuid(13, 1).a & XSAVEC;

	GUEST_ASSERT(try_cr4(read_cr4() | CR4_OSXSAVE) == NO_FAULT);
	for (size_t i = 0; i < ARRAY_SIZE(xcr0s); i++) {
		u32 size = xcr0s[i] & XCR0_AVX ? 832 : 576;

		if (xcr0s[i] & ~allowed)
			continue;
		asm volatile("xsetbv" : : "a"((u32)xcr0s[i]), "d"(0), "c"(0));
		GUEST_ASSERT(cpuid(13, 0).b == size);
		GUEST_ASSERT(cpuid(13, 1).b == (compacts ? size : 0));
	}
	GUEST_SYNC(compacts);
}

static bool guest_has_xsave;

static void guest_looks_for_xsave(void)
{
	guest_has_xsave = cpuid(1, 0).c & BIT(26);
	GUEST_DONE();
}

MINIVMX_TEST(xsave_sizes, guest_looks_for_xsave)
{
	run_to_done(vcpu);
	if (!*guest_copy(vm, guest_has_xsave))
		SKIP(return, "this CPU has no XSAVE");
	start_guest(vm, guest_measures_xsave);
	vcpu_run(vcpu);
	EXPECT_EQ(UCALL_SYNC, get_ucall(vcpu))
		TH_LOG("%s", describe_ucall(vcpu));
}

TEST_HARNESS_MAIN
