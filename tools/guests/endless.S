/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest that goes on for ever: it asks CPUID for its first leaf, a VM exit that the
 * driver answers, and counts in EDI. Its four instructions are known to those who
 * look at them one by one.
 */
	.globl _start
	.text
_start:
	xorl	%eax, %eax
	cpuid
	incl	%edi
	jmp	_start

	.section .note.GNU-stack, "", @progbits
