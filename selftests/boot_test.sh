#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# `minivmx boot` with a kernel of a few instructions, tools/guests/corners.S, in the place of
# Linux: what Linux does not do, or not so that it shows. By KVM, where that is, it is the same.

needed=${MINIVMX_GUESTS:-/guests}/corners.bzImage
said=/tmp/boot.said
patience=30
. "$(dirname "$0")/tool.sh"

# corner LETTER OPTION…: that one of them, in the place of a shell that was forked for it.
corner() {
	letter=$1
	shift
	exec minivmx boot --kernel "$needed" --memory 32M --cmdline "$letter" --timeout 60 "$@" >"$said" 2>&1
}

has_ended() {
	says '^minivmx: the guest asked for a reset$'
}

has_task_priority() {
	echo | corner p "$@" && says '^priority 50$' && has_ended
}

# How often which exits came, and what the CPU's time went to.
has_counts() {
	says '^ *exits  per second  exit reason$' && says '^ *[1-9][0-9]* *[0-9.]*[1-9]  *[^ ].* ([0-9]*)$' &&
		says '^page faults: ' && has_ticks
}

has_ticks() {
	says '^ticks of its CPUs: in RUN [1-9][0-9]*, in the program [1-9]'
}

# write LETTER TEXT OPTION…: the guest goes into $snapshot when it has said TEXT.
write() {
	: >"$said"
	letter=$1 text=$2
	shift 2
	corner "$letter" --snapshot "$snapshot" "$@" </dev/null &
	is_written $! "$text"
}

# While it waits for a key.
write_with_priority() {
	write p '^priority ' "$@"
}

# keeps_priority OPTION…: another process has it from there.
keeps_priority() {
	echo | minivmx boot --restore "$snapshot" --timeout 60 "$@" >"$said" 2>&1 &&
		says '^50$' && has_ended
}

keeps_priority_from_kvm() {
	write_with_priority --accel kvm && keeps_priority --mmu "$mmu"
}

# Nothing ends its HLT: neither that it was written, nor that another process has it.
stays_in_hlt() {
	write h '^waits$' --mmu "$mmu" && ! says 'behind HLT' || return
	minivmx boot --restore "$snapshot" --mmu "$mmu" --timeout 1 </dev/null >"$said" 2>&1
	! says 'behind HLT' && says '^minivmx: the time is over and the guest still runs$'
}

steps_over_absent_memory() {
	(corner t --mmu "$mmu") && says '^trapped behind the access$'
}

# The access that comes next has not begun.
has_no_stack() {
	! (corner s --mmu "$mmu") && says '^minivmx: the guest cannot go on: an event cannot be delivered'
}

# for_a_second: it ends by itself then, whoever reads.
for_a_second() {
	timeout -s KILL 30 minivmx boot --kernel "$needed" --memory 32M --cmdline p --mmu "$mmu" \
		--timeout 1 </dev/null
	[ $? != 137 ]
}

# Who is to read what it prints does not, and there is no room for it; nor for what is said of that.
ends_without_reader() {
	mkfifo "$pipe"
	exec 3<>"$pipe"
	dd if=/dev/zero of="$pipe" bs=64k count=1 2>"$said"
	for_a_second >"$pipe" 2>"$said" && says '^minivmx: nobody takes the output$' &&
		for_a_second >"$pipe" 2>&1
	status=$?
	exec 3<&-
	rm "$pipe"
	return $status
}

snapshot=/tmp/boot.snapshot
pipe=/tmp/boot.pipe
plan 11
result task_priority has_task_priority --mmu "$mmu"
result counts has_counts
by_kvm task_priority_in_kvm has_task_priority --accel kvm
by_kvm ticks_in_kvm has_ticks
result snapshot write_with_priority --mmu "$mmu"
by_kvm task_priority_goes_on_in_kvm keeps_priority --accel kvm
by_kvm task_priority_comes_from_kvm keeps_priority_from_kvm
result hlt stays_in_hlt
rm -f "$snapshot"
result step_over_absent_memory steps_over_absent_memory
result stack_in_absent_memory has_no_stack
result end_without_reader ends_without_reader
