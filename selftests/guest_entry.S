/* SPDX-License-Identifier: GPL-2.0 */
/* Exceptions in a 64-bit guest: they all end in guest_exception() of guest.c. */

	.text
	.balign 16
	.globl guest_stubs
/* Brings all stacks to the form with an error code. */
guest_stubs:
	vector = 0
.rept 32
	.balign 16
	/* 8, 10 to 14, 17 and 21 have one already. */
	.if !((0x227d00 >> vector) & 1)
	pushq	$0
	.endif
	pushq	$vector
	jmp	guest_exception_entry
	vector = vector + 1
.endr

guest_exception_entry:
	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	leaq	72(%rsp), %rdi
	call	guest_exception
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	popq	%rdx
	popq	%rcx
	popq	%rax
	/* The vector and the error code. */
	addq	$16, %rsp
	iretq

	.section .note.GNU-stack, "", @progbits
