/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A kernel of a few instructions for `minivmx boot`, in the place of Linux: what Linux
 * does not do, or not so that it shows. The first letter of the command line says what;
 * it prints what came of it, and asks for a reset.
 */
#define MIB		0x100000
#define IDT		0x8000
#define GATES		2
/* Mapped by those who load it, where a guest of 32 MiB has no memory. */
#define ABSENT		0x30000000

#define CS		0x10
#define INTERRUPT_GATE	0x8e00
#define TF		0x100

#define SERIAL		0x3f8
#define LINE_STATUS	0x3fd
#define DATA_READY	1
#define KEYBOARD	0x64
#define RESET		0xfe

/* Linux, Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header". */
	.section .setup, "a", @progbits
	.org 0x1f1
	.byte 1				/* setup_sects */
	.org 0x202
	.ascii "HdrS"
	.word 0x20f			/* version */
	.org 0x211
	.byte 1				/* loadflags: at 1 MiB */
	.org 0x214
	.long MIB			/* code32_start */
	.org 0x22c
	.long 0xffffffff		/* initrd_addr_max */
	.org 0x236
	.word 1				/* xloadflags: there is a 64-bit entry */
	.long 255			/* cmdline_size */
	.org 0x258
	.quad MIB			/* pref_address */
	.long MIB			/* init_size */
	.org 0x400

#define COMMAND_LINE	0x228		/* cmd_line_ptr, in the zero page */

	.text
	.org 0x200
	.globl _start
_start:
	movl	COMMAND_LINE(%rsi), %eax
	movb	(%rax), %al
	cmpb	$'p', %al
	je	priority
	cmpb	$'t', %al
	je	trap
	cmpb	$'s', %al
	je	stack
	cmpb	$'h', %al
	je	halt
end:
	movb	$RESET, %al
	outb	%al, $KEYBOARD
	hlt

/* The priority of its task, while it waits for a key, and when it is lowered. */
priority:
	movl	$5, %eax
	movq	%rax, %cr8
	leaq	1f(%rip), %rsi
	call	print
	call	wait_for_key
	call	print_priority
	xorl	%eax, %eax
	movq	%rax, %cr8
	call	print_priority
	jmp	end
1:	.asciz	"priority "

print_priority:
	movq	%cr8, %rax
	addb	$'0', %al
	jmp	print_letter

/* How far a single step gets over an access to absent memory. */
trap:
	leaq	trapped(%rip), %rax
	call	set_gate
	leaq	1f(%rip), %rsi
	pushfq
	orl	$TF, (%rsp)
	popfq
	movl	ABSENT, %eax
behind:
	nop
	nop
	jmp	end
1:	.asciz	"trapped behind the access\n"
2:	.asciz	"trapped later\n"

trapped:
	leaq	behind(%rip), %rax
	cmpq	%rax, (%rsp)
	je	1f
	leaq	2b(%rip), %rsi
1:	call	print
	jmp	end

/* A trap that cannot be delivered, before an access that the program could carry out. */
stack:
	leaq	trapped(%rip), %rax
	call	set_gate
	pushfq
	orl	$TF, (%rsp)
	popfq
	movl	$ABSENT, %esp
	movl	ABSENT, %eax
	jmp	end

/* Interrupts are on, and there is none. */
halt:
	leaq	1f(%rip), %rsi
	call	print
	sti
	hlt
	leaq	2f(%rip), %rsi
	call	print
	jmp	end
1:	.asciz	"waits\n"
2:	.asciz	"behind HLT\n"

/* Of the debug exception. */
set_gate:
	movw	%ax, IDT + 16
	movw	$CS, IDT + 18
	movw	$INTERRUPT_GATE, IDT + 20
	shrq	$16, %rax
	movw	%ax, IDT + 22
	lidt	1f(%rip)
	ret
1:	.word	16 * GATES - 1
	.quad	IDT

wait_for_key:
	movw	$LINE_STATUS, %dx
1:	inb	%dx, %al
	testb	$DATA_READY, %al
	jz	1b
	ret

print:
	lodsb
	testb	%al, %al
	jz	1f
	call	print_letter
	jmp	print
1:	ret

print_letter:
	movw	$SERIAL, %dx
	outb	%al, %dx
	ret

	.section .note.GNU-stack, "", @progbits
