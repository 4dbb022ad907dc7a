# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154 # what the script has set
#
# What the tests of the command-line tool share. Sourced, by a script that has set $needed,
# the file it cannot do without, and $said, where what the tool says is kept; for wait_for
# $patience, too.

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

# by_kvm NAME COMMAND…: as result, once.
by_kvm() {
	if [ -e /dev/kvm ] && [ "$mmu" = ept ]; then
		result "$@"
	else
		skip "$1" "for where KVM is, and once: under EPT"
	fi
}

says() {
	grep -q -- "$1" "$said"
}

# wait_for TEXT: until that is said; so many seconds as $patience has.
wait_for() {
	for _ in $(seq $((10 * patience))); do
		! says "$1" || return 0
		sleep 0.1
	done
	return 1
}

# is_written PROCESS TEXT: `minivmx boot` in that process writes the guest into its --snapshot when
# it has said TEXT; then it is ended.
is_written() {
	wait_for "$2" && kill -USR1 "$1" && wait_for '^minivmx: the guest as it is now is in '
	status=$?
	kill "$1"
	wait "$1"
	return $status
}
