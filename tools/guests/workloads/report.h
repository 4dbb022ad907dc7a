/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a workload tells the tool: a structure that the tool names the place of,
 * and a port that says when to look at it.
 */
#ifndef _GUESTS_REPORT_H
#define _GUESTS_REPORT_H

#include "../guest.h"

/*
 * All is of the measured part only. entries to faults say what the workload did, or
 * would have done without hypercalls: they are the same on every machine.
 */
struct report {
	u64 checksum;		/* over everything that was read */
	u64 ticks;		/* of the time-stamp counter */
	u64 entries;		/* page-table entries written */
	u64 base_loads;		/* CR3 loaded, to switch or to flush all */
	u64 page_flushes;	/* translations of one page flushed */
	volatile u64 faults;	/* page faults handled; changes at any access */
	u64 hypercalls;		/* VMCALLs for those above */
	u64 failure;		/* address of a sentence, if something went wrong */
};

extern struct report *report;

/* The measured part lies between the two. */
void report_begin(void);
void report_end(u64 checksum);

/* Gives up. */
void __attribute__((noreturn)) fail(const char *sentence);

/* Takes a value into a checksum: the order matters. */
static inline u64 mix(u64 checksum, u64 value)
{
	return (checksum ^ value) * 0x9e3779b97f4a7c15ull + 1;
}

#endif /* _GUESTS_REPORT_H */
