#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make linux`: boots the lab machine, and in it Linux as the guest of minivmx and of KVM,
# once for each mode, or each that MMU names, and shows what that cost. Runs inside the base.

. "$(dirname "$0")/common.sh"

"$LAB/image.sh"
SHOW=1 LIMIT=${LIMIT:-300} exec "$LAB/boot.sh" linux lab JOB=linux KVM="${KVM:-own}" \
	${MMU:+MMU="$MMU"}
