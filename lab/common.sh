# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What every script of the lab shares: where things are, how a thing is made
# exactly once, and how progress is shown. Sourced, never run.

set -euo pipefail

LAB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
TOP=$(dirname "$LAB")
BUILD=$TOP/build
CACHE=${MINIVMX_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/minivmx}
SHARED=${MINIVMX_CACHE_SHARED:-}
export MINIVMX_CACHE=$CACHE
mkdir -p "$BUILD/log" "$CACHE"

die() {
	printf 'lab: %s\n' "$*" >&2
	exit 1
}

# free_gib DIRECTORY: on its disk.
free_gib() {
	df --output=avail -BG "$1" | tail -n 1 | tr -dc 0-9
}

# A key for whatever stands on standard input: equal content, equal key.
key() {
	sha256sum | cut -c 1-12
}

# cached NAME: the directory of the cache with that name, which need not be there yet. What a
# cache that was handed out has is taken from there, and only read.
cached() {
	if [ -n "$SHARED" ] && [ -e "$SHARED/$1/.finished" ]; then
		echo "$SHARED/$1"
	else
		echo "$CACHE/$1"
	fi
}

# once DIR COMMAND…: COMMAND fills DIR, unless a finished DIR is there already.
# The mark is written last, so that a DIR left by a killed or failed COMMAND is
# never taken for a finished one, and touched where DIR is used. DIR has its final name
# from the start because a kernel's object tree stores it.
once() {
	local dir=$1 mark=$1/.finished lock
	shift
	if [ -e "$mark" ]; then
		touch "$mark" 2>/dev/null || :
		return
	fi
	remove_unused
	exec {lock}>"$dir.lock"
	flock -n "$lock" || wait_for_lock "$lock" "$dir"
	if [ ! -e "$mark" ]; then
		remove_tree "$dir"
		mkdir -p "$dir"
		"$@" "$dir"
		touch "$mark"
	fi
	exec {lock}>&-
}

# What no checkout has used for two weeks was made from a version that is gone.
remove_unused() {
	local mark
	find "$CACHE" -mindepth 2 -maxdepth 2 -name .finished -mtime +13 | while read -r mark; do
		remove_tree "${mark%/*}" || :
	done
}

wait_for_lock() {
	printf 'lab: waiting for another process that makes %s\n' "$2" >&2
	flock "$1"
}

# kernel_arguments NAME: what make must be told for that kernel and its modules.
# Rust beside KASAN takes clang. The lab's own kernels have no BTF, and are made as if
# there were no pahole: whether the base has it must make no difference. Debian's has.
kernel_arguments() {
	case $1 in
	lab) echo PAHOLE=none ;;
	debug) echo PAHOLE=none CC=clang ;;
	esac
}

# What a cache that is handed out has, and with KERNEL= that kernel too.
packed_kernels() {
	printf '%s\n' lab stock ${KERNEL:+"$KERNEL"} | sort -u
}

# Some directories of a Debian root may not be written even by their owner.
remove_tree() {
	[ ! -e "$1" ] || chmod -R u+rwX "$1"
	rm -rf "$1"
}

# part BOOT NAME FILE: what came out of that boot's machine after the line "#@ NAME".
part() {
	sed "1,/^#@ $2\$/d" "$BUILD/boot/$1/output.log" | sed '/^#@ /,$d' >"$3"
	[ -s "$3" ] || die "no $2 came out of the machine"
}

# figures BOOT NAME: leaves what that boot's machine has measured in build/NAME.json, and its
# page with charts in build/NAME.html.
figures() {
	part "$1" json "$BUILD/$2.json"
	part "$1" html "$BUILD/$2.html"
	python3 -m json.tool "$BUILD/$2.json" /dev/null
	echo "The figures are in build/$2.json, the charts in build/$2.html."
}

# step TITLE COMMAND…: runs COMMAND with its output in build/log, and shows the
# title with the time it takes. Not for the condition of an `if` or `||`: there
# bash would ignore `set -e` inside COMMAND.
step() {
	local title=$1 started=$SECONDS status indicator
	local log=$BUILD/log/${title//[^a-zA-Z0-9]/-}.log
	shift
	: >"$log"
	show_progress "$title" "$log" &
	indicator=$!
	set +e
	(
		set -e
		"$@"
	) >"$log" 2>&1
	status=$?
	set -e
	kill "$indicator" 2>/dev/null || :
	wait "$indicator" 2>/dev/null || :
	report_step "$title" "$status" $((SECONDS - started)) "$log"
	return "$status"
}

report_step() {
	local title=$1 status=$2 seconds=$3 log=$4
	clear_line
	if [ "$status" = 0 ]; then
		printf '  %s    %-40s %s\n' "$(paint 32 'done')" "$title" "$(clock "$seconds")" >&2
	else
		printf '  %s  %-40s %s (status %s), the end of %s:\n' \
			"$(paint 31 FAILED)" "$title" "$(clock "$seconds")" "$status" "$log" >&2
		tail -n 30 "$log" >&2
	fi
}

# paint CODE TEXT: for standard error, in that colour if it is a terminal.
paint() {
	if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then
		printf '\033[%sm%s\033[m' "$1" "$2"
	else
		printf '%s' "$2"
	fi
}

# Removes the line that moves, on a terminal, before another takes its place.
clear_line() {
	[ ! -t 2 ] || printf '\r\033[K' >&2
}

# On a terminal one line that moves; elsewhere a line now and then.
show_progress() {
	if [ -t 2 ]; then
		show_moving_line "$@"
	else
		show_line_now_and_then "$@"
	fi
}

show_moving_line() {
	local title=$1 log=$2 started=$SECONDS frames='\|/-' i=0 last text
	while pause 0.2; do
		last=$(tail -c 400 "$log" | tr '\r' '\n' | sed -n '$p' | tr -cd '[:print:]')
		printf -v text '  %s       %-40s %s  %s' "${frames:i++ % 4:1}" \
			"$title" "$(clock $((SECONDS - started)))" "$last"
		move_line "$text"
	done
}

# move_line TEXT: in the place of what stood there, cut where the terminal ends.
move_line() {
	local columns
	read -r _ columns < <(stty size <&2)
	printf '\r\033[K%.*s' $((${columns:-80} - 1)) "$1" >&2
}

show_line_now_and_then() {
	local title=$1 started=$SECONDS seconds=5
	while pause "$seconds"; do
		printf '  …       %-40s %s\n' "$title" "$(clock $((SECONDS - started)))" >&2
		seconds=60
	done
}

# Like sleep, but leaves no process behind when the caller is killed.
pause() {
	[ -n "${silence:-}" ] || exec {silence}<> <(:)
	read -rt "$1" -u "$silence" || :
}

clock() {
	printf '%d:%02d' $(($1 / 60)) $(($1 % 60))
}
