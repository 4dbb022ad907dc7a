/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guests for the tests.
 *
 * A 64-bit guest is a C function of the test itself: the program is linked at
 * a fixed address, and guest memory holds a copy of it at that same address
 * under identity page tables. So guest code may use functions, strings and
 * variables of the program as usual; its writes go to the guest's copy, which
 * the host reads with guest_copy().
 *
 * Real-mode and 32-bit guests are pieces of assembly made by GUEST_BLOB().
 */
#ifndef MINIVMX_GUEST_H
#define MINIVMX_GUEST_H

#include "minivmx_util.h"

/*
 * Layout of guest memory. Per-vCPU parts are @id times the stride further.
 */
#define GUEST_BLOB_BASE		0x1000UL	/* real-mode and 32-bit code */
#define GUEST_BLOB_STACK	0x7000UL	/* its initial stack pointer */
#define GUEST_GDT		0x8000UL
#define GUEST_TSS		0x8100UL
#define GUEST_TSS_STRIDE	0x80UL
#define GUEST_IDT		0x9000UL
#define GUEST_PML4		0x10000UL	/* PML4, PDPT, 4 page directories */
#define GUEST_STACK		0x40000UL
#define GUEST_FAULT_STACK	0x48000UL
#define GUEST_STACK_STRIDE	0x10000UL

#define GUEST_CS		0x08
#define GUEST_DS		0x10
#define GUEST_TR		0x18
#define GUEST_CS32		0x28

/* What the guest tells the host by OUT to UCALL_PORT: EAX, then RDI and RSI. */
#define UCALL_PORT		0xf0

enum ucall {
	UCALL_NONE,		/* the exit is something else */
	UCALL_SYNC,		/* RDI: a number to compare with */
	UCALL_ASSERT,		/* RDI: the condition in words, RSI: line */
	UCALL_DONE,
	/* An exception outside GUEST_TRY: RDI: vector and error code, RSI: RIP */
	UCALL_FAULT,
};

static inline void guest_ucall(enum ucall kind, u64 a, u64 b)
{
	asm volatile("outl %%eax, %[port]"
		     : : "a"(kind), "D"(a), "S"(b), [port] "i"(UCALL_PORT)
		     : "memory");
}

#define GUEST_SYNC(value)	guest_ucall(UCALL_SYNC, (u64)(value), 0)
#define GUEST_DONE()		guest_ucall(UCALL_DONE, 0, 0)
#define GUEST_ASSERT(condition)						\
	do {								\
		if (!(condition))					\
			guest_ucall(UCALL_ASSERT, (uintptr_t)#condition,	\
				    __LINE__);				\
	} while (0)

/* guest_entry.S: an entry for each exception vector, GUEST_STUB_SIZE apart. */
#define GUEST_STUB_SIZE		16
#define GUEST_EXCEPTIONS	32
extern const char guest_stubs[];
struct exception_frame;
void guest_exception(struct exception_frame *frame);

/* The exception that the guest had last. */
struct guest_fault {
	u64 vector;
	u64 error;
	u64 rip;
	u64 rflags;
	u64 rsp;
	u64 cr2;
	u64 resume;		/* where GUEST_TRY let the guest go on */
	u64 count;		/* exceptions so far */
};

extern volatile struct guest_fault guest_fault;
extern volatile u64 guest_resume;

#define NO_FAULT		0x100

/* Registers before and after a GUEST_TRY. */
struct gprs {
	u64 a, b, c, d, si, di;
};

/*
 * Executes @instruction with the registers of @r; evaluates to the vector of
 * the exception that it raised, or NO_FAULT.
 */
#define GUEST_TRY(instruction, r) ({					\
	struct gprs *_r = (r);						\
									\
	guest_fault.vector = NO_FAULT;					\
	asm volatile("leaq 771f(%%rip), %%r10\n\t"			\
		     "movq %%r10, %[resume]\n\t"			\
		     instruction "\n"					\
		     "771:\n\t"						\
		     : "+a"(_r->a), "+b"(_r->b), "+c"(_r->c),		\
		       "+d"(_r->d), "+S"(_r->si), "+D"(_r->di),		\
		       [resume] "=m"(guest_resume)			\
		     : : "r8", "r9", "r10", "r11", "memory", "cc");	\
	guest_resume = 0;						\
	guest_fault.vector;						\
})

/*
 * Defines the bytes name[] to name_end[]: @code, assembled for @bits, to run
 * at GUEST_BLOB_BASE.
 */
#define GUEST_BLOB(name, bits, code)					\
	extern const char name[], name##_end[];				\
	asm(".pushsection .rodata.blob, \"a\", @progbits\n"		\
	    ".code" #bits "\n"						\
	    ".globl " #name ", " #name "_end\n"				\
	    #name ":\n"							\
	    code "\n"							\
	    #name "_end:\n"						\
	    ".code64\n"							\
	    ".popsection\n")

/* Copies @program into guest memory with page tables, GDT, IDT: once per VM. */
void load_program(const struct vm *vm);
/* Makes @vcpu start the C function @code in 64-bit mode. */
void start_long_mode(const struct vm *vm, const struct vcpu *vcpu, u32 id,
		     void (*code)(void));
/* Both of the above for the VM's first vCPU. */
void start_guest(const struct vm *vm, void (*code)(void));

/*
 * Moves the IDT to a page that the guest's tables do not map, so that each delivery
 * faults; and maps it.
 */
void hide_idt(const struct vm *vm);
void show_idt(const struct vm *vm);

/* Makes @vcpu start a GUEST_BLOB in real mode, or in 32-bit mode unpaged. */
void start_real_mode(const struct vm *vm, const struct vcpu *vcpu,
		     const char *code, const char *end);
void start_protected_mode(const struct vm *vm, const struct vcpu *vcpu,
			  const char *code, const char *end);
#define start_real(vm, blob)						\
	start_real_mode(vm, &(vm)->vcpu, blob, blob##_end)
#define start_protected(vm, blob)					\
	start_protected_mode(vm, &(vm)->vcpu, blob, blob##_end)

/* The guest's copy of a variable of the program. */
#define guest_copy(vm, variable)					\
	((__typeof__(variable) *)((vm)->memory + (uintptr_t)&(variable)))

enum ucall get_ucall(const struct vcpu *vcpu);
const char *describe_ucall(const struct vcpu *vcpu);

/* MINIVMX_RUN that must end in the guest's GUEST_SYNC(@value), GUEST_DONE(). */
#define run_to_sync(vcpu, value)					\
	require_ucall(__FILE__, __LINE__, vcpu, UCALL_SYNC, value)
#define run_to_done(vcpu)						\
	require_ucall(__FILE__, __LINE__, vcpu, UCALL_DONE, 0)
void require_ucall(const char *file, int line, const struct vcpu *vcpu,
		   enum ucall kind, u64 value);

#endif /* MINIVMX_GUEST_H */
