// SPDX-License-Identifier: GPL-2.0
/*
 * Registers of the guest: they arrive, and they stay. Those of the host are in
 * host_test.c.
 */
#include <cpuid.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>

#include "alarm.h"
#include "minivmx_harness.h"

#define IA32_STAR		0xc0000081
#define IA32_LSTAR		0xc0000082
#define IA32_GS_BASE		0xc0000101
#define IA32_KERNEL_GS_BASE	0xc0000102
#define IA32_FS_BASE		0xc0000100
#define CR4_OSXSAVE		BIT(18)

/* ------------------------------------------------------------- round trips */

static void fill_regs(struct minivmx_regs *regs, u64 seed)
{
	u64 *values = (u64 *)regs;

	for (int i = 0; i < 16; i++)
		values[i] = seed * 0x9e3779b97f4a7c15UL + i;
}

TEST_F(vm, regs_round_trip)
{
	const struct vcpu *vcpu = &self->vm.vcpu;
	struct minivmx_regs_arg in = { .size = sizeof(in) }, out = in;

	fill_regs(&in.regs, 3);
	in.regs.rip = 0x1234;
	in.regs.rflags = 0x202;
	test_cmd(vcpu->fd, MINIVMX_SET_REGS, &in);
	EXPECT_EQ(0, memcmp(&in.regs, &vcpu->run->regs, sizeof(in.regs)));
	vcpu->run->regs.r15 = 99;
	test_cmd(vcpu->fd, MINIVMX_GET_REGS, &out);
	EXPECT_EQ(99, out.regs.r15);
	EXPECT_EQ(in.regs.rax, out.regs.rax);
}

static void guest_syncs(void)
{
	for (;;)
		GUEST_SYNC(1);
}

static void expect_same_sregs(struct __test_metadata *_metadata,
			      const struct minivmx_sregs *a,
			      const struct minivmx_sregs *b)
{
	for (size_t i = 0; i < sizeof(*a); i++) {
		EXPECT_EQ(((u8 *)a)[i], ((u8 *)b)[i])
			TH_LOG("at offset %zu of struct minivmx_sregs", i);
	}
}

MINIVMX_TEST(sregs_round_trip, guest_syncs)
{
	struct minivmx_sregs in = get_sregs(vcpu), out;

	in.fs.base = 0x123456789000;
	in.gs.base = 0xffffffff12345000;
	in.ds.selector = 0x30;
	in.es.limit = 0xfff;
	in.es.access_rights = 0x4093;
	in.cr2 = 0xabcdef;
	in.cr4 |= BIT(7);
	in.dr[0] = 0x1000;
	in.dr[3] = 0x7000;
	in.dr[5] = 0x401;
	in.cr8 = 0xf;
	in.pending_debug = 0x500f;
	in.activity = 1;
	set_sregs(vcpu, &in);
	out = get_sregs(vcpu);
	expect_same_sregs(_metadata, &in, &out);
	in.dr[5] = 0x400;
	in.pending_debug = 0;
	in.activity = 0;
	set_sregs(vcpu, &in);
	run_to_sync(vcpu, 1);
	out = get_sregs(vcpu);
	expect_same_sregs(_metadata, &in, &out);
}

/* As MOV and WRMSR would refuse it; and then nothing at all has changed. */
MINIVMX_TEST(sregs_refused, guest_syncs)
{
	const struct minivmx_sregs good = get_sregs(vcpu);
	struct minivmx_sregs bad[17], now;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		bad[i] = good;
		bad[i].ds.selector = 0x1230;
		bad[i].cr2 = 0x999;
	}
	bad[0].cr0 |= BIT(29);		/* not write-through without CD */
	bad[1].cr0 &= ~1ULL;		/* paging without protection */
	bad[2].cr4 |= BIT(13);		/* VMXE */
	bad[3].cr4 |= BIT(63);
	bad[4].efer |= 2;
	bad[5].xcr0 = 0;
	bad[6].dr[5] |= BIT(32);
	bad[7].cr8 = 0x10;
	bad[8].cr8 = BIT(63);
	bad[9].pending_debug = BIT(4);
	bad[10].pending_debug = BIT(13);
	bad[11].pending_debug = BIT(16);
	bad[12].pending_debug = BIT(63);
	bad[13].activity = 2;		/* shutdown */
	bad[14].activity = 3;		/* wait for SIPI */
	bad[15].flags |= BIT(2);
	bad[16].flags |= BIT(31);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(EINVAL, call_error(vcpu->fd, MINIVMX_SET_SREGS, &bad[i]))
			TH_LOG("case %zu", i);
		now = get_sregs(vcpu);
		expect_same_sregs(_metadata, &good, &now);
	}
	run_to_sync(vcpu, 1);
}

MINIVMX_TEST(msrs_round_trip, guest_syncs)
{
	const u32 msrs[] = {
		0x174, 0x175, 0x176, IA32_STAR, IA32_LSTAR, 0xc0000084,
		IA32_FS_BASE, IA32_GS_BASE, IA32_KERNEL_GS_BASE,
	};

	for (size_t i = 0; i < ARRAY_SIZE(msrs); i++)
		set_msr(vcpu, msrs[i], 0x1000 + i);
	run_to_sync(vcpu, 1);
	for (size_t i = 0; i < ARRAY_SIZE(msrs); i++) {
		EXPECT_EQ(0x1000 + i, get_msr(vcpu, msrs[i]))
			TH_LOG("MSR %#x", msrs[i]);
	}
}

/* Exits that the driver answers, then one for the program; touches nothing. */
void guest_bare(void);
asm(".text\n"
	"guest_bare:\n"
	"	wbinvd\n"
	"	invd\n"
	"	outb	%al, $0x66\n"
	"	jmp	guest_bare\n");

MINIVMX_TEST(all_registers_survive_exits, guest_bare)
{
	struct minivmx_regs expected;

	for (int round = 0; round < 50; round++) {
		fill_regs(&expected, round + 1);
		expected.rip = (uintptr_t)guest_bare;
		expected.rflags = 2 | (round & 1 ? 0x8d5 : 0);
		run->regs = expected;
		run_to_exit(vcpu, EXIT_IO);
		EXPECT_EQ(0x66, run->io.port);
		expected.rip += 4;
		EXPECT_EQ(0, memcmp(&expected, &run->regs, sizeof(expected)))
			TH_LOG("round %d", round);
	}
}

/* --------------------------------------------------------- FPU, SSE and AVX */

#define VECTORS	16

struct vectors {
	u8 ymm[VECTORS][32];
} __aligned(32);

static struct vectors guest_in, guest_out;
static bool guest_avx;
static u64 guest_rounds;

/* Loads @in, executes @code, stores to @out: nothing else comes between. */
#define WITH_VECTORS(load, reg, code, in, out, ...)			\
	({								\
		asm volatile(".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n" \
			     load " \\i*32(%[from]), %%" reg "\\i\n"	\
			     ".endr\n"					\
			     code "\n"					\
			     ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n" \
			     load " %%" reg "\\i, \\i*32(%[to])\n"	\
			     ".endr\n"					\
			     : __VA_ARGS__				\
			     : [from] "r"(in), [to] "r"(out)		\
			     : "rcx", "r11", "memory", "xmm0", "xmm1",	\
			       "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",	\
			       "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",	\
			       "xmm12", "xmm13", "xmm14", "xmm15");	\
	})

static bool same_vectors(const struct vectors *a, const struct vectors *b,
			 int bytes)
{
	for (int i = 0; i < VECTORS; i++) {
		for (int j = 0; j < bytes; j++) {
			if (((volatile u8 *)a->ymm[i])[j] !=
			    ((volatile u8 *)b->ymm[i])[j])
				return false;
		}
	}
	return true;
}

static void fill_vectors(struct vectors *vectors, u8 seed)
{
	for (int i = 0; i < VECTORS; i++) {
		for (int j = 0; j < 32; j++)
			vectors->ymm[i][j] = seed * 101 + i * 7 + j;
	}
}

static void guest_keeps_vectors(void)
{
	u64 cr4;

	if (guest_avx) {
		asm volatile("movq %%cr4, %0" : "=r"(cr4));
		asm volatile("movq %0, %%cr4" : : "r"(cr4 | CR4_OSXSAVE));
		asm volatile("xsetbv" : : "a"(7), "d"(0), "c"(0));
	}
	for (;;) {
		u32 mxcsr = 0x3f80 | (guest_rounds & 1 ? 0x8000 : 0), seen;
		u64 spin = 2000;

		guest_rounds++;
		asm volatile("ldmxcsr %0" : : "m"(mxcsr));
		if (guest_avx)
			WITH_VECTORS("vmovdqu", "ymm",
				     "outb %%al, $0x66; 1: dec %[spin]; jnz 1b",
				     &guest_in, &guest_out, [spin] "+r"(spin));
		else
			WITH_VECTORS("movdqu", "xmm",
				     "outb %%al, $0x66; 1: dec %[spin]; jnz 1b",
				     &guest_in, &guest_out, [spin] "+r"(spin));
		asm volatile("stmxcsr %0" : "=m"(seen));
		GUEST_ASSERT(seen == mxcsr);
		GUEST_ASSERT(same_vectors(&guest_in, &guest_out,
					  guest_avx ? 32 : 16));
	}
}

static void dirty_own_vectors(int signal)
{
	struct vectors dirt;

	fill_vectors(&dirt, signal);
	WITH_VECTORS("movdqu", "xmm", "", &dirt, &dirt, "+m"(dirt));
}

/* Fills its own vectors all the time, on the same CPU. */
static void *dirty_vectors(void *stop)
{
	struct vectors in, out;

	fill_vectors(&in, 200);
	while (!*(volatile bool *)stop) {
		WITH_VECTORS("movdqu", "xmm", "", &in, &out, "+m"(out));
		require(same_vectors(&in, &out, 16),
			"vectors of another thread changed");
		sched_yield();
	}
	return NULL;
}

/* MINIVMX_RUN with @in in the vector registers; @out is what they were then. */
static long run_with_vectors(const struct vcpu *vcpu, bool avx,
			     const struct vectors *in, struct vectors *out)
{
	long result = SYS_ioctl, fd = vcpu->fd, number = MINIVMX_RUN, arg = 0;

	if (avx)
		WITH_VECTORS("vmovdqu", "ymm", "syscall", in, out,
			     "+a"(result), "+D"(fd), "+S"(number), "+d"(arg));
	else
		WITH_VECTORS("movdqu", "xmm", "syscall", in, out,
			     "+a"(result), "+D"(fd), "+S"(number), "+d"(arg));
	return result;
}

static void check_vectors(struct __test_metadata *_metadata, struct vm *vm,
			  bool avx)
{
	const u32 mxcsr = 0x9fc0;
	struct vectors in, out;
	bool stop = false;
	pthread_t thread;
	int exits = 0;
	u32 seen;

	pin_to_cpu(sched_getcpu());
	fill_vectors(guest_copy(vm, guest_in), 77);
	*guest_copy(vm, guest_avx) = avx;
	ASSERT_EQ(0, pthread_create(&thread, NULL, dirty_vectors, &stop));
	catch_signal(SIGALRM, dirty_own_vectors);
	set_ticks(3000);
	asm volatile("ldmxcsr %0" : : "m"(mxcsr));
	for (int round = 0; exits < 300; round++) {
		long result;

		fill_vectors(&in, round);
		result = run_with_vectors(&vm->vcpu, avx, &in, &out);
		ASSERT_TRUE(same_vectors(&in, &out, avx ? 32 : 16))
			TH_LOG("the host's vectors changed in round %d", round);
		ASSERT_TRUE(!result || result == -EINTR);
		if (result)
			continue;
		ASSERT_EQ(0x66, vm->vcpu.run->io.port)
			TH_LOG("%s", describe_exit(&vm->vcpu));
		exits++;
	}
	asm volatile("stmxcsr %0" : "=m"(seen));
	EXPECT_EQ(mxcsr, seen & ~0x3f);
	set_ticks(0);
	stop = true;
	pthread_join(thread, NULL);
	EXPECT_LE(300, *guest_copy(vm, guest_rounds));
}

MINIVMX_TEST(sse_never_mixes, guest_keeps_vectors)
{
	check_vectors(_metadata, vm, false);
}

static bool host_has_avx(void)
{
	u32 a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && c & bit_AVX && c & bit_OSXSAVE;
}

MINIVMX_TEST(avx_never_mixes, guest_keeps_vectors)
{
	if (!host_has_avx())
		SKIP(return, "this CPU has no AVX");
	check_vectors(_metadata, vm, true);
}

TEST_HARNESS_MAIN
