#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# module.sh [KERNEL] [MAKE ARGUMENT…]: builds minivmx.ko for a kernel of the lab in
# build/module/KERNEL (or build/module/$MODULE_TREE). Runs inside the base.

. "$(dirname "$0")/common.sh"

name=${1:-lab}
shift || :
kernel=$("$LAB/kernel.sh" "$name")
tree=$BUILD/module/${MODULE_TREE:-$name}

# Kbuild puts objects beside their sources, so each kernel gets a tree of links
# of its own: two kernels never share an object, and nothing is copied. Of what another
# kernel's makefiles may have left beside the sources, nothing is linked.
link_sources() {
	local directory
	mkdir -p "$tree"
	find "$tree" -type l -delete
	ln -s "$TOP/Kbuild" "$tree"
	(cd "$TOP" && find rust src uapi -type d) | while read -r directory; do
		mkdir -p "$tree/$directory"
		find "$TOP/$directory" -maxdepth 1 \( -name '*.rs' -o -name '*.[chS]' \) \
			! -name '*_generated.rs' -exec ln -s -t "$tree/$directory" {} +
	done
}

# shellcheck disable=SC2046 # words
compile() {
	make -s -j"$(nproc)" -C "$kernel" M="$tree" $(kernel_arguments "$name") "$@" modules
}

# Compiler, objtool and modpost say their warnings once: a tree that had one is not kept.
refuse_warnings() {
	! grep -qi warning "$1" || {
		rm -r "$tree"
		die "a module with warnings is not for use"
	}
}

said=$(mktemp)
link_sources
compile "$@" 2>&1 | tee "$said" >&2
refuse_warnings "$said"
rm "$said"
