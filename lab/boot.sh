#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# boot.sh NAME KERNEL VAR=VALUE…: boots the image of that kernel, with the variables
# given to lab/init, and leaves console.log and output.log in build/boot/NAME.
# ENGINE, CPU_MODEL, CPUS choose the machine; LIMIT is in seconds of the machine's own
# clock, so that a busy host makes nothing fail; with SHOW=1 the output is shown as it
# comes. Exits with the status that lab/init reported; with 1 where it reported none, where
# the machine did not power off by itself, or where the kernel complained. Runs inside the base.

. "$(dirname "$0")/common.sh"
. "$LAB/machine.sh"

LIMIT=${LIMIT:-300}
CONSOLE='file'
told=0
complaints='WARNING: |BUG: |Oops: |KASAN: |UBSAN: |Call Trace:|general protection|Kernel panic|INFO: task .* blocked|INFO: .*(lock|RCU)|detected stall|suspicious RCU|possible .* (deadlock|locking|recursion)|inconsistent lock state|bad unlock balance|hard LOCKUP'

follow_output() {
	[ "${SHOW:-0}" = 1 ] || return 0
	tail --pid="$1" -s 0.2 -n +1 -f "$BOOT/output.log" | sed -u '/^#@ json$/,$d; /^#@ /d' |
		show_lines
}

# Standard input, and while nothing comes, how long the machine has been running.
show_lines() {
	local line='' part
	while :; do
		if IFS= read -r -t 1 part; then
			clear_line
			printf '%s\n' "$line$part"
			line=''
		elif [ $? -gt 128 ]; then
			line+=$part
			show_time
		else
			break
		fi
	done
	clear_line
	printf '%s' "$line$part"
}

show_time() {
	if [ -t 2 ]; then
		move_line "  the machine has been running for $(clock "$SECONDS")"
	elif [ $((SECONDS - told)) -ge 60 ]; then
		told=$SECONDS
		printf '  …       the machine has been running for %s\n' "$(clock "$SECONDS")" >&2
	fi
}

reported_status() {
	sed -n 's/^#@ exit \([0-9]*\)$/\1/p' "$BOOT/output.log"
}

show_ends() {
	local log
	for log in console output; do
		printf 'The end of %s:\n' "$BOOT/$log.log"
		tail -n 30 "$BOOT/$log.log"
	done
	grep -s 'VMENTER FAIL\|PANIC' "$BOOT/bochs.log" | tail -n 5 || :
}

# From the moment that lab/init has the machine: some of Bochs's CPU models make the
# kernel warn about their topology while it starts.
kernel_log() {
	sed '1,/lab: ready/d' "$BOOT/console.log"
}

# Reads all of it: a writer to a pipe that is closed would fail.
in_log() {
	kernel_log | grep -E "$1" >/dev/null
}

# The kernel's last words; nested, those of the inner one. After LIMIT, lab/init says so.
powered_off() {
	local inner=
	[ "$ENGINE" != nested ] || inner='^L1: .*'
	in_log "${inner}reboot: Power down" && ! in_log 'lab: [0-9]* seconds are over'
}

verdict() {
	local status
	status=$(reported_status)
	if in_log "$complaints"; then
		echo "The kernel complained:"
		kernel_log | grep -E -A 40 "$complaints" | head -n 60
		return 1
	elif [ -z "$status" ]; then
		echo "The machine ended without a result (limit: $LIMIT s by its own clock)."
		show_ends
		return 1
	elif ! powered_off; then
		echo "The machine had a result, and did not power off (limit: $LIMIT s by its own clock)."
		show_ends
		return 1
	fi
	return "$status"
}

machine "$@" "LIMIT=$LIMIT"
[ "${SHOW:-0}" != 1 ] || printf '  boot    %s\n' "$(describe_machine)" >&2
run_machine &
follow_output $!
wait $! || :
verdict >&2
