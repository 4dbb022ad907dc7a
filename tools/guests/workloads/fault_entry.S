/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the CPU goes at a page fault: calls page_fault(address, error code) and
 * repeats the access.
 */
	.globl page_fault_entry
	.text
page_fault_entry:
	push	%rax
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	mov	%cr2, %rdi
	mov	72(%rsp), %rsi
	cld
	call	page_fault
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%rcx
	pop	%rax
	add	$8, %rsp
	iretq

	.section .note.GNU-stack, "", @progbits
