#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kernel.sh lab|debug: builds that kernel where it is missing, and prints its
# object tree; kernel.sh stock: a tree for Debian's, which the base has; kernel.sh
# --source: the source tree. Runs inside the base.

. "$(dirname "$0")/common.sh"

toolchain() {
	grep -E "^($1) " /etc/minivmx-toolchain
}

what_goes_in() {
	toolchain "bindgen|$compiler|linux-source-7.3|rust-src|rustc"
	kernel_arguments "$name"
	cat "${fragments[@]}"
}

name=${1:-lab}
case $name in
lab | --source) compiler=gcc-14 fragments=("$LAB/kernel.config") ;;
debug) compiler=clang-19 fragments=("$LAB/kernel.config" "$LAB/debug.config") ;;
stock) exec "$LAB/thin-tree.sh" "$(basename /lib/modules/*)" ;;
*) die "no kernel is called '$name': lab, debug or stock" ;;
esac

arguments=$(kernel_arguments "$name")
source_tree=$(cached "linux-$(toolchain linux-source-7.3 | cut -d ' ' -f 2)")
kernel=$(cached "kernel-$name-$(what_goes_in | key)")

unpack() {
	tar -x --strip-components=1 -C "$1" -f /usr/src/linux-source-7.3.tar.xz
}

# What the fragments ask for; the last word on an option counts.
wanted_options() {
	cat "${fragments[@]}" | sed -nE 's/^(# )?(CONFIG_[A-Z0-9_]+)[= ].*/\2 &/p' |
		tac | awk '!seen[$1]++ { sub($1 " ", ""); print }'
}

# olddefconfig silently drops an option whose dependencies are not met.
verify_config() {
	local option missing=()
	while read -r option; do
		grep -qx "$option" "$1/.config" || missing+=("$option")
	done < <(wanted_options)
	[ ${#missing[@]} = 0 ] || die "options that did not take effect: ${missing[*]}"
}

# shellcheck disable=SC2086 # words
configure() {
	make -C "$source_tree" O="$1" $arguments tinyconfig
	(cd "$1" && "$source_tree/scripts/kconfig/merge_config.sh" -m -O "$1" .config "${fragments[@]}")
	make -C "$1" $arguments olddefconfig
	verify_config "$1"
	make -C "$1" $arguments rustavailable
}

# shellcheck disable=SC2086 # words
compile() {
	make -C "$1" $arguments -j"$(nproc)" bzImage modules
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
