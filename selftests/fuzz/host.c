// SPDX-License-Identifier: GPL-2.0
/* The registers of the program that runs a guest: they come back as they were. */
#include <asm/hwcap2.h>
#include <cpuid.h>
#include <sys/auxv.h>
#include <sys/syscall.h>

#include "fuzz.h"

/* What can be looked at without help of the kernel. */
struct visible {
	u64 xmm[16][2];
	u32 mxcsr;
	u16 control_word;
	u16 ds, es, fs, gs;
	u64 fs_base, gs_base;
	u64 xcr0;
	u16 gdt_limit, idt_limit;
};

static bool has_xsave(void)
{
	u32 a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && c & bit_OSXSAVE;
}

static u16 gdt_limit(void)
{
	u8 table[10];

	asm volatile("sgdt %0" : "=m"(table));
	return table[0] | table[1] << 8;
}

static u16 idt_limit(void)
{
	u8 table[10];

	asm volatile("sidt %0" : "=m"(table));
	return table[0] | table[1] << 8;
}

static u64 xcr0(void)
{
	u32 low, high;

	asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (u64)high << 32 | low;
}

static void look(struct visible *now)
{
	asm volatile("stmxcsr %0" : "=m"(now->mxcsr));
	asm volatile("fnstcw %0" : "=m"(now->control_word));
	asm volatile("mov %%ds, %0" : "=m"(now->ds));
	asm volatile("mov %%es, %0" : "=m"(now->es));
	asm volatile("mov %%fs, %0" : "=m"(now->fs));
	asm volatile("mov %%gs, %0" : "=m"(now->gs));
	if (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE) {
		asm volatile("rdfsbase %0" : "=r"(now->fs_base));
		asm volatile("rdgsbase %0" : "=r"(now->gs_base));
	}
	if (has_xsave())
		now->xcr0 = xcr0();
	now->gdt_limit = gdt_limit();
	now->idt_limit = idt_limit();
}

/* The system call, with these in XMM0 to XMM15, and what is there afterwards. */
static long run_with_xmm(int vcpu, unsigned long argument, const void *set, void *seen)
{
	register const void *from asm("r8") = set;
	register void *to asm("r9") = seen;
	long result = SYS_ioctl;

	asm volatile(".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n\t"
		     "movdqu 16 * \\n(%[from]), %%xmm\\n\n\t"
		     ".endr\n\t"
		     "syscall\n\t"
		     ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n\t"
		     "movdqu %%xmm\\n, 16 * \\n(%[to])\n\t"
		     ".endr"
		     : "+a"(result)
		     : [from] "r"(from), [to] "r"(to), "D"(vcpu), "S"(MINIVMX_RUN), "d"(argument)
		     : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
		       "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
		       "xmm14", "xmm15");
	return result;
}

int checked_run(int vcpu, unsigned long argument)
{
	struct visible before = {}, after = {};
	long result;

	for (u64 i = 0; i < 32; i++)
		before.xmm[i / 2][i % 2] = 0x0123456789abcdef * (i + 1);
	look(&before);
	result = run_with_xmm(vcpu, argument, before.xmm, after.xmm);
	look(&after);
	count(COUNT_RUNS);
	require(!memcmp(before.xmm, after.xmm, sizeof(before.xmm)), "XMM registers differ");
	require(before.mxcsr == after.mxcsr, "MXCSR is %#x", after.mxcsr);
	require(before.control_word == after.control_word, "x87 control word is %#x",
		after.control_word);
	require(before.ds == after.ds && before.es == after.es && before.fs == after.fs &&
		before.gs == after.gs, "DS, ES, FS, GS are %#x, %#x, %#x, %#x", after.ds,
		after.es, after.fs, after.gs);
	require(before.fs_base == after.fs_base && before.gs_base == after.gs_base,
		"FS and GS have bases %#llx and %#llx", after.fs_base, after.gs_base);
	require(before.xcr0 == after.xcr0, "XCR0 is %#llx", after.xcr0);
	require(before.gdt_limit == after.gdt_limit && before.idt_limit == after.idt_limit,
		"the limits of GDTR and IDTR are %#x and %#x", after.gdt_limit, after.idt_limit);
	return result < 0 ? -result : 0;
}
