#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make profile`: runs lab/bench in an emulator that counts what the host executes, shows
# that for each row of the benchmark, and leaves it in build/profile.json, and in
# build/profile-functions.txt by function. Runs inside the base.

. "$(dirname "$0")/common.sh"

boot=$BUILD/boot/profile

BOCHS=$("$LAB/emulator.sh" counting)
"$LAB/image.sh"
export BOCHS MINIVMX_PROFILE=$BUILD/boot/profile.windows
ENGINE=bochs CPUS=1 LIMIT=600 "$LAB/boot.sh" profile lab JOB=profile KVM=borrow
part profile json "$boot/json"
part profile symbols "$boot/symbols"
python3 "$LAB/profile/report.py" "$boot/json" "$MINIVMX_PROFILE" "$boot/symbols" \
	"$BUILD/profile.json" "$BUILD/profile-functions.txt"
echo
echo "By function: build/profile-functions.txt; as JSON: build/profile.json."
