#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# pack.sh: writes an archive to standard output, of what the cache has for this checkout:
# base, kernel source, the lab kernel, the tree for Debian's, with KERNEL=debug that kernel
# too, the emulator, and the crates. Unpacked anywhere, it serves others as
# MINIVMX_CACHE_SHARED. Runs inside the base.

. "$(dirname "$0")/common.sh"

# These know in which directory they are. enter.sh has a cache that is shared in this one.
shared=/lent/cache

# What is read of a kernel is what modules are built from, and the kernel itself.
excluded=(--anchored)
for name in '*.o' '*.a' '.*.cmd' '*/.*.cmd' vmlinux 'vmlinux.*' '.tmp_*'; do
	excluded+=(--exclude="kernel-*/$name")
done

# moved DIRECTORY: those files of it that name the cache's directory, for the other.
moved() {
	local tree=${1##*/} link
	mkdir "$work/$tree"
	# The name with ./ keeps it from being excluded with the file that it replaces.
	rewritten+=("./$tree")
	sed "s,$CACHE/,$shared/,g" "$1/Makefile" >"$work/$tree/Makefile"
	excluded+=(--exclude="$tree/Makefile")
	[ -L "$1/source" ] || return 0
	link=$(readlink "$1/source")
	ln -s "$shared/${link##*/}" "$work/$tree/source"
	excluded+=(--exclude="$tree/source")
}

rewritten=()
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
packed=("$(basename "$("$LAB/base.sh")")" "$(basename "$("$LAB/kernel.sh" --source)")")
for name in $(packed_kernels); do
	kernel=$("$LAB/kernel.sh" "$name")
	packed+=("${kernel##*/}")
	moved "$kernel"
done
packed+=("$(basename "$(dirname "$("$LAB/emulator.sh" plain)")")")
[ ! -d "$CACHE/cargo" ] || packed+=(cargo)

tar -c --owner=0 --group=0 --mode=u+rw,a+rX -C "$CACHE" "${excluded[@]}" "${packed[@]}" \
	-C "$work" "${rewritten[@]}"
