#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Prints the engine that runs the lab machine: what ENGINE says, else nested VMX
# where this machine has it, else Bochs.

. "$(dirname "$0")/common.sh"

nested_vmx() {
	grep -qw vmx /proc/cpuinfo &&
		grep -qs '[Y1]' /sys/module/kvm_intel/parameters/nested &&
		: 2>/dev/null <>/dev/kvm
}

if [ -n "${ENGINE:-}" ]; then
	echo "$ENGINE"
elif nested_vmx; then
	echo vng
else
	echo bochs
fi
