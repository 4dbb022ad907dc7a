// SPDX-License-Identifier: GPL-2.0
/* The x87, SSE and AVX registers, by MINIVMX_GET_FPU and MINIVMX_SET_FPU. */
#include <cpuid.h>

#include "minivmx_harness.h"
#include "registers.h"
#include "snapshot.h"

#define CR4_OSXSAVE	BIT(18)
#define XCR0_ALL	7
#define FXSAVE_COMPONENTS	3

/* Words of the area (SDM Vol. 1, "Standard Format of the XSAVE Area"). */
#define FCW		0
#define MXCSR		3
#define ST(n)		(4 + 2 * (n))
#define XMM(n)		(20 + 2 * (n))
#define XSTATE_BV	64
#define XCOMP_BV	65
#define YMM_HIGH(n)	(72 + 2 * (n))

/* Rounding down; after reset. */
#define FCW_DOWN	0x77f
#define MXCSR_DOWN	0x3f80
#define FCW_INITIAL	0x37f
#define MXCSR_INITIAL	0x1f80

/* What the guest loads, and what it finds behind an exit. */
struct registers {
	u64 ymm[16][4];
	double st[8];
	u32 mxcsr;
	u16 fcw;
} __aligned(32);

static struct registers loaded, found;
static u32 has_avx;

#define EACH(instruction)						\
	".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n\t"	\
	instruction "\n\t"						\
	".endr\n\t"
#define LOAD_XMM	EACH("movdqa 32*\\n(%[from]), %%xmm\\n")
#define STORE_XMM	EACH("movdqa %%xmm\\n, 32*\\n(%[to])")
#define LOAD_YMM	EACH("vmovdqa 32*\\n(%[from]), %%ymm\\n")
#define STORE_YMM	EACH("vmovdqa %%ymm\\n, 32*\\n(%[to])")
/* The last that is loaded is the first on the stack. */
#define LOAD_ST		"fninit; fldl 56(%[st]); fldl 48(%[st]); fldl 40(%[st]); "	\
			"fldl 32(%[st]); fldl 24(%[st]); fldl 16(%[st]); "	\
			"fldl 8(%[st]); fldl (%[st])\n\t"
#define STORE_ST	"fstpl (%[st]); fstpl 8(%[st]); fstpl 16(%[st]); "	\
			"fstpl 24(%[st]); fstpl 32(%[st]); fstpl 40(%[st]); "	\
			"fstpl 48(%[st]); fstpl 56(%[st])\n\t"
#define EXIT		"outl %%eax, %[port]\n\t"

static void carry_xmm(void)
{
	asm volatile(LOAD_XMM
		     EXIT
		     STORE_XMM
		     : : [from] "r"(loaded.ymm), [to] "r"(found.ymm),
		       [port] "i"(UCALL_PORT), "a"(UCALL_SYNC), "D"(1) : "memory");
}

static void carry_ymm(void)
{
	asm volatile(LOAD_YMM
		     EXIT
		     STORE_YMM
		     : : [from] "r"(loaded.ymm), [to] "r"(found.ymm),
		       [port] "i"(UCALL_PORT), "a"(UCALL_SYNC), "D"(1) : "memory");
}

/* The compiler uses no x87 here, so that these stay over the exit. */
static void guest_carries(void)
{
	if (has_avx) {
		GUEST_ASSERT(try_cr4(read_cr4() | CR4_OSXSAVE) == NO_FAULT);
		asm volatile("xsetbv" : : "a"(XCR0_ALL), "d"(0), "c"(0));
	}
	asm volatile(LOAD_ST "fldcw %[fcw]; ldmxcsr %[mxcsr]"
		     : : [st] "r"(loaded.st), [fcw] "m"(loaded.fcw),
		       [mxcsr] "m"(loaded.mxcsr));
	if (has_avx)
		carry_ymm();
	else
		carry_xmm();
	asm volatile(STORE_ST : : [st] "r"(found.st) : "memory");
	asm volatile("fnstcw %0; stmxcsr %1" : "=m"(found.fcw), "=m"(found.mxcsr));
}

static bool cpu_has_avx(void)
{
	u32 a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && c & bit_OSXSAVE && c & bit_AVX;
}

/* Different in each register, and @more than others. */
static struct registers some_registers(u64 more)
{
	struct registers registers = { .mxcsr = MXCSR_DOWN, .fcw = FCW_DOWN };

	for (u64 n = 0; n < 16; n++) {
		for (u64 word = 0; word < 4; word++)
			registers.ymm[n][word] = more + 4 * n + word + 1;
		if (n < 8)
			registers.st[n] = more + n + 0.5;
	}
	return registers;
}

static void expect_same(struct __test_metadata *_metadata,
			const struct registers *wanted, const struct registers *seen,
			bool avx)
{
	for (int n = 0; n < 16; n++) {
		for (int word = 0; word < (avx ? 4 : 2); word++) {
			EXPECT_EQ(wanted->ymm[n][word], seen->ymm[n][word])
				TH_LOG("word %d of YMM%d", word, n);
		}
	}
	for (int n = 0; n < 8; n++) {
		EXPECT_TRUE(wanted->st[n] == seen->st[n])
			TH_LOG("ST(%d)", n);
	}
	EXPECT_EQ(wanted->mxcsr, seen->mxcsr);
	EXPECT_EQ(wanted->fcw, seen->fcw);
}

/* The registers as the area has them. */
static struct registers of_area(const struct minivmx_fpu *fpu)
{
	struct registers registers = {
		.mxcsr = fpu->area[MXCSR], .fcw = fpu->area[FCW],
	};

	for (int n = 0; n < 16; n++) {
		memcpy(registers.ymm[n], &fpu->area[XMM(n)], 16);
		memcpy(registers.ymm[n] + 2, &fpu->area[YMM_HIGH(n)], 16);
	}
	for (int n = 0; n < 8; n++) {
		long double st = 0;

		memcpy(&st, &fpu->area[ST(n)], 10);
		registers.st[n] = st;
	}
	return registers;
}

static void start_carrying(const struct vm *vm, const struct registers *registers)
{
	start_guest(vm, guest_carries);
	*guest_copy(vm, loaded) = *registers;
	*guest_copy(vm, has_avx) = cpu_has_avx();
	run_to_sync(&vm->vcpu, 1);
}

TEST_F(vm, shows_what_the_guest_has)
{
	const struct registers wanted = some_registers(100);
	struct registers seen;
	struct minivmx_fpu fpu;

	start_carrying(&self->vm, &wanted);
	fpu = get_fpu(&self->vm.vcpu);
	seen = of_area(&fpu);
	expect_same(_metadata, &wanted, &seen, cpu_has_avx());
	if (cpu_has_avx())
		EXPECT_EQ(XCR0_ALL, fpu.area[XSTATE_BV]);
	EXPECT_EQ(0, fpu.area[XCOMP_BV]);
}

/* What one guest had, another one goes on with. */
TEST_F(vm, guest_finds_what_was_set)
{
	const struct registers first = some_registers(100), second = some_registers(200);
	struct vm other;
	struct minivmx_fpu fpu;

	start_carrying(&self->vm, &first);
	require(!create_vm_with(&other, self->vm.mmu), "no second VM");
	start_carrying(&other, &second);
	fpu = get_fpu(&other.vcpu);
	test_cmd(self->vm.vcpu.fd, MINIVMX_SET_FPU, &fpu);
	close_vm(&other);
	run_to_done(&self->vm.vcpu);
	expect_same(_metadata, &second, guest_copy(&self->vm, found), cpu_has_avx());
}

TEST_F(vm, snapshot_has_them)
{
	const struct registers wanted = some_registers(300);
	struct snapshot *snapshot = new_snapshot();
	struct vm other;

	start_carrying(&self->vm, &wanted);
	take_snapshot(&self->vm, snapshot);
	require(!create_vm_with(&other, self->vm.mmu), "no second VM");
	restore_snapshot(&other, snapshot);
	run_to_done(&other.vcpu);
	expect_same(_metadata, &wanted, guest_copy(&other, found), cpu_has_avx());
	close_vm(&other);
}

static bool has_xsave(const struct vm *vm)
{
	return get_info(vm->device).out_capabilities & MINIVMX_CAP_XSAVE;
}

/* After power-up: all in its initial state. */
TEST_F(vm, of_a_new_vcpu)
{
	struct minivmx_fpu fpu = get_fpu(&self->vm.vcpu);

	EXPECT_EQ(FCW_INITIAL, fpu.area[FCW]);
	EXPECT_EQ(MXCSR_INITIAL, fpu.area[MXCSR]);
	for (int n = 0; n < 16; n++) {
		EXPECT_EQ(0, fpu.area[XMM(n)]);
		EXPECT_EQ(0, fpu.area[YMM_HIGH(n)]);
	}
	EXPECT_EQ(has_xsave(&self->vm) ? 0 : FXSAVE_COMPONENTS, fpu.area[XSTATE_BV]);
	test_cmd(self->vm.vcpu.fd, MINIVMX_SET_FPU, &fpu);
}

/* XRSTOR would fault in the kernel. */
TEST_F(vm, what_no_cpu_loads)
{
	static const struct {
		const char *what;
		u32 word;
		u64 value;
	} bad[] = {
		{ "bit 16 of MXCSR", MXCSR, 1 << 16 | MXCSR_INITIAL },
		{ "bit 31 of MXCSR", MXCSR, 1U << 31 | MXCSR_INITIAL },
		{ "protection keys", XSTATE_BV, BIT(9) },
		{ "AVX-512", XSTATE_BV, 7 << 5 },
		{ "bit 63 of XSTATE_BV", XSTATE_BV, BIT(63) },
		{ "the compacted form", XCOMP_BV, BIT(63) },
		{ "bit 0 of XCOMP_BV", XCOMP_BV, 1 },
		{ "the header's third word", XCOMP_BV + 1, 1 },
		{ "the header's last word", YMM_HIGH(0) - 1, BIT(63) },
	};
	const struct vcpu *vcpu = &self->vm.vcpu;
	struct minivmx_fpu before = get_fpu(vcpu), after;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct minivmx_fpu fpu = before;

		fpu.area[FCW] = FCW_DOWN;
		fpu.area[bad[i].word] = bad[i].value;
		EXPECT_EQ(EINVAL, call_error(vcpu->fd, MINIVMX_SET_FPU, &fpu))
			TH_LOG("%s", bad[i].what);
	}
	after = get_fpu(vcpu);
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
}

/* FXRSTOR loads x87 and SSE, and nothing else, whatever a header says. */
TEST_F(vm, components_of_fxsave)
{
	struct minivmx_fpu fpu = get_fpu(&self->vm.vcpu);

	for (u64 components = 0; components < 4; components++) {
		bool can_be = has_xsave(&self->vm) || components == FXSAVE_COMPONENTS;

		fpu.area[XSTATE_BV] = components;
		EXPECT_EQ(can_be ? 0 : EINVAL,
			  call_error(self->vm.vcpu.fd, MINIVMX_SET_FPU, &fpu))
			TH_LOG("components %llu", components);
	}
}

TEST_HARNESS_MAIN
