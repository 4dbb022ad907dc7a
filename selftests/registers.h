/* SPDX-License-Identifier: GPL-2.0 */
/* Control registers and MSRs of guests, in 64-bit mode at CPL 0. */
#ifndef MINIVMX_REGISTERS_H
#define MINIVMX_REGISTERS_H

#include "guest.h"

static inline u64 read_cr0(void)
{
	u64 value;

	asm volatile("movq %%cr0, %0" : "=r"(value));
	return value;
}

static inline u64 read_cr4(void)
{
	u64 value;

	asm volatile("movq %%cr4, %0" : "=r"(value));
	return value;
}

static inline u64 try_cr0(u64 value)
{
	struct gprs gprs = { .a = value };

	return GUEST_TRY("movq %%rax, %%cr0", &gprs);
}

static inline u64 try_cr4(u64 value)
{
	struct gprs gprs = { .a = value };

	return GUEST_TRY("movq %%rax, %%cr4", &gprs);
}

static inline u64 try_rdmsr(u32 index, u64 *value)
{
	struct gprs gprs = { .c = index };
	u64 vector = GUEST_TRY("rdmsr", &gprs);

	*value = gprs.d << 32 | (u32)gprs.a;
	return vector;
}

static inline u64 try_wrmsr(u32 index, u64 value)
{
	struct gprs gprs = { .c = index, .a = (u32)value, .d = value >> 32 };

	return GUEST_TRY("wrmsr", &gprs);
}

#endif /* MINIVMX_REGISTERS_H */
