#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check-tree.sh TREE: whether the module can be built for the kernel whose tree that is.
# What it lacks is said in one sentence, with what to do about it, and the exit status
# is 1. MINIVMX_ROOT=/path is where to look for what the system says of itself.

set -euo pipefail

here=$(dirname "$0")
tree=$1
root=${MINIVMX_ROOT:-}

refuse() {
	printf 'minivmx: %s.\n' "$*" >&2
	exit 1
}

# Object trees have it in a file of its own, others in their first Makefile.
release() {
	cat "$tree/include/config/kernel.release" 2>/dev/null || sed -nE '
		s/^VERSION = ([0-9]+)$/\1/p
		s/^PATCHLEVEL = ([0-9]+)$/.\1/p
		s/^SUBLEVEL = ([0-9]+)$/.\1/p' "$tree/Makefile" | tr -d '\n'
}

is_older() {
	[ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" != "$2" ]
}

option() {
	sed -n "s/^CONFIG_$1=//p" "$tree/.config" | tr -d '"'
}

# The distribution that this is, or the one that it comes from.
distribution() {
	local ID='' ID_LIKE='' name
	# shellcheck disable=SC1091 # the system's
	[ ! -e "$root/etc/os-release" ] || . "$root/etc/os-release"
	for name in $ID $ID_LIKE; do
		case $name in
		debian | ubuntu | arch | fedora)
			echo "$name"
			return
			;;
		esac
	done
}

# For a distribution's kernel, or one's own.
is_distributions() {
	case $(realpath "$tree") in
	"$(realpath -m "$root/usr")"/* | "$(realpath -m "$root/lib")"/*) ;;
	*) false ;;
	esac
}

how_to_get_metadata() {
	local kind=own
	! is_distributions || kind=$(distribution)
	case $kind in
	debian) echo "\"make stock KVER=$1\" makes it from Debian's sources" ;;
	ubuntu) echo "apt install linux-lib-rust-$1" ;;
	fedora) echo "dnf install kernel-devel-$1" ;;
	arch) echo "pacman -S linux-headers" ;;
	*) echo "make -C $tree prepare" ;;
	esac
}

how_to_get_bindgen() {
	case $(distribution) in
	debian | ubuntu) echo "apt install bindgen" ;;
	fedora) echo "dnf install bindgen-cli" ;;
	arch) echo "pacman -S rust-bindgen" ;;
	*) echo "cargo install bindgen-cli" ;;
	esac
}

how_to_get_rustc() {
	case $(distribution) in
	debian | ubuntu) echo "apt install rustc rust-src, and take that one by RUSTC=/usr/bin/rustc" ;;
	*) echo "take the distribution's by RUSTC=" ;;
	esac
}

check_tree() {
	[ -d "$tree" ] || refuse "there is no kernel tree $tree: for a distribution's kernel it comes with" \
		"its headers (Debian, Ubuntu: apt install linux-headers-\$(uname -r); Fedora: dnf install" \
		"kernel-devel; Arch: pacman -S linux-headers)"
	[ -e "$tree/Makefile" ] || refuse "$tree is not a kernel tree: it has no Makefile"
	[ -e "$tree/.config" ] || refuse "the kernel tree $tree is not configured: make -C $tree olddefconfig prepare"
}

check_version() {
	local release
	release=$(release)
	[ -n "$release" ] || refuse "$tree is not a kernel tree: its Makefile says no version"
	! is_older "${release%%[-+]*}" 7.3 ||
		refuse "$tree is Linux $release: minivmx needs 7.3 or newer, where the kernel's Rust has what it uses"
}

check_rust() {
	[ "$(option RUST)" = y ] || refuse "the kernel of $tree has no Rust: it wants CONFIG_RUST=y," \
		"which depends on what \"make -C $tree rustavailable\" says"
	[ "$(option PREEMPT_RT)" != y ] ||
		refuse "the kernel of $tree has CONFIG_PREEMPT_RT, where spinlocks sleep: minivmx needs one without"
}

check_metadata() {
	local file
	for file in scripts/target.json rust/libkernel.rmeta; do
		[ -e "$tree/$file" ] || refuse "$tree has no Rust metadata ($file): $(how_to_get_metadata "$(release)")"
	done
}

# Metadata is of one compiler only, down to who built it.
check_rustc() {
	local wanted found
	wanted=$(option RUSTC_VERSION_TEXT)
	found=$(${RUSTC:-rustc} --version 2>/dev/null) || found="missing"
	[ "$found" = "$wanted" ] ||
		refuse "the kernel of $tree was built by $wanted, and ${RUSTC:-rustc} here is ${found#rustc }: $(how_to_get_rustc)"
}

check_bindgen() {
	command -v "${BINDGEN:-bindgen}" >/dev/null ||
		refuse "there is no ${BINDGEN:-bindgen}, which makes the bindings to C: $(how_to_get_bindgen)"
}

# running_config: that of the kernel that runs, where it says so.
running_config() {
	local file
	for file in "$root/proc/config.gz" "$root/boot/config-$1" "$root/lib/modules/$1/config"; do
		if [ -r "$file" ]; then
			zcat -f "$file"
			return
		fi
	done
}

# Such a module would load, and use structures that are laid out in another way.
check_running_config() {
	local running differing=()
	[ "$(release)" = "$(uname -r)" ] || return 0
	running=$(mktemp)
	running_config "$(uname -r)" >"$running"
	[ ! -s "$running" ] || mapfile -t differing < <("$here/differing-options.sh" "$tree/.config" "$running")
	rm "$running"
	[ ${#differing[@]} = 0 ] ||
		refuse "$tree has the name of the running kernel, and another configuration ($(some "${differing[@]}")):" \
			"a module for the one would corrupt the memory of the other"
}

# some WORD…: the first three, and how many there are besides.
some() {
	local more=$(($# - 3))
	echo "${*:1:3}$([ $more -le 0 ] || echo " and $more more")"
}

check_tree
check_version
check_rust
check_metadata
check_rustc
check_bindgen
check_running_config
