#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# `minivmx stats`: what it tells of a guest that runs. MINIVMX_GUESTS (/guests) has it:
# tools/guests/endless.S, whose exits are those of CPUID.

guest=${MINIVMX_GUESTS:-/guests}/endless.elf
said=/tmp/stats.said
needed=$guest
. "$(dirname "$0")/tool.sh"

stats() {
	minivmx stats "$@" >"$said" 2>&1
}

# How often the VM exited for CPUID.
cpuids() {
	stats "$pid" && sed -n 's/^ *\([0-9]*\)  CPUID (10)$/\1/p' "$said" | head -n 1
}

# Until the guest runs.
sees_a_guest_that_runs() {
	for _ in $(seq 100); do
		first=$(cpuids)
		[ "${first:-0}" -eq 0 ] || break
		sleep 0.05
	done
	[ "${first:-0}" -gt 0 ] && says "^VM with $mmu, file [0-9]* of process $pid (minivmx)" &&
		says "^vCPU 0, file [0-9]* of process $pid (minivmx)"
}

# The vCPU has called RUN once, and is in it.
sees_it_go_on() {
	sleep 0.05
	second=$(cpuids)
	[ "${second:-0}" -gt "$first" ] && [ "$(grep -c '^runs 1, bursts .* returns 0,' "$said")" = 2 ]
}

sees_page_faults_by_kind() {
	if [ "$mmu" = ept ]; then
		says '^page faults: EPT fills [1-9]'
	else
		says '^page faults: guest faults 0, shadow misses [1-9]' && says '^syncs .* shadow tables [1-9]'
	fi
}

has_json() {
	stats --json "$pid" && says '"mmu": "'"$mmu"'"' && says '"vcpu": 0' && says "\"process\": $pid"
}

finds_it_among_all() {
	stats && says "of process $pid"
}

# What is shown are differences from the second time on.
goes_on_until_the_end() {
	minivmx stats --every 0.1 "$pid" >"$said" 2>&1 &
	watch=$!
	for _ in $(seq 100); do
		[ "$(grep -c '^VM with' "$said")" -lt 2 ] || break
		sleep 0.05
	done
	kill "$pid"
	wait "$pid"
	wait "$watch"
	[ "$(grep -c '^VM with' "$said")" -ge 2 ] && says '^runs 0, bursts'
}

says_that_there_is_none() {
	! stats && says 'there is no VM in any program'
}

plan 7
minivmx run --elf "$guest" --mmu "$mmu" --timeout 60 >/dev/null 2>&1 &
pid=$!
result runs sees_a_guest_that_runs
result on sees_it_go_on
result faults sees_page_faults_by_kind
result json has_json
result all finds_it_among_all
result every goes_on_until_the_end
result none says_that_there_is_none
