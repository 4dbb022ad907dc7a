/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Page-table updates by hypercall: VMCALL with the number in RAX, arguments in
 * RBX and RCX, and 0 or more, or a negative errno, back in RAX.
 */
#ifndef _GUESTS_HYPERCALL_H
#define _GUESTS_HYPERCALL_H

#include "../guest.h"

#define MINIVMX_PV_QUERY	0x6d760000	/* which calls there are, as bits */
#define MINIVMX_PV_UPDATE	0x6d760001	/* gpa of updates, count */
#define MINIVMX_PV_SET_BASE	0x6d760002	/* new CR3 */
#define MINIVMX_PV_FLUSH_ONE	0x6d760003	/* linear address */
#define MINIVMX_PV_FLUSH_ALL	0x6d760004

#define MINIVMX_PV_MAX_UPDATES	512

struct minivmx_pv_update {
	u64 gpa;
	u64 value;
};

static inline long long hypercall(u64 number, u64 rbx, u64 rcx)
{
	long long result;

	asm volatile("vmcall"
		     : "=a"(result)
		     : "a"(number), "b"(rbx), "c"(rcx), "d"(0ull)
		     : "memory");
	return result;
}

#endif /* _GUESTS_HYPERCALL_H */
