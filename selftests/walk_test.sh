#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# `minivmx run --walk`, --tables and --break: what they draw of a guest whose page
# tables are known. MINIVMX_GUESTS (/guests) has it: tools/guests/paging.c.

guest=${MINIVMX_GUESTS:-/guests}/paging.elf
said=/tmp/walk.said
page=/tmp/walk.html
needed=$guest
. "$(dirname "$0")/tool.sh"

run() {
	minivmx run --elf "$guest" --mmu "$mmu" --timeout 60 "$@" >"$said" 2>&1
}

# A page that the guest has written to, one of its tables, and one that is not mapped.
walks() {
	run --walk 0xffff800000005008,0x103000:write,0xffff900000000000 \
		--walk-page "$page" --tables
}

shows_all_references() {
	if [ "$mmu" = ept ]; then
		says '^24 references: 20 of EPT, 4 of the guest' && says '21  22  23  24 →'
	else
		says '^4 entries of the guest.s tables, 4 of the shadow' && says ' 8 PT\[5\] '
	fi
}

says_where_the_way_ends() {
	says 'guest-physical 0x405008, in a page of 4 KiB' &&
		says 'a page fault for the guest, error code 0x0'
}

# The guest's tables were used, so they have shadows.
says_why_the_shadow_differs() {
	case $mmu in
	wp | unsync | pv) says 'write-protected: the page holds a page table of the guest' ;;
	*) ! says 'write-protected' ;;
	esac
}

lists_what_is_mapped() {
	says '0xffff800000000000   256 KiB        0x400000  rwx- 4 KiB'
}

has_pictures() {
	[ "$(grep -c '<svg ' "$page")" = 3 ] && ! grep -q '<script' "$page"
}

# Bytes of characters beyond ASCII do not count.
is_narrow() {
	sed -n '/^linear/,$p' "$said" | tr -d '\200-\377' | awk 'length > 80 { exit 1 }'
}

# Where the guest prints its first line: by the tables that it began with, whose pages have
# 2 MiB.
stops_at_a_breakpoint() {
	run --stop-after 100 --trace
	rip=$(sed -n 's/.*I\/O instruction.* rip \(0x[0-9a-f]*\) .*/\1/p' "$said" | head -n 1)
	run --break "$rip" --walk "$rip:fetch" && says 'the guest came to the breakpoint' &&
		says 'in a page of 2 MiB'
}

plan 8
result walks walks
result references shows_all_references
result end says_where_the_way_ends
result differences says_why_the_shadow_differs
result tables lists_what_is_mapped
result page has_pictures
result columns is_narrow
result breakpoint stops_at_a_breakpoint
