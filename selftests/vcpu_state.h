/* SPDX-License-Identifier: GPL-2.0 */
/* All that a vCPU is, by the calls that show it (uapi/minivmx.h, "The state of a vCPU"). */
#ifndef MINIVMX_VCPU_STATE_H
#define MINIVMX_VCPU_STATE_H

#include "minivmx_util.h"

/* What the driver keeps, but for the bases of FS and GS, which are elsewhere, too. */
static const u32 kept_msrs[] = {
	0x10, 0x174, 0x175, 0x176, 0x1a0, 0x1d9, 0x277, 0xc0000080, 0xc0000081,
	0xc0000082, 0xc0000083, 0xc0000084, 0xc0000102,
};

struct vcpu_state {
	struct minivmx_sregs sregs;
	struct minivmx_regs regs;
	struct minivmx_event event;
	struct minivmx_msr msrs[ARRAY_SIZE(kept_msrs)];
	u32 nr_msrs;
	struct minivmx_fpu fpu;
};

static inline struct minivmx_fpu get_fpu(const struct vcpu *vcpu)
{
	struct minivmx_fpu fpu = { .size = sizeof(fpu) };

	test_cmd(vcpu->fd, MINIVMX_GET_FPU, &fpu);
	return fpu;
}

/* Is it the driver's? IA32_PAT is with most CPUs and MMUs only. */
static inline bool read_or_write_msr(const struct vcpu *vcpu, unsigned long call,
				     struct minivmx_msr *msr)
{
	int error = call_error(vcpu->fd, call,
			       ARG(msrs, .count = 1, .entries = (uintptr_t)msr));

	require(!error || (error == ENOENT && msr->index == 0x277),
		"MSR %#x: %s", msr->index, strerrorname_np(error));
	return !error;
}

static inline void get_state(const struct vcpu *vcpu, struct vcpu_state *state)
{
	*state = (struct vcpu_state) {
		.sregs = get_sregs(vcpu),
		.regs = vcpu->run->regs,
		.event = vcpu->run->event,
		.fpu = get_fpu(vcpu),
	};
	for (size_t i = 0; i < ARRAY_SIZE(kept_msrs); i++) {
		struct minivmx_msr *msr = &state->msrs[state->nr_msrs];

		msr->index = kept_msrs[i];
		state->nr_msrs += read_or_write_msr(vcpu, MINIVMX_GET_MSRS, msr);
	}
}

static inline void set_state(const struct vcpu *vcpu, struct vcpu_state *state)
{
	set_sregs(vcpu, &state->sregs);
	vcpu->run->regs = state->regs;
	vcpu->run->event = state->event;
	for (u32 i = 0; i < state->nr_msrs; i++)
		read_or_write_msr(vcpu, MINIVMX_SET_MSRS, &state->msrs[i]);
	test_cmd(vcpu->fd, MINIVMX_SET_FPU, &state->fpu);
}

/* Ends the exit that waits, since that is not a part of the state. */
static inline void end_exit(const struct vcpu *vcpu)
{
	int error;

	vcpu->run->immediate_exit = 1;
	error = run_error(vcpu);
	require(error == EINTR, "MINIVMX_RUN: %s", strerrorname_np(error));
	vcpu->run->immediate_exit = 0;
}

#endif /* MINIVMX_VCPU_STATE_H */
