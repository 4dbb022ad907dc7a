/* SPDX-License-Identifier: GPL-2.0 */
/* The 32-bit program of the access test: its first instruction, its accesses. */

#include "access.h"

	.code32
	.section .text.start, "ax", @progbits
	.globl	_start
/* EDI is the argument of access_main(). */
_start:
	movl	$stack_top, %esp
	pushl	%edi
	call	access_main
1:	hlt
	jmp	1b

	.bss
	.balign	16
	.globl	access_seen
/* struct access_seen */
access_seen:
vector:	.long	0
error:	.long	0
value:	.long	0
	.long	0
cr2:	.long	0
stack:	.long	0
	.balign	16
	.skip	8192
stack_top:

	.text
	.globl	access_perform
/* stub, address, value, flags, user: on the stack */
access_perform:
	pushl	%ebx
	pushl	%ebp
	pushl	%esi
	pushl	%edi
	pushfl
	movl	%esp, stack
	movl	24(%esp), %edi
	movl	28(%esp), %esi
	movl	32(%esp), %edx
	movl	36(%esp), %ecx
	cmpl	$0, 40(%esp)
	jne	1f
	pushl	%ecx
	popfl
	jmp	*%edi
1:	pushl	$ACCESS_USER_DS
	pushl	$0
	pushl	%ecx
	pushl	$ACCESS_USER_CS
	pushl	%edi
	iretl

	.globl	access_gate, access_fault_gp, access_fault_pf
access_gate:
	movl	%eax, value
	movl	$ACCESS_NO_FAULT, vector
	movl	$0, error
	jmp	finish

access_fault_gp:
	movl	$13, vector
	jmp	1f
access_fault_pf:
	movl	$14, vector
1:	popl	%eax
	movl	%eax, error
	movl	%cr2, %eax
	movl	%eax, cr2

/* Back to the caller of access_perform(), whatever the stack is now. */
finish:
	movl	stack, %esp
	popfl
	popl	%edi
	popl	%esi
	popl	%ebp
	popl	%ebx
	ret

/* A page of their own, for CPL 3 to execute at another address. */
	.balign	4096
	.globl	access_stubs, access_stub_read, access_stub_write
	.globl	access_stub_fetch, access_stub_load
access_stubs:
access_stub_read:
	movl	(%esi), %eax
	int	$ACCESS_GATE
access_stub_write:
	movl	%edx, (%esi)
	int	$ACCESS_GATE
access_stub_fetch:
	jmp	*%esi
access_stub_load:
	movl	%edx, %fs
	int	$ACCESS_GATE
	.balign	4096

	.section .note.GNU-stack, "", @progbits
