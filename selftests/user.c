// SPDX-License-Identifier: GPL-2.0
#include "user.h"
#include "window.h"

#define IA32_EFER	0xc0000080
#define IA32_STAR	0xc0000081
#define IA32_LSTAR	0xc0000082
#define EFER_USUAL	0xd01	/* NXE LMA LME SCE */

#define CODE(dpl)	(0x00af9b000000ffff | (u64)(dpl) << 45)
#define DATA(dpl)	(0x00cf93000000ffff | (u64)(dpl) << 45)

/* As load_program() has them, then for each CPL but 0. */
static u64 gdt[] = {
	0, CODE(0), DATA(0), DATA(3), CODE(3), DATA(1), CODE(1), DATA(2), CODE(2),
};

#define DS_OF(cpl)	((u64)((cpl) % 3 * 2 + 3) * 8 + (cpl))
#define CS_OF(cpl)	(DS_OF(cpl) + 8)

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
void run_at_cpl(u64 cpl, void (*code)(void))
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
		     : [code] "r"(code), [ss] "r"(DS_OF(cpl)),
		       [cs] "r"(CS_OF(cpl)), [lstar] "i"(IA32_LSTAR)
		     : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10",
		       "r11", "memory", "cc");
}

void run_as_user(void (*code)(void))
{
	run_at_cpl(3, code);
}
