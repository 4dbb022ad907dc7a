/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * minivmx: hypercalls for guests that change their page tables through the
 * hypervisor, with MINIVMX_MMU_PV.
 */
#ifndef _UAPI_MINIVMX_PV_H
#define _UAPI_MINIVMX_PV_H

#include <linux/types.h>

/**
 * DOC: Form of the hypercalls
 *
 * A hypercall is the instruction VMCALL with a number of &enum minivmx_pv_call in
 * RAX and arguments in RBX and RCX. RAX has the result: 0 or a positive number, or
 * the negative of an errno value. Other registers keep their values. A guest
 * outside 64-bit mode uses the low halves.
 *
 * Errors are errno values that say the same to every call:
 *
 *  - ENOSYS: there is no such call, or the VM has another mmu
 *  - EPERM: the caller is not at CPL 0
 *  - E2BIG: more entries than MINIVMX_PV_MAX_UPDATES
 *  - EINVAL: an argument that no guest-physical or linear address can be, a
 *    value that CR3 cannot have, or an address that is not a multiple of 8
 *
 * A guest may use its tables as without hypercalls, too: a write to a page table,
 * MOV to CR3 and INVLPG mean what they always mean, and only take longer.
 */

/**
 * struct minivmx_pv_update - an entry of a page table to be written
 * @gpa: guest-physical address of the entry, a multiple of 8
 * @value: what is written there, 8 bytes at once
 */
struct minivmx_pv_update {
	__aligned_u64 gpa;
	__aligned_u64 value;
};

/** define MINIVMX_PV_MAX_UPDATES - most entries in one MINIVMX_PV_UPDATE. */
#define MINIVMX_PV_MAX_UPDATES	64

/**
 * enum minivmx_pv_call - the hypercalls
 * @MINIVMX_PV_QUERY: which of these calls there are. Result: bit n stands for
 *	the call MINIVMX_PV_QUERY + n.
 * @MINIVMX_PV_UPDATE: write entries of page tables, in order. RBX is the
 *	guest-physical address of an array of struct minivmx_pv_update, RCX the
 *	number of elements. Translations that go by the old entries are dropped:
 *	no INVLPG is needed. Result: the number of entries that were written; it
 *	is less than RCX if an element names a @gpa that is no multiple of 8, or
 *	memory that the guest cannot write. Pages that are not allocated yet are,
 *	before anything is written; a list that comes to name one more by what it
 *	writes to itself ends there, as if the guest could not write it.
 * @MINIVMX_PV_SET_BASE: as MOV to CR3; RBX is the value
 * @MINIVMX_PV_FLUSH_ONE: as INVLPG; RBX is the linear address
 * @MINIVMX_PV_FLUSH_ALL: drop all translations, global ones, too
 */
enum minivmx_pv_call {
	MINIVMX_PV_QUERY	= 0x6d760000,
	MINIVMX_PV_UPDATE	= 0x6d760001,
	MINIVMX_PV_SET_BASE	= 0x6d760002,
	MINIVMX_PV_FLUSH_ONE	= 0x6d760003,
	MINIVMX_PV_FLUSH_ALL	= 0x6d760004,
};

#endif /* _UAPI_MINIVMX_PV_H */
