/* SPDX-License-Identifier: GPL-2.0 */
/* The instructions of the stress test. */

#include "stress.h"

#define RAX	0
#define RCX	8
#define RDX	16
#define RSI	24
#define RDI	32
#define VECTOR	40
#define ERROR	48
#define CR2	56

	.bss
	.balign	16
	.globl	stress_registers
/* struct stress_registers */
stress_registers:
	.skip	64
stack:	.quad	0

	.text
	.globl	stress_perform
/* stub, user: rdi, rsi */
stress_perform:
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	pushfq
	movq	%rsp, stack(%rip)
	movq	%rdi, %r8
	movq	%rsi, %r9
	leaq	stress_registers(%rip), %r10
	movq	RAX(%r10), %rax
	movq	RCX(%r10), %rcx
	movq	RDX(%r10), %rdx
	movq	RSI(%r10), %rsi
	movq	RDI(%r10), %rdi
	testq	%r9, %r9
	jnz	1f
	jmp	*%r8
1:	pushq	$ACCESS_USER_DS
	pushq	$0
	pushq	$0x202
	pushq	$ACCESS_USER_CS
	pushq	%r8
	iretq

	.globl	stress_gate, stress_page_fault
stress_gate:
	leaq	stress_registers(%rip), %r10
	movq	$ACCESS_NO_FAULT, VECTOR(%r10)
	movq	$0, ERROR(%r10)
	jmp	finish

stress_page_fault:
	leaq	stress_registers(%rip), %r10
	movq	$14, VECTOR(%r10)
	popq	ERROR(%r10)
	movq	%cr2, %r11
	movq	%r11, CR2(%r10)

/* Back to the caller of stress_perform(), whatever the stack is now. */
finish:
	movq	%rax, RAX(%r10)
	movq	%rcx, RCX(%r10)
	movq	%rdx, RDX(%r10)
	movq	%rsi, RSI(%r10)
	movq	%rdi, RDI(%r10)
	movq	stack(%rip), %rsp
	movl	$ACCESS_DS, %eax
	movl	%eax, %ss
	popfq
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret

/*
 * A page of their own, for CPL 3 to execute at another address. All can be begun
 * again after a page fault, with the registers as they are then.
 */
	.balign	4096
	.globl	stress_stubs
	.globl	stress_stub_load, stress_stub_fetch, stress_stub_mov
	.globl	stress_stub_mov_low_first, stress_stub_mov_high_first
	.globl	stress_stub_movnti, stress_stub_xchg, stress_stub_cmpxchg
	.globl	stress_stub_and, stress_stub_or, stress_stub_stos
	.globl	stress_stub_movs
stress_stubs:
stress_stub_load:
	movq	(%rdi), %rax
	int	$STRESS_GATE
/* What is there ends with the same INT. */
stress_stub_fetch:
	jmp	*%rdi
stress_stub_mov:
	movq	%rdx, (%rdi)
	int	$STRESS_GATE
stress_stub_mov_low_first:
	movl	%edx, (%rdi)
	movq	%rdx, %r8
	shrq	$32, %r8
	movl	%r8d, 4(%rdi)
	int	$STRESS_GATE
stress_stub_mov_high_first:
	movq	%rdx, %r8
	shrq	$32, %r8
	movl	%r8d, 4(%rdi)
	movl	%edx, (%rdi)
	int	$STRESS_GATE
stress_stub_movnti:
	movnti	%rdx, (%rdi)
	int	$STRESS_GATE
stress_stub_xchg:
	movq	%rdx, %rax
	xchgq	%rax, (%rdi)
	int	$STRESS_GATE
stress_stub_cmpxchg:
	movq	(%rdi), %rax
	lock cmpxchgq %rdx, (%rdi)
	jnz	stress_stub_cmpxchg
	int	$STRESS_GATE
stress_stub_and:
	lock andq %rdx, (%rdi)
	int	$STRESS_GATE
stress_stub_or:
	lock orq %rdx, (%rdi)
	int	$STRESS_GATE
stress_stub_stos:
	movq	%rdx, %rax
	rep stosq
	int	$STRESS_GATE
stress_stub_movs:
	rep movsq
	int	$STRESS_GATE
	.balign	4096

	.section .note.GNU-stack, "", @progbits
