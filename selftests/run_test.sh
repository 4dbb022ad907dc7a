#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# `minivmx run --step`, --cpuid and --histogram, on guests whose instructions are known.
# MINIVMX_GUESTS (/guests) has them: tools/guests/endless.S and paging.c.

guests=${MINIVMX_GUESTS:-/guests}
said=/tmp/run.said
needed=$guests/endless.elf
. "$(dirname "$0")/tool.sh"

# run GUEST OPTION…
run() {
	guest=$1
	shift
	minivmx run --elf "$guests/$guest.elf" --mmu "$mmu" --timeout 60 "$@" >"$said" 2>&1
}

# Twice around, with the one that exits and the driver carries out.
steps_one_by_one() {
	run endless --step 9 && says 'stopped after 9 instructions' || return
	sed -n 's/^ *\([1-9]  0x.*\)/\1/p' "$said" >"$said.steps"
	diff - "$said.steps" <<-END
		1  0x0000100000  31c0              xor eax,eax
		2  0x0000100002  0fa2              cpuid
		3  0x0000100004  ffc7              inc edi
		4  0x0000100006  ebf8              jmp short 0000000000100000h
		5  0x0000100000  31c0              xor eax,eax
		6  0x0000100002  0fa2              cpuid
		7  0x0000100004  ffc7              inc edi
		8  0x0000100006  ebf8              jmp short 0000000000100000h
		9  0x0000100000  31c0              xor eax,eax
	END
}

steps_from_a_breakpoint() {
	run endless --break 0x100004 --step 2 && says '^ *1  0x0000100004  ffc7 ' &&
		says '^ *2  0x0000100006  ebf8 ' && says 'stopped after 2 instructions'
}

# Instructions that exit to the program are steps like others: to its first line and on.
steps_over_exits() {
	run paging --step 2000 --stop-after 100000 && says '^ *2000  0x' &&
		says '^paging: a guest in 64-bit mode' && says '  ee  *out dx,al$' &&
		[ "$(grep -c '^ *[0-9]*  0x' "$said")" = 2000 ]
}

answers_cpuid() {
	run paging --cpuid 0=1,0x696e694d,0x74736574,0x20786d76 &&
		says '^CPUID says Minivmx test'
}

# Exits that the driver would answer are counted, too.
counts_exits_by_address() {
	run endless --histogram --stop-after 50 &&
		says '^ *[45][0-9]  0x0000100002  CPUID  *cpuid$'
}

has_a_histogram_in_json() {
	run endless --histogram --stop-after 50 --json && says '"instruction": "cpuid"'
}

# With every MMU that there is, so once is enough.
compares_a_guest() {
	minivmx lab ept-vs-shadow --elf "$guests/paging.elf" >"$said" 2>&1 &&
		says '^   *\(ept \)* *vtlb  *wp  *unsync  *pv$' &&
		says '^    I/O instruction (30)  *[1-9]' &&
		says '^  page faults that filled .* [1-9][0-9]*$'
}

once() {
	case $mmu in
	ept | vtlb) result "$@" ;;
	*) skip "$1" "done with other MMUs" ;;
	esac
}

refuses() {
	! run endless --cpuid 0=1,2 && says 'EAX,EBX,ECX,EDX' && ! run endless --step 0
}

plan 8
result step steps_one_by_one
result break steps_from_a_breakpoint
result exits steps_over_exits
result cpuid answers_cpuid
result histogram counts_exits_by_address
result json has_a_histogram_in_json
result refusals refuses
once compare compares_a_guest
