/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls of the hypervisor; minivmx_pv.h has their numbers and meanings.
 */
#ifndef _GUESTS_HYPERCALL_H
#define _GUESTS_HYPERCALL_H

#include <minivmx_pv.h>

#include "../guest.h"

/* Returns 0 or more, or a negative errno. */
static inline long long hypercall(u64 number, u64 rbx, u64 rcx)
{
	long long result;

	asm volatile("vmcall"
		     : "=a"(result)
		     : "a"(number), "b"(rbx), "c"(rcx)
		     : "memory");
	return result;
}

#endif /* _GUESTS_HYPERCALL_H */
