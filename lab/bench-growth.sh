#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make bench-growth`: runs lab/growth in one boot of a machine with more memory, shows
# its table and leaves its figures in build/growth.json and a page with charts in
# build/growth.html. Runs inside the base.

. "$(dirname "$0")/common.sh"

[ "$("$LAB/engine.sh")" != nested ] || die "there an exit costs what KVM makes of it"

"$LAB/image.sh"
status=0
SHOW=1 LIMIT=900 MEGS=2048 "$LAB/boot.sh" growth lab JOB=growth || status=$?
figures growth growth
exit "$status"
