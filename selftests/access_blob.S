/* SPDX-License-Identifier: GPL-2.0 */
/* The 32-bit program of the access test, as the bytes of guest memory. */

	.section .rodata.blob, "a", @progbits
	.globl	access_blob, access_blob_end
access_blob:
	.incbin	"access_32.bin"
access_blob_end:

	.section .note.GNU-stack, "", @progbits
