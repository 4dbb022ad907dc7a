/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tool begins here, in 64-bit mode and with a stack. When main() returns,
 * the guest halts for good.
 */
	.globl _start
	.text
_start:
	call	main
1:	cli
	hlt
	jmp	1b

	.section .note.GNU-stack, "", @progbits
