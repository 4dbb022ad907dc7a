/* SPDX-License-Identifier: GPL-2.0 */
/* The 32-bit program of the compat test, and what it takes for sizes. */

	.section .rodata.blob, "a", @progbits
	.globl	compat_program, compat_program_end
compat_program:
	.incbin	"compat_32.elf"
compat_program_end:

	.balign	4
	.globl	compat_sizes, compat_sizes_end
compat_sizes:
	.incbin	"compat_sizes.bin"
compat_sizes_end:

	.section .note.GNU-stack, "", @progbits
