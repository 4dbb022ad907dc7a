/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The few words of the kernel's C that a guest uses.
 */
#ifndef _GUESTS_GUEST_H
#define _GUESTS_GUEST_H

#include <stdbool.h>

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define BIT_ULL(n)	(1ull << (n))

/* The compiler must not keep memory in registers over this. */
static inline void barrier(void)
{
	asm volatile("" : : : "memory");
}

#endif /* _GUESTS_GUEST_H */
