#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make soak`: a thread raises a million interrupts, or INTERRUPTS, and the guest of kick_test
# counts them; then runs lab/soak in one boot of a machine with two CPUs beside KVM, for as long
# as ROUNDS guests of each take. Runs inside the base.

. "$(dirname "$0")/common.sh"

T=kick_test INTERRUPTS=${INTERRUPTS:-1000000} KVM=own MMU='' ROUNDS='' LIMIT=300 "$LAB/check.sh"
rounds=${ROUNDS:-50}
CPUS=${CPUS:-2} SHOW=1 LIMIT=${LIMIT:-$((rounds * 60))} "$LAB/boot.sh" soak lab JOB=soak KVM=borrow \
	ROUNDS="$rounds" ${MMU:+MMU="$MMU"}
