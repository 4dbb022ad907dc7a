#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The program that the docs of the Rust library show, built as it stands there, prints
# what they say. It is tools/minivmx/examples/sum.rs; MINIVMX_EXAMPLES (../examples) has
# it, with what it is to print.

examples=${MINIVMX_EXAMPLES:-$(dirname "$0")/../examples}
said=/tmp/sum.said

# A CPU that should have VMX has the device.
has_no_device() {
	[ ! -e /dev/minivmx ] && [ "${MINIVMX_EXPECT:-no-vmx}" = no-vmx ]
}

# The runner of the lab always has the program.
is_not_built() {
	[ ! -e "$examples/sum" ] && [ -z "$MINIVMX_EXPECT" ]
}

prints_what_the_docs_say() {
	"$examples/sum" >"$said" || return
	diff "$examples/sum.txt" "$said" >"$said.diff" && return
	sed 's/^/# /' "$said.diff"
	return 1
}

echo TAP version 13
echo 1..1
if has_no_device; then
	echo 'ok 1 example # SKIP no /dev/minivmx'
elif is_not_built; then
	echo "ok 1 example # SKIP no program in $examples"
elif prints_what_the_docs_say; then
	echo ok 1 example
else
	echo not ok 1 example
fi
