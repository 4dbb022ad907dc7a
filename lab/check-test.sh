#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs check.sh and rung.sh on a matrix, images and machines that are made up, and looks
# at what is made of failures, and of a full disk. Prints TAP.

. "$(dirname "$0")/common.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
number=0

# A lab of its own, where building and booting are these few lines: KERNEL "bad" cannot be
# built, and of a machine all selftests pass but for MODEL "bad".
fresh() {
	rm -rf "${work:?}"/*
	mkdir -p "$work/lab" "$work/build"
	cp "$LAB"/{check,common,progress,rung,machine,engine,engines}.sh "$LAB/tap.awk" "$work/lab"
	script image.sh <<-'END'
		[ "$1" != bad ] || exit 1
		mkdir -p "$BUILD/image/$1"
		touch "$BUILD/image/$1/bzImage"
	END
	script boot.sh <<-'END'
		. "$LAB/machine.sh"
		machine "$@"
		result=ok
		[ "$CPU_MODEL" != bad ] || result='not ok'
		printf '#@ run t\n1..1\n%s 1 t\n#@ status t 0\n#@ exit 0\n' "$result" >"$BOOT/output.log"
	END
	script host.sh <<-'END'
		printf '#@ run host\n1..1\nok 1 h\n#@ status host 0\n'
	END
	printf '%s\n' "$@" >"$work/lab/matrix"
}

# script NAME: standard input, as a script of that lab.
script() {
	{
		printf '#!/bin/bash\n. %q\n' "$work/lab/common.sh"
		cat
	} >"$work/lab/$1"
	chmod +x "$work/lab/$1"
}

# says WHAT STATUS LINE…: check.sh ends with that status, and among what it prints are LINEs.
says() {
	local what=$1 wanted=$2 status=0 said line verdict=ok
	shift 2
	said=$(MINIVMX_CACHE=$work/cache T='' ENGINE='' CPU_MODEL='' "$work/lab/check.sh" 2>&1) || status=$?
	[ "$status" = "$wanted" ] || verdict='not ok'
	for line in "$@"; do
		grep -qx -- "$line" <<<"$said" || verdict='not ok'
	done
	number=$((number + 1))
	[ "$verdict" = ok ] || printf '# check-test.sh:0: %s\n' "${said//$'\n'/; }"
	echo "$verdict $number $what"
}

echo '#@ run check'
fresh 'one boot good bochs haswell 1 KVM=own' 'host host'
says "all is well" 0 '3 passed, 0 failed, 0 skipped'
fresh 'one boot good bochs haswell 1' 'two boot bad bochs haswell 1' 'host host'
says "an image that cannot be built fails the rungs that boot it" 1 \
	'Failed in two:' "lab: there is no image of kernel 'bad'.*" '3 passed, 1 failed, 0 skipped'
fresh 'one boot good bochs bad 1' 'host host'
says "what failed is said at the end" 1 'Failed in one:' '  t: not ok 1 t' '2 passed, 1 failed, 0 skipped'
fresh 'one nothing'
says "a rung that does not run is a failure" 1 '0 passed, 1 failed, 0 skipped'
fresh 'one boot bad bochs haswell 1'
cp "$LAB/image.sh" "$work/lab"
script kernel.sh <<<'exit 1'
mkdir -p "$work/build/image/bad"
touch "$work/build/image/bad/bzImage"
says "an image of an earlier build is none" 1 '0 passed, 1 failed, 0 skipped'
fresh 'host host'
script df <<<'echo Avail 2G'
PATH=$work/lab:$PATH says "no tests without a place for them" 1 'lab: there are 2 GiB free in .*: the tests want 3 GiB'
echo "1..$number"
echo '#@ status check 0'
