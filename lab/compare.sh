#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make compare`: runs lab/compare in one boot, shows its tables and leaves its figures
# in build/ept-vs-shadow.json and a page with charts in build/ept-vs-shadow.html. Runs
# inside the base.

. "$(dirname "$0")/common.sh"

"$LAB/image.sh"
status=0
SHOW=1 "$LAB/boot.sh" compare lab JOB=compare KVM="${KVM:-own}" || status=$?
figures compare ept-vs-shadow
exit "$status"
