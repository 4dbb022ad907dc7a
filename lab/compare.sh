#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make compare`: runs lab/compare in one boot, shows its tables and leaves its figures
# in build/ept-vs-shadow.json and a page with charts in build/ept-vs-shadow.html. Runs
# inside the base.

. "$(dirname "$0")/common.sh"

# part FORM: what came out of the machine after the line "#@ FORM".
part() {
	sed "1,/^#@ $1\$/d" "$BUILD/boot/compare/output.log" | sed '/^#@ /,$d' \
		>"$BUILD/ept-vs-shadow.$1"
	[ -s "$BUILD/ept-vs-shadow.$1" ] || die "no $1 came out of the machine"
}

"$LAB/image.sh"
status=0
SHOW=1 "$LAB/boot.sh" compare lab JOB=compare KVM="${KVM:-own}" || status=$?
part json
part html
python3 -m json.tool "$BUILD/ept-vs-shadow.json" /dev/null
echo "The figures are in build/ept-vs-shadow.json, the charts in build/ept-vs-shadow.html."
exit "$status"
