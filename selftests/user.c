// SPDX-License-Identifier: GPL-2.0
#include "user.h"
#include "window.h"

#define IA32_EFER	0xc0000080
#define IA32_STAR	0xc0000081
#define IA32_LSTAR	0xc0000082
#define EFER_USUAL	0xd01	/* NXE LMA LME SCE */

static u64 gdt[] = {
	0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cff3000000ffff,
	0x00affb000000ffff,
	/* For CPL 1: data, code. */
	0x00cfb3000000ffff, 0x00afbb000000ffff,
};

static void wrmsr(u32 index, u64 value)
{
	asm volatile("wrmsr" : : "c"(index), "a"((u32)value), "d"(value >> 32));
}

void open_program_to_users(void)
{
	/* PML4, PDPT and the first page directory. */
	struct page *tables = (struct page *)GUEST_PML4;
	const struct __packed {
		u16 limit;
		u64 base;
	} gdtr = { sizeof(gdt) - 1, (uintptr_t)gdt };

	tables[0].words[0] |= PTE_U;
	tables[1].words[0] |= PTE_U;
	for (u64 i = 0; i < GUEST_MEMORY / PAGE_2M; i++)
		tables[2].words[i] |= PTE_U;
	write_cr3(read_cr3());
	asm volatile("lgdt %0" : : "m"(gdtr));
	wrmsr(IA32_EFER, EFER_USUAL);
	wrmsr(IA32_STAR, (u64)GUEST_CS << 32);
}

/* By IRET there, by SYSCALL back. */
static void run_at(u64 cs, u64 ss, void (*code)(void))
{
	u64 stack;

	asm volatile("leaq 2f(%%rip), %%rax\n\t"
		     "movq %%rax, %%rdx\n\t"
		     "shrq $32, %%rdx\n\t"
		     "movl %[lstar], %%ecx\n\t"
		     "wrmsr\n\t"
		     "movq %%rsp, %[stack]\n\t"
		     "andq $-16, %%rsp\n\t"
		     "movq %%rsp, %%rcx\n\t"
		     "pushq %[ss]\n\t"
		     "pushq %%rcx\n\t"
		     "pushq $0x202\n\t"
		     "pushq %[cs]\n\t"
		     "leaq 1f(%%rip), %%rax\n\t"
		     "pushq %%rax\n\t"
		     "iretq\n"
		     "1:\n\t"
		     "call *%[code]\n\t"
		     "syscall\n"
		     "2:\n\t"
		     "movq %[stack], %%rsp"
		     : [stack] "=&b"(stack)
		     : [code] "r"(code), [ss] "r"(ss), [cs] "r"(cs),
		       [lstar] "i"(IA32_LSTAR)
		     : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10",
		       "r11", "memory", "cc");
}

void run_as_user(void (*code)(void))
{
	run_at(0x23, 0x1b, code);
}

void run_at_cpl_1(void (*code)(void))
{
	run_at(0x31, 0x29, code);
}
