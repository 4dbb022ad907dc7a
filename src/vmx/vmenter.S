/* SPDX-License-Identifier: GPL-2.0 */
#include <linux/linkage.h>
#include <asm/alternative.h>
#include <asm/asm.h>
#include <asm/cpufeatures.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include <asm/percpu.h>
#include <asm/segment.h>

/*
 * The registers lie in memory in the order of their numbers in instructions,
 * 8 bytes each. RSP (number 4) is in the VMCS.
 */
#define REG(number)	(8 * (number))

.section .noinstr.text, "ax"

/**
 * minivmx_vmenter - enter the guest of the current VMCS, until it exits
 * @registers: the guest's registers, loaded and stored back
 * @resume: VMRESUME instead of VMLAUNCH
 * @host_rsp: encoding of the VMCS field for the stack pointer after an exit
 *
 * Returns: 0 after a VM exit, 1 if the VM entry failed, 2 if it faulted.
 */
SYM_FUNC_START(minivmx_vmenter)
	push	%rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
	/* A VM exit finds @registers on top of the stack. */
	push	%rdi
	vmwrite	%rsp, %rdx

	/* To CF, which neither the loads below nor VERW change. */
	bt	$0, %esi

	mov	REG(0)(%rdi), %rax
	mov	REG(1)(%rdi), %rcx
	mov	REG(2)(%rdi), %rdx
	mov	REG(3)(%rdi), %rbx
	mov	REG(5)(%rdi), %rbp
	mov	REG(6)(%rdi), %rsi
	mov	REG(8)(%rdi), %r8
	mov	REG(9)(%rdi), %r9
	mov	REG(10)(%rdi), %r10
	mov	REG(11)(%rdi), %r11
	mov	REG(12)(%rdi), %r12
	mov	REG(13)(%rdi), %r13
	mov	REG(14)(%rdi), %r14
	mov	REG(15)(%rdi), %r15
	mov	REG(7)(%rdi), %rdi

	/* What the CPU's buffers hold of the host is not the guest's to sample. */
	ALTERNATIVE "", __stringify(verw .Lwritable_selector(%rip)), \
		    X86_FEATURE_CLEAR_CPU_BUF_VM

	jnc	.Llaunch

	/*
	 * Control comes back at minivmx_vmexit, which the VMCS names, with the
	 * stack as it is here.
	 */
	UNWIND_HINT_SAVE
.Lresume:
	vmresume
	jmp	.Lfailed
.Llaunch:
	vmlaunch
	jmp	.Lfailed

	_ASM_EXTABLE(.Lresume, .Lfaulted)
	_ASM_EXTABLE(.Llaunch, .Lfaulted)

SYM_INNER_LABEL_ALIGN(minivmx_vmexit, SYM_L_GLOBAL)
	UNWIND_HINT_RESTORE
	ENDBR
	push	%rdi
	mov	8(%rsp), %rdi
	mov	%rax, REG(0)(%rdi)
	mov	%rcx, REG(1)(%rdi)
	mov	%rdx, REG(2)(%rdi)
	mov	%rbx, REG(3)(%rdi)
	mov	%rbp, REG(5)(%rdi)
	mov	%rsi, REG(6)(%rdi)
	mov	%r8, REG(8)(%rdi)
	mov	%r9, REG(9)(%rdi)
	mov	%r10, REG(10)(%rdi)
	mov	%r11, REG(11)(%rdi)
	mov	%r12, REG(12)(%rdi)
	mov	%r13, REG(13)(%rdi)
	mov	%r14, REG(14)(%rdi)
	mov	%r15, REG(15)(%rdi)
	pop	REG(7)(%rdi)
	xor	%eax, %eax

.Lout:
	/*
	 * What a mispredicted path could use must not be the guest's. The other
	 * registers are loaded below.
	 */
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d

	/* Before the first return, whose predicted target may be the guest's. */
	FILL_RETURN_BUFFER %_ASM_CX, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT, \
			   X86_FEATURE_RSB_VMEXIT_LITE

	/*
	 * Without enhanced IBRS, predictions from before the last write of this
	 * bit may still be the guest's, though the bit was 1 all the time.
	 */
	ALTERNATIVE "jmp .Librs_is_set", "", X86_FEATURE_KERNEL_IBRS
	mov	%eax, %esi
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	mov	PER_CPU_VAR(x86_spec_ctrl_current), %rdx
	mov	%edx, %eax
	shr	$32, %rdx
	wrmsr
	mov	%esi, %eax
.Librs_is_set:

	pop	%rdi
	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
	RET

.Lfailed:
	mov	$1, %eax
	jmp	.Lout
.Lfaulted:
	mov	$2, %eax
	jmp	.Lout
SYM_FUNC_END(minivmx_vmenter)

/* VERW empties the buffers if its operand is in memory. */
.section .rodata
	.balign 2
.Lwritable_selector:
	.word	__KERNEL_DS
