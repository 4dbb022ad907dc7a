/* SPDX-License-Identifier: GPL-2.0 */
/* Guests for what ends a MINIVMX_RUN without their doing: signals, kicks, deadlines. */
#ifndef MINIVMX_INTERRUPTED_H
#define MINIVMX_INTERRUPTED_H

#include "minivmx_harness.h"
#include "window.h"

#define PROCESSOR_CONTROLS	0x4002
#define NMI_WINDOW_EXITING	BIT(22)
#define MONITOR_TRAP_FLAG	BIT(27)

static volatile u64 turns;
static u64 input;

static inline void guest_spins(void)
{
	for (;;)
		turns++;
}

/*
 * The guest's own interrupt flag is no matter of the host's. Bochs (3.0) looks at what is to
 * interrupt such a guest at CLI, and not at a VM entry.
 */
static inline void guest_spins_without_interrupts(void)
{
	for (;;) {
		asm volatile("cli");
		turns++;
	}
}

static inline void guest_counts(void)
{
	for (u64 i = 0; ; i++)
		GUEST_SYNC(i);
}

static inline void guest_reads_a_port(void)
{
	asm volatile("inl $0x23, %%eax" : "=a"(input));
}

/* Each of these writes is single-stepped by the policies that protect tables. */
static inline void guest_writes_tables(void)
{
	open_window();
	for (u64 i = 0; ; i++) {
		map_page(0, i % 2 ? &page_b : &page_a);
		read_at(WINDOW_PAGE(0));
	}
}

/* Of the driver's step the program sees nothing. */
static inline void expect_no_step(struct __test_metadata *_metadata,
				  const struct vcpu *vcpu)
{
	EXPECT_EQ(0, vmread(vcpu, PROCESSOR_CONTROLS) &
		     (NMI_WINDOW_EXITING | MONITOR_TRAP_FLAG));
	EXPECT_EQ(0, get_sregs(vcpu).interruptibility);
}

#endif
