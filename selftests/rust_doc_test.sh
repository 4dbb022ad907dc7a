#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The programs of the Rust library's docs (tools/minivmx/examples), built as they stand
# there, print what is said beside them. MINIVMX_EXAMPLES (../examples) has them.

examples=${MINIVMX_EXAMPLES:-$(dirname "$0")/../examples}
programs='exits hello page_tables pager sum two_vcpus'
said=/tmp/example.said

# A CPU that should have VMX has the device.
has_no_device() {
	[ ! -e /dev/minivmx ] && [ "${MINIVMX_EXPECT:-no-vmx}" = no-vmx ]
}

# The runner of the lab always has the programs.
is_not_built() {
	[ ! -e "$examples/$1" ] && [ -z "$MINIVMX_EXPECT" ]
}

# Some programs take EPT, and this CPU may be without.
lacks_ept() {
	case ${MINIVMX_EXPECT:-no-ept} in
	*no-ept*) grep -q 'MINIVMX_CREATE_VM: EOPNOTSUPP\|errno: Errno(95)' $said ;;
	*) false ;;
	esac
}

prints_what_is_said() {
	"$examples/$1" >$said 2>&1 || return
	diff "$examples/$1.txt" $said >$said.diff && return
	cat $said.diff >>$said
	return 1
}

# result NUMBER PROGRAM
result() {
	if has_no_device; then
		echo "ok $1 $2 # SKIP no /dev/minivmx"
	elif is_not_built "$2"; then
		echo "ok $1 $2 # SKIP no program in $examples"
	elif prints_what_is_said "$2"; then
		echo "ok $1 $2"
	elif lacks_ept; then
		echo "ok $1 $2 # SKIP no EPT"
	else
		sed 's/^/# /' $said
		echo "not ok $1 $2"
	fi
}

echo TAP version 13
echo "1..$(echo "$programs" | wc -w)"
number=0
for program in $programs; do
	number=$((number + 1))
	result $number "$program"
done
