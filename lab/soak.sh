#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make soak`: runs lab/soak in one boot of a machine with two CPUs beside KVM, for as long as
# ROUNDS guests of each take. Runs inside the base.

. "$(dirname "$0")/common.sh"

"$LAB/image.sh"
rounds=${ROUNDS:-50}
CPUS=${CPUS:-2} SHOW=1 LIMIT=${LIMIT:-$((rounds * 60))} "$LAB/boot.sh" soak lab JOB=soak KVM=borrow \
	ROUNDS="$rounds" ${MMU:+MMU="$MMU"}
