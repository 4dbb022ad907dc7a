#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# rung.sh NAME RUNG ARGUMENT…: runs one line of lab/matrix, leaves its TAP and its
# counts in build/check/NAME.{tap,count}, and prints what came out. Runs inside the
# base.

. "$(dirname "$0")/common.sh"

name=$1 rung=$2
shift 2
results=$BUILD/check/$name

# one_result SENTENCE STATUS: a group of one test.
one_result() {
	printf '#@ run %s\n1..1\n' "$name"
	[ "$2" = 0 ] || printf 'not '
	printf 'ok 1 %s\n#@ status %s 0\n' "$1" "$name"
}

run_boot() {
	local kernel=$1 limit=300 status=0
	[ "$2" != nested ] || limit=1000
	[ "$kernel" != debug ] || limit=2400
	limit=${LIMIT:-$limit}
	ENGINE=$2 CPU_MODEL=$3 CPUS=$4 LIMIT=$limit \
		"$LAB/boot.sh" "$name" "$kernel" JOB="${job:-test}" "${@:5}" 2>"$results.verdict" || status=$?
	cat "$BUILD/boot/$name/output.log"
	one_result "boots, powers off, no complaint from the kernel" "$status"
}

run_fuzz() {
	job=fuzz run_boot "$@"
}

run_kexec() {
	job=kexec run_boot "$@"
}

# boot_model MODEL IMAGE VAR=VALUE…: in Bochs.
boot_model() {
	ENGINE=bochs CPU_MODEL=$1 "$LAB/boot.sh" "$name" "$2" KVM=own "${@:3}" 2>>"$results.verdict"
}

# The tool itself checks its figures against theory.
run_compare() {
	local status=0
	boot_model "$1" lab JOB=compare || status=$?
	grep -A 1 '^FAILS' "$BUILD/boot/$name/output.log" >>"$results.verdict" || :
	one_result "the figures are what theory says of EPT and shadow paging" "$status"
}

# So does this one.
run_growth() {
	local status=0
	boot_model "$1" lab JOB=growth SHORT=1 || status=$?
	grep -A 1 'too much$' "$BUILD/boot/$name/output.log" >>"$results.verdict" || :
	one_result "costs do not grow but as theory says" "$status"
}

# And this one, against its budget; that there was one has to be seen.
run_linux_boot() {
	local status=0 output=$BUILD/boot/$name/output.log
	boot_model "$1" lab JOB=linux MMU=kvm-ept,kvm-shadow,ept,unsync || status=$?
	[ "$(grep -c '^holds' "$output")" = 2 ] || status=1
	[ "$status" = 0 ] || sed '/^#@/,$d' "$output" >>"$results.verdict"
	one_result "Linux boots within a share of what KVM takes" "$status"
}

# Each of its parts ends the machine's work if it fails.
run_demo() {
	local status=0 output=$BUILD/boot/$name/output.log
	boot_model "$1" demo JOB=demo || status=$?
	[ "$(grep -c '^24 references' "$output")" = 2 ] &&
		[ "$(grep -c '^4 entries' "$output")" = 2 ] || status=1
	one_result "the demo runs, and walks under EPT and under shadow paging" "$status"
}

# own_programs DIRECTORY: some in C and in Rust, a demo of them, and a link that leads nowhere.
own_programs() {
	SRC=$TOP/Documentation/hello.c "$LAB/program.sh" &&
		SRC=$TOP/tools/minivmx/examples/sum.rs "$LAB/program.sh" &&
		cp "$BUILD"/program/{hello,sum} "$1" &&
		printf '#!/bin/sh\n%s\n' './hello && sum' >"$1/demo" &&
		chmod +x "$1/demo" &&
		ln -s nowhere "$1/nothing"
}

# A user's own programs, built and brought into the machine as Documentation/lab.md says.
run_program() {
	local status=0 own=$results.add
	rm -rf "$own"
	mkdir "$own"
	if own_programs "$own" >>"$results.verdict" 2>&1; then
		ADD=$own boot_model "$1" lab JOB=demo || status=$?
	else
		status=1
	fi
	{
		echo "Hello from the guest"
		cat "$TOP/tools/minivmx/examples/sum.txt"
		echo "#@ exit 0"
	} | diff - "$BUILD/boot/$name/output.log" >>"$results.verdict" || status=1
	one_result "a user's own programs run in the machine" "$status"
}

# guest SENTENCE MODEL JOB FILE: a script of the lab's in the demo's place, and a guest for it.
guest() {
	local status=0 own=$results.add
	rm -rf "$own"
	mkdir "$own"
	cp "$4" "$own"
	cp "$LAB/$3" "$own/demo"
	ADD=$own boot_model "$2" lab JOB=demo || status=$?
	[ "$status" = 0 ] || tail -n 20 "$BUILD/boot/$name/output.log" >>"$results.verdict"
	one_result "$1" "$status"
}

# Both as they come in Debian's packages.
run_debian_guest() {
	LIMIT=600 guest "Debian's own kernel is a guest, and works" "$1" debian-guest \
		/lib/modules/*/vmlinuz
}

run_memtest() {
	guest "memtest86+ is a guest, and finds no error" "$1" memtest /boot/memtest86+x64.bin
}

run_ovmf() {
	guest "OVMF is a guest, and comes to its shell" "$1" ovmf /usr/share/ovmf/OVMF.fd
}

run_style() {
	"$LAB/style.sh"
}

run_host() {
	"$LAB/host.sh"
}

run_deb() {
	"$LAB/deb.sh" 2>>"$results.verdict" && "$LAB/deb-test.sh"
}

report() {
	local passed failed skipped line
	read -r passed failed skipped <"$results.count"
	printf -v line '%-12s %4d passed, %d failed, %d skipped  %s' \
		"$name" "$passed" "$failed" "$skipped" "$(clock "$SECONDS")"
	[ "$failed" = 0 ] || line=$(paint 31 "$line")
	clear_line
	printf '  %s\n' "$line"
	[ "$failed" = 0 ] || cat "$results.failures" "$results.verdict"
}

mkdir -p "$BUILD/check"
touch "$results.started"
: >"$results.verdict"
"run_$rung" "$@" >"$results.tap" || :
awk -f "$LAB/tap.awk" "$results.tap" >"$results.all"
sed '$d' "$results.all" >"$results.failures"
tail -n 1 "$results.all" >"$results.count"
report >&2
