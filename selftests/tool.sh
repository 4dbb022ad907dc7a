# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154 # what the script has set
#
# What the tests of the command-line tool share. Sourced, by a script that has set $needed,
# the file it cannot do without, and $said, where what the tool says is kept.

mmu=${MINIVMX_MMU:-ept}
test=0

# Why there is nothing to be tested, if so. A machine that should have VMX has the device,
# and the lab always has the files.
reason_to_skip() {
	if [ ! -e /dev/minivmx ] && [ "${MINIVMX_EXPECT:-no-vmx}" = no-vmx ]; then
		echo "no /dev/minivmx"
	elif [ ! -e "$needed" ] && [ -z "$MINIVMX_EXPECT" ]; then
		echo "no $needed"
	elif [ "$mmu" = ept ]; then
		case ,$MINIVMX_EXPECT, in
		*,no-ept,*) echo "this CPU has no EPT" ;;
		esac
	fi
}

# plan NUMBER [REASON]: so many tests are to come; with a reason, or one of the above, they
# are all skipped.
plan() {
	echo TAP version 13
	echo "1..$1"
	reason=$(reason_to_skip)
	reason=${reason:-$2}
	[ "$reason" ] || return 0
	for test in $(seq "$1"); do
		echo "ok $test # SKIP $reason"
	done
	exit
}

# skip NAME REASON, in the place of a result.
skip() {
	test=$((test + 1))
	echo "ok $test $1 # SKIP $2"
}

# result NAME COMMAND…
result() {
	name=$1
	shift
	test=$((test + 1))
	if "$@"; then
		echo "ok $test $name"
	else
		sed 's/^/# /' "$said"
		echo "not ok $test $name"
	fi
}

says() {
	grep -q -- "$1" "$said"
}
