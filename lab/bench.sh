#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make bench`: runs lab/bench in one boot beside KVM, shows its table and leaves its
# figures in build/bench.json. Runs inside the base.

. "$(dirname "$0")/common.sh"

[ "$("$LAB/engine.sh")" != nested ] || die "there an exit costs what KVM makes of it"

"$LAB/image.sh"
SHOW=1 LIMIT=600 "$LAB/boot.sh" bench lab JOB=bench KVM=borrow
sed '1,/^#@ json$/d; /^#@ exit/,$d' "$BUILD/boot/bench/output.log" >"$BUILD/bench.json"
python3 -m json.tool "$BUILD/bench.json" /dev/null
echo "The figures are in build/bench.json."
