#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make linux`: boots the lab machine, and in it Linux as the guest of minivmx and of KVM,
# once for each mode, or each that MMU names, shows what that cost, and leaves its figures
# in build/linux-boot.json and a page with charts in build/linux-boot.html. Runs inside the
# base.

. "$(dirname "$0")/common.sh"

"$LAB/image.sh"
status=0
SHOW=1 LIMIT=${LIMIT:-300} "$LAB/boot.sh" linux lab JOB=linux KVM="${KVM:-own}" \
	${MMU:+MMU="$MMU"} || status=$?
figures linux linux-boot
exit "$status"
