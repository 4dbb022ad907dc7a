#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kernel.sh lab|debug: builds that kernel where it is missing, and prints its
# object tree; kernel.sh --source: the same for the source tree. Runs inside the
# base.

. "$(dirname "$0")/common.sh"

name=${1:-lab}
case $name in
lab | --source) fragments=("$LAB/kernel.config") ;;
debug) fragments=("$LAB/kernel.config" "$LAB/debug.config") ;;
*) die "no kernel is called '$name': lab or debug" ;;
esac

toolchain=/etc/minivmx-toolchain
source_tree=$CACHE/linux-$(awk '$1 ~ /^linux-source/ { print $2 }' "$toolchain")
kernel=$CACHE/kernel-$name-$(cat "$toolchain" "${fragments[@]}" | key)

unpack() {
	tar -x --strip-components=1 -C "$1" -f /usr/src/linux-source-7.3.tar.xz
}

# olddefconfig silently drops an option whose dependencies are not met.
verify_config() {
	local option missing=()
	while read -r option; do
		grep -qx "$option" "$1/.config" || missing+=("$option")
	done < <(grep -h '^CONFIG_' "${fragments[@]}")
	[ ${#missing[@]} = 0 ] || die "options that did not take effect: ${missing[*]}"
}

configure() {
	make -C "$source_tree" O="$1" tinyconfig
	(cd "$1" && "$source_tree/scripts/kconfig/merge_config.sh" -m -O "$1" .config "${fragments[@]}")
	make -C "$1" olddefconfig
	verify_config "$1"
	make -C "$1" rustavailable
}

compile() {
	make -C "$1" -j"$(nproc)" bzImage modules
}

unpack_source() {
	step "kernel source: unpack" unpack "$1"
}

make_kernel() {
	step "kernel '$name': configure" configure "$1"
	step "kernel '$name': compile" compile "$1"
}

once "$source_tree" unpack_source
if [ "$name" = --source ]; then
	echo "$source_tree"
	exit
fi
once "$kernel" make_kernel
echo "$kernel"
