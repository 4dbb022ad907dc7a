#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Prints the engine that runs the lab machine: what ENGINE says, else nested VMX
# where this machine has it, else Bochs; Bochs also for a CPU model that it emulates.

. "$(dirname "$0")/common.sh"

nested_vmx() {
	grep -qw vmx /proc/cpuinfo &&
		grep -qs '[Y1]' /sys/module/kvm_intel/parameters/nested &&
		: 2>/dev/null <>/dev/kvm
}

emulated_model() {
	case ${CPU_MODEL:-} in
	penryn | arrandale | haswell | skylake) ;;
	*) false ;;
	esac
}

if [ -n "${ENGINE:-}" ]; then
	echo "$ENGINE"
elif emulated_model; then
	echo bochs
elif nested_vmx; then
	echo vng
else
	echo bochs
fi
