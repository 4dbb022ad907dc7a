#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# progress.sh RUNGS: shows which rungs of `make check`, of so many, run at present, for how
# long, and which test each is at: in a line that changes, or where there is no terminal in
# one a minute. Ends when it is killed. Runs inside the base.

. "$(dirname "$0")/common.sh"

rungs=$1

# What has come out of a rung so far: of one with a machine, while that runs.
output() {
	if [ -s "$BUILD/boot/$1/output.log" ]; then
		cat "$BUILD/boot/$1/output.log"
	else
		cat "$BUILD/check/$1.tap"
	fi
}

# how_far NAME: its last group, unless that has the rung's own name, and its results.
how_far() {
	output "$1" | awk -v name="$1" '
	/^#@ run / { group = $3 == name ? "" : $3 ", " }
	/^(not )?ok / { results++ }
	END { print group results + 0 " results" }'
}

running() {
	local started name seconds separator=
	for started in "$BUILD"/check/*.started; do
		[ -e "$started" ] || continue
		name=${started##*/} name=${name%.started}
		[ ! -e "$BUILD/check/$name.count" ] || continue
		seconds=$(($(date +%s) - $(stat -c %Y "$started")))
		printf '%s%s %s (%s)' "$separator" "$name" "$(clock "$seconds")" "$(how_far "$name")"
		separator=', '
	done
}

line() {
	local finished
	finished=$(find "$BUILD/check" -name '*.count' | wc -l)
	printf '%d of %d done; running: %s' "$finished" "$rungs" "$(running)"
}

show() {
	if [ -t 2 ]; then
		move_line "  $(line)"
	else
		printf '  …  %s\n' "$(line)" >&2
	fi
}

interval=60
[ ! -t 2 ] || interval=1
while pause $interval; do
	show
done
