/* SPDX-License-Identifier: GPL-2.0 */
/* Every call that takes a structure, with an argument that it accepts. */
#ifndef CALLS_H
#define CALLS_H

#include "minivmx_util.h"

#define GUEST_SYSENTER_EIP	0x6826
#define IA32_SYSENTER_CS	0x174
#define SPARE			(64 * MIB)	/* nothing is mapped here */

enum kind { DEVICE, VM, VCPU, KINDS };

struct call {
	const char *name;
	enum kind kind;
	unsigned long number;
	size_t size;
	const void *valid;
};

#define CALL(kind, call, type, ...)					\
	{ #call, kind, MINIVMX_##call, sizeof(struct minivmx_##type),	\
	  &(const struct minivmx_##type){				\
		.size = sizeof(struct minivmx_##type), ##__VA_ARGS__ } }

static struct minivmx_msr one_msr = { .index = IA32_SYSENTER_CS };

static struct minivmx_pte ptes[MINIVMX_MAX_PTES];

static const struct call calls[] = {
	CALL(DEVICE, GET_INFO, info),
	CALL(DEVICE, CREATE_VM, create_vm),
	CALL(VM, MAP_MEMORY, map_memory, .gpa = SPARE, .length = PAGE_4K),
	CALL(VM, UNMAP_MEMORY, unmap_memory, .gpa = SPARE, .length = PAGE_4K),
	CALL(VM, CREATE_VCPU, create_vcpu, .id = 1),
	CALL(VM, READ_TABLE, read_table, .entries = (uintptr_t)ptes),
	CALL(VM, GET_STATS, stats),
	CALL(VCPU, GET_REGS, regs_arg),
	CALL(VCPU, SET_REGS, regs_arg, .regs.rflags = 2),
	CALL(VCPU, GET_SREGS, sregs),
	CALL(VCPU, SET_SREGS, sregs),
	CALL(VCPU, GET_FPU, fpu),
	/* XSTATE_BV: x87 and SSE, which CPUs without XSAVE always load. */
	CALL(VCPU, SET_FPU, fpu, .area[64] = 3),
	CALL(VCPU, GET_MSRS, msrs, .count = 1, .entries = (uintptr_t)&one_msr),
	CALL(VCPU, SET_MSRS, msrs, .count = 1, .entries = (uintptr_t)&one_msr),
	CALL(VCPU, SET_CPUID, cpuid),
	CALL(VCPU, SET_TRAPS, traps),
	CALL(VCPU, TRANSLATE, translate, .access = MINIVMX_ACCESS_READ,
	     .count = MINIVMX_MAX_REFERENCES, .references = (uintptr_t)ptes),
	CALL(VCPU, VMREAD, vmcs_field, .encoding = GUEST_SYSENTER_EIP),
	CALL(VCPU, VMWRITE, vmcs_field, .encoding = GUEST_SYSENTER_EIP),
	CALL(VCPU, CHECK, check),
};

#define for_each_call(call)						\
	for ((call) = calls; (call) < calls + ARRAY_SIZE(calls); (call)++)

static inline int file_of(const struct vm *vm, enum kind kind)
{
	const int files[KINDS] = { vm->device, vm->fd, vm->vcpu.fd };

	return files[kind];
}

#endif /* CALLS_H */
