#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make demo`: makes what is missing, boots the lab machine and shows lab/demo there.
# Runs inside the base.

. "$(dirname "$0")/common.sh"

"$LAB/image.sh" demo
SHOW=1 exec "$LAB/boot.sh" demo demo JOB=demo KVM="${KVM:-own}"
