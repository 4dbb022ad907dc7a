#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# `minivmx run --step`, --cpuid and --histogram, on guests whose instructions are known, and
# --disk, on firmware that boots from it, also by `minivmx boot`. MINIVMX_GUESTS (/guests) has them:
# tools/guests/endless.S and paging.c, and Debian's SeaBIOS.

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

# It has the BIOS read the next sector, writes the text there to the serial port, and halts.
boot_sector() {
	printf '\061\300\216\300\216\330'	# xor ax,ax; mov es,ax; mov ds,ax
	printf '\273\000\176\270\001\002'	# mov bx,0x7e00; mov ax,0x0201
	printf '\271\002\000\266\000\315\023'	# mov cx,2; mov dh,0; int 0x13
	printf '\162\016\276\000\176\272\370\003'	# jc end; mov si,0x7e00; mov dx,0x3f8
	printf '\254\204\300\164\003'	# next: lodsb; test al,al; jz end
	printf '\356\353\370\372\364'	# out dx,al; jmp next; end: cli; hlt
}

disk_to_boot_from() {
	boot_sector
	head -c 473 /dev/zero
	printf '\125\252%s' "$1"
	head -c 1048576 /dev/zero
}

# boots_from_a_disk COMMAND OPTION…: firmware begins in real mode, which needs EPT.
boots_from_a_disk() {
	text='the BIOS has read this'
	disk_to_boot_from "$text" | head -c 1048576 >/tmp/run.disk
	minivmx "$@" --bios "$guests/bios-256k.bin" --disk /tmp/run.disk,ro --until "$text" \
		--timeout 60 </dev/null >"$said" 2>&1
}

# boots_with_cpus NUMBER OPTION…: it has found the timer of the south bridge, and started them all, by their
# APICs. SeaBIOS has two contend for a lock, which the first gives back for two instructions of a loop. In
# the emulator the second never has it, maybe since the VMX-preemption timer ends that loop at the same place each
# time: so only KVM's guest has two.
boots_with_cpus() {
	cpus=$1
	shift
	boots_from_a_disk boot --cpus "$cpus" "$@" && says '^Using pmtimer, ioport 0xb008' &&
		says "^Found $cpus cpu(s) max supported $cpus cpu(s)"
}

with_ept() {
	case $mmu in
	ept) result "$@" ;;
	*) skip "$1" "real mode needs EPT" ;;
	esac
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

plan 11
result step steps_one_by_one
result break steps_from_a_breakpoint
result exits steps_over_exits
result cpuid answers_cpuid
result histogram counts_exits_by_address
result json has_a_histogram_in_json
result refusals refuses
with_ept disk boots_from_a_disk run
with_ept boot boots_with_cpus 1
by_kvm boot_by_kvm boots_with_cpus 2 --accel kvm
once compare compares_a_guest
