#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make run`: a shell on the lab machine's serial console, with the module loaded.
# Leaving the shell powers the machine off. Runs inside the base.

. "$(dirname "$0")/common.sh"
. "$LAB/machine.sh"

[ -t 0 ] || die "make run wants a terminal"

# Both are read by engines.sh.
# shellcheck disable=SC2034
LIMIT=0 CONSOLE=terminal

"$LAB/image.sh"
read -r lines columns < <(stty size)
# Of the kernel, only its end is worth disturbing who types; dmesg has the rest.
machine run lab JOB=shell KVM="${KVM:-own}" LINES="$lines" COLUMNS="$columns" TERM="$TERM" \
	${NO_COLOR:+NO_COLOR="$NO_COLOR"} loglevel=1
printf '  boot    %s; "exit" powers off\n' "$(describe_machine)" >&2

# Bochs leaves the terminal raw, and has a failure's status whenever it ends.
saved=$(stty -g)
trap 'stty "$saved"' EXIT
run_machine || :
grep -q '^#@ exit' "$BOOT/output.log" || die "the machine ended by itself, see $BOOT"
