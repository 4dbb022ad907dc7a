// SPDX-License-Identifier: GPL-2.0
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

#include "guest.h"

#define PTE_PRESENT	BIT(0)
#define PTE_WRITE	BIT(1)
#define PTE_LARGE	BIT(7)

#define CR0_PE		BIT(0)
#define CR0_MP		BIT(1)
#define CR0_ET		BIT(4)
#define CR0_NE		BIT(5)
#define CR0_WP		BIT(16)
#define CR0_PG		BIT(31)
#define CR4_PAE		BIT(5)
#define CR4_OSFXSR	BIT(9)
#define CR4_OSXMMEXCPT	BIT(10)
#define EFER_LME	BIT(8)
#define EFER_LMA	BIT(10)
#define EFER_NXE	BIT(11)

/* Access rights, in the form of struct minivmx_segment. */
#define AR_CODE16	0x009b
#define AR_DATA16	0x0093
#define AR_CODE32	0xc09b
#define AR_CODE64	0xa09b
#define AR_DATA		0xc093
#define AR_TSS_BUSY	0x008b
#define AR_UNUSABLE	0x10000

/* A 64-bit interrupt gate (SDM Vol. 3A, "64-Bit Mode IDT"). */
struct gate {
	u16 offset_low;
	u16 selector;
	u8 ist;
	u8 type;
	u16 offset_middle;
	u32 offset_high;
	u32 reserved;
};

volatile struct guest_fault guest_fault;
volatile u64 guest_resume;

/* The stack as the stubs leave it. */
struct exception_frame {
	u64 vector;
	u64 error;
	u64 rip;
	u64 cs;
	u64 rflags;
	u64 rsp;
	u64 ss;
};

/* Called by the stubs, in the guest. */
void guest_exception(struct exception_frame *frame)
{
	u64 cr2;

	asm volatile("movq %%cr2, %0" : "=r"(cr2));
	guest_fault.vector = frame->vector;
	guest_fault.error = frame->error;
	guest_fault.rip = frame->rip;
	guest_fault.rflags = frame->rflags;
	guest_fault.rsp = frame->rsp;
	guest_fault.cr2 = cr2;
	guest_fault.resume = guest_resume;
	guest_fault.count++;
	if (!guest_resume)
		guest_ucall(UCALL_FAULT, frame->vector << 32 | frame->error,
			    frame->rip);
	/* Past an instruction breakpoint: the CPU leaves that to the handler. */
	if (frame->vector == 1 && frame->rip == guest_resume)
		frame->rflags |= 0x10000UL;
	frame->rip = guest_resume;
	frame->rflags &= ~0x100UL;
	guest_resume = 0;
}

static void guest_return(void)
{
	GUEST_DONE();
}

static void copy_segments(const struct vm *vm)
{
	const Elf64_Phdr *header = (void *)getauxval(AT_PHDR);
	unsigned long nr = getauxval(AT_PHNUM);

	for (; nr--; header++) {
		if (header->p_type != PT_LOAD)
			continue;
		require(header->p_vaddr + header->p_memsz <= GUEST_MEMORY,
			"the program does not fit into guest memory");
		memcpy(vm->memory + header->p_vaddr, (void *)header->p_vaddr,
		       header->p_memsz);
	}
}

/* Maps the first 4 GiB to themselves by 2 MiB pages. */
static void build_page_tables(const struct vm *vm)
{
	u64 *pml4 = (void *)(vm->memory + GUEST_PML4);
	u64 *pdpt = pml4 + 512, *pd = pdpt + 512;
	const u64 flags = PTE_PRESENT | PTE_WRITE;

	pml4[0] = (GUEST_PML4 + PAGE_4K) | flags;
	for (int i = 0; i < 4; i++)
		pdpt[i] = (GUEST_PML4 + (2 + i) * PAGE_4K) | flags;
	for (u64 i = 0; i < 4 * 512; i++)
		pd[i] = (i * PAGE_2M) | flags | PTE_LARGE;
}

static void build_gdt(const struct vm *vm)
{
	u64 *gdt = (void *)(vm->memory + GUEST_GDT);

	gdt[GUEST_CS / 8] = 0x00af9b000000ffffULL;
	gdt[GUEST_DS / 8] = 0x00cf93000000ffffULL;
	gdt[GUEST_TR / 8] = 0x00008b0000000067ULL | GUEST_TSS << 16;
	gdt[GUEST_TR / 8 + 1] = 0;
	gdt[GUEST_CS32 / 8] = 0x00cf9b000000ffffULL;
}

/* Exceptions take the first interrupt stack, away from the red zone. */
static void build_idt(const struct vm *vm)
{
	struct gate *idt = (void *)(vm->memory + GUEST_IDT);

	for (int i = 0; i < GUEST_EXCEPTIONS; i++) {
		u64 stub = (uintptr_t)guest_stubs + i * GUEST_STUB_SIZE;

		idt[i] = (struct gate) {
			.offset_low = stub,
			.selector = GUEST_CS,
			.ist = 1,
			.type = 0x8e,
			.offset_middle = stub >> 16,
			.offset_high = stub >> 32,
		};
	}
}

void load_program(const struct vm *vm)
{
	copy_segments(vm);
	build_page_tables(vm);
	build_gdt(vm);
	build_idt(vm);
}

/* On a large page of its own, which nothing else is on. */
#define HIDDEN_IDT	(6 * MIB)
#define PRESENT		BIT(0)

static u64 *entry_of_hidden_idt(const struct vm *vm)
{
	return (u64 *)(vm->memory + GUEST_PML4 + 2 * PAGE_4K) + HIDDEN_IDT / PAGE_2M;
}

void hide_idt(const struct vm *vm)
{
	struct minivmx_sregs sregs = get_sregs(&vm->vcpu);

	memcpy(vm->memory + HIDDEN_IDT, vm->memory + GUEST_IDT, PAGE_4K);
	*entry_of_hidden_idt(vm) &= ~PRESENT;
	sregs.idtr.base = HIDDEN_IDT;
	set_sregs(&vm->vcpu, &sregs);
}

void show_idt(const struct vm *vm)
{
	struct minivmx_sregs sregs = get_sregs(&vm->vcpu);

	*entry_of_hidden_idt(vm) |= PRESENT;
	/* The tables have changed. */
	set_sregs(&vm->vcpu, &sregs);
}

static void set_data_segments(struct minivmx_sregs *sregs,
			      struct minivmx_segment segment)
{
	sregs->ds = segment;
	sregs->es = segment;
	sregs->ss = segment;
	sregs->fs = segment;
	sregs->gs = segment;
}

static void set_long_mode(struct minivmx_sregs *sregs, u64 tss)
{
	sregs->cs = (struct minivmx_segment) {
		.limit = ~0U, .selector = GUEST_CS, .access_rights = AR_CODE64,
	};
	set_data_segments(sregs, (struct minivmx_segment) {
		.limit = ~0U, .selector = GUEST_DS, .access_rights = AR_DATA,
	});
	sregs->tr = (struct minivmx_segment) {
		.base = tss, .limit = 0x67, .selector = GUEST_TR,
		.access_rights = AR_TSS_BUSY,
	};
	sregs->ldtr = (struct minivmx_segment) { .access_rights = AR_UNUSABLE };
	sregs->gdtr = (struct minivmx_table) { .base = GUEST_GDT, .limit = 0x2f };
	sregs->idtr = (struct minivmx_table) { .base = GUEST_IDT, .limit = 0xfff };
	sregs->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
	sregs->cr3 = GUEST_PML4;
	sregs->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
	sregs->efer = EFER_LME | EFER_LMA | EFER_NXE;
}

/* What was there before is another guest. */
static struct minivmx_sregs sregs_of_another_guest(const struct vcpu *vcpu)
{
	struct minivmx_sregs sregs = get_sregs(vcpu);

	sregs.interruptibility = 0;
	sregs.cr8 = 0;
	sregs.pending_debug = 0;
	sregs.activity = 0;
	sregs.flags = 0;
	return sregs;
}

void start_long_mode(const struct vm *vm, const struct vcpu *vcpu, u32 id,
		     void (*code)(void))
{
	u64 tss = GUEST_TSS + id * GUEST_TSS_STRIDE;
	u64 fault_stack = GUEST_FAULT_STACK + id * GUEST_STACK_STRIDE;
	u64 stack = GUEST_STACK + id * GUEST_STACK_STRIDE - 8;
	u64 return_address = (uintptr_t)guest_return;
	struct minivmx_sregs sregs = sregs_of_another_guest(vcpu);

	/* IST1 is at offset 36 (SDM Vol. 3A, "Task Management in 64-bit Mode"). */
	memcpy(vm->memory + tss + 36, &fault_stack, sizeof(fault_stack));
	memcpy(vm->memory + stack, &return_address, sizeof(return_address));
	set_long_mode(&sregs, tss);
	set_sregs(vcpu, &sregs);
	/*
	 * With interrupts on, though none are injected: after an entry with
	 * IF = 0, Bochs 3.0 holds back the host's interrupts until the guest
	 * executes CLI, STI or POPF, whatever the pin-based controls say.
	 */
	vcpu->run->regs = (struct minivmx_regs) {
		.rip = (uintptr_t)code, .rsp = stack, .rflags = 0x202,
	};
}

void start_guest(const struct vm *vm, void (*code)(void))
{
	load_program(vm);
	start_long_mode(vm, &vm->vcpu, 0, code);
}

static void start_blob(const struct vm *vm, const struct vcpu *vcpu,
		       const char *code, const char *end)
{
	memcpy(vm->memory + GUEST_BLOB_BASE, code, end - code);
	vcpu->run->regs = (struct minivmx_regs) {
		.rip = GUEST_BLOB_BASE, .rsp = GUEST_BLOB_STACK, .rflags = 2,
	};
}

void start_real_mode(const struct vm *vm, const struct vcpu *vcpu,
		     const char *code, const char *end)
{
	struct minivmx_sregs sregs = sregs_of_another_guest(vcpu);

	sregs.cs = (struct minivmx_segment) {
		.limit = 0xffff, .access_rights = AR_CODE16,
	};
	set_data_segments(&sregs, (struct minivmx_segment) {
		.limit = 0xffff, .access_rights = AR_DATA16,
	});
	sregs.idtr = (struct minivmx_table) { .limit = 0x3ff };
	set_sregs(vcpu, &sregs);
	start_blob(vm, vcpu, code, end);
}

void start_protected_mode(const struct vm *vm, const struct vcpu *vcpu,
			  const char *code, const char *end)
{
	struct minivmx_sregs sregs = sregs_of_another_guest(vcpu);

	build_gdt(vm);
	sregs.cs = (struct minivmx_segment) {
		.limit = ~0U, .selector = GUEST_CS32,
		.access_rights = AR_CODE32,
	};
	set_data_segments(&sregs, (struct minivmx_segment) {
		.limit = ~0U, .selector = GUEST_DS, .access_rights = AR_DATA,
	});
	sregs.gdtr = (struct minivmx_table) { .base = GUEST_GDT, .limit = 0x2f };
	sregs.cr0 = CR0_PE | CR0_ET | CR0_NE;
	set_sregs(vcpu, &sregs);
	start_blob(vm, vcpu, code, end);
}

enum ucall get_ucall(const struct vcpu *vcpu)
{
	const struct minivmx_run *run = vcpu->run;

	if (run->reason != EXIT_IO || run->io.port != UCALL_PORT ||
	    run->io.width != 4 || run->io.flags)
		return UCALL_NONE;
	return run->io.data;
}

const char *describe_ucall(const struct vcpu *vcpu)
{
	static char text[256];
	const struct minivmx_regs *regs = &vcpu->run->regs;

	switch (get_ucall(vcpu)) {
	case UCALL_SYNC:
		snprintf(text, sizeof(text), "GUEST_SYNC(%#llx)", regs->rdi);
		break;
	case UCALL_DONE:
		snprintf(text, sizeof(text), "GUEST_DONE()");
		break;
	case UCALL_ASSERT:
		snprintf(text, sizeof(text), "in the guest, line %llu: %s is false",
			 regs->rsi, (char *)(uintptr_t)regs->rdi);
		break;
	case UCALL_FAULT:
		snprintf(text, sizeof(text),
			 "in the guest, exception %llu, error %#llx, rip %#llx",
			 regs->rdi >> 32, regs->rdi & ~0U, regs->rsi);
		break;
	default:
		return NULL;
	}
	return text;
}

void require_ucall(const char *file, int line, const struct vcpu *vcpu,
		   enum ucall kind, u64 value)
{
	int error = run_error(vcpu);

	if (error)
		fail_test(file, line, "MINIVMX_RUN: %s", strerrorname_np(error));
	if (get_ucall(vcpu) != kind)
		fail_test(file, line, "expected %s, got %s",
			  kind == UCALL_SYNC ? "GUEST_SYNC" : "GUEST_DONE",
			  describe_exit(vcpu));
	if (kind == UCALL_SYNC && vcpu->run->regs.rdi != value)
		fail_test(file, line, "expected GUEST_SYNC(%#llx), got %s", value,
			  describe_exit(vcpu));
}
