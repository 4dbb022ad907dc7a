/* SPDX-License-Identifier: GPL-2.0 */
/* The accesses of the access test in 64-bit mode. */

#include "access.h"

	.bss
	.balign	16
	.globl	access_seen
/* struct access_seen */
access_seen:
vector:	.long	0
error:	.long	0
value:	.long	0
	.long	0
cr2:	.quad	0
stack:	.quad	0

	.text
	.globl	access_perform
/* stub, address, value, flags, user: rdi, rsi, rdx, rcx, r8 */
access_perform:
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	pushfq
	movq	%rsp, stack(%rip)
	testq	%r8, %r8
	jnz	1f
	pushq	%rcx
	popfq
	jmp	*%rdi
1:	pushq	$ACCESS_USER_DS
	pushq	$0
	pushq	%rcx
	pushq	$ACCESS_USER_CS
	pushq	%rdi
	iretq

	.globl	access_gate, access_fault_gp, access_fault_pf
access_gate:
	movl	%eax, value(%rip)
	movl	$ACCESS_NO_FAULT, vector(%rip)
	movl	$0, error(%rip)
	jmp	finish

access_fault_gp:
	movl	$13, vector(%rip)
	jmp	1f
access_fault_pf:
	movl	$14, vector(%rip)
1:	popq	%rax
	movl	%eax, error(%rip)
	movq	%cr2, %rax
	movq	%rax, cr2(%rip)

/* Back to the caller of access_perform(), whatever the stack is now. */
finish:
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

/* A page of their own, for CPL 3 to execute at another address. */
	.balign	4096
	.globl	access_stubs, access_stub_read, access_stub_write
	.globl	access_stub_fetch, access_stub_load
access_stubs:
access_stub_read:
	movl	(%rsi), %eax
	int	$ACCESS_GATE
access_stub_write:
	movl	%edx, (%rsi)
	int	$ACCESS_GATE
access_stub_fetch:
	jmp	*%rsi
access_stub_load:
	movl	%edx, %fs
	int	$ACCESS_GATE
	.balign	4096

	.section .note.GNU-stack, "", @progbits
