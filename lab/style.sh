#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The first rung: formatting and lint, as TAP. Runs inside the base.

. "$(dirname "$0")/common.sh"

source_tree=$("$LAB/kernel.sh" --source)

# Comments are left to whoever writes them: a row of a table is a line, all else has 100 columns.
long_comments() {
	LC_ALL=C.UTF-8 grep -rnP '^(?=.{101})\s*//(?![/!] \|)' "$TOP/src" "$TOP/rust" --include='*.rs'
}

check_rustfmt() {
	"$LAB/format.sh" --check && ! long_comments
}

check_shellcheck() {
	(cd "$LAB" && shellcheck ./*.sh init nested-init vng-job udevd demo linux bench compare growth soak \
		memtest ovmf guest-init guest-work guest-check debian-guest deb/minivmx-dkms/{postinst,prerm} ../.ci/run)
	(cd "$TOP/selftests" && shellcheck ./*.sh)
}

# checkpatch_of DIRECTORY… [-- OPTION…]
checkpatch_of() {
	local directories=()
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		directories+=("$TOP/$1")
		shift
	done
	find "${directories[@]}" -name '*.[chS]' -not -name trace.h -print0 |
		xargs -0 "$source_tree/scripts/checkpatch.pl" --no-tree --strict --terse \
			--show-types "${@:2}" -f
}

# Tracepoints are left out: as the kernel writes them is not as checkpatch wants code.
# Userspace shares memory with guests (VOLATILE), has no BIT() and no __packed, uses
# the names of <elf.h> (CAMELCASE), and wraps whole statements in its test macros.
check_checkpatch() {
	local status=0
	checkpatch_of rust src uapi || status=1
	checkpatch_of selftests tools Documentation -- --ignore \
		VOLATILE,BIT_MACRO,PREFER_DEFINED_ATTRIBUTE_MACRO,CAMELCASE,MACRO_ARG_REUSE || status=1
	return "$status"
}

# W=e makes every warning an error.
check_clippy() {
	MODULE_TREE=clippy "$LAB/module.sh" lab CLIPPY=1 W=e
}

check_tools_clippy() {
	KSRC=$source_tree CARGO_TARGET_DIR=$BUILD/cargo cargo clippy --quiet --all-targets \
		--package minivmx --package minivmx-cli --package pure --package tlb \
		--manifest-path "$TOP/tools/Cargo.toml" -- -D warnings
}

# The docs of the library; its links lead somewhere.
check_tools_doc() {
	RUSTDOCFLAGS='-D warnings' CARGO_TARGET_DIR=$BUILD/cargo \
		cargo doc --quiet --no-deps --manifest-path "$TOP/tools/Cargo.toml"
}

# A uapi header stands alone, in C as old as the kernel's users and in C++, and says
# of each member what it is.
check_uapi() {
	local header
	for header in "$TOP"/uapi/*.h; do
		gcc -std=gnu89 -Wall -Werror -fsyntax-only -x c "$header"
		g++ -Wall -Werror -fsyntax-only -x c++ "$header"
		"$source_tree/scripts/kernel-doc" -none -Wall -Werror "$header"
	done
}

check_docs() {
	"$LAB/docs.sh"
}

# What the library has of them is made from the header and the driver's list of fields.
check_bindings() {
	"$LAB/bindings.sh" --check
}

checks=(rustfmt shellcheck checkpatch clippy tools_clippy tools_doc uapi docs bindings)
declare -A remedies=([rustfmt]='make format' [bindings]='make bindings')
number=0

echo '#@ run style'
echo "1..${#checks[@]}"
for check in "${checks[@]}"; do
	number=$((number + 1))
	set +e
	(
		set -e
		"check_$check"
	) >"$BUILD/log/$check.log" 2>&1
	status=$?
	set -e
	if [ "$status" = 0 ]; then
		echo "ok $number $check"
	else
		remedy=${remedies[$check]:-}
		echo "not ok $number $check (see build/log/$check.log${remedy:+, and: $remedy})"
	fi
done
echo '#@ status style 0'
