#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The first rung: formatting and lint, as TAP. Runs inside the base.

. "$(dirname "$0")/common.sh"

source_tree=$("$LAB/kernel.sh" --source)

files() {
	find "$TOP"/{lab,rust,selftests,src,tools,uapi,.ci} -type f "$@"
}

check_rustfmt() {
	files -name '*.rs' ! -name '*_generated.rs' -print0 |
		xargs -0 rustfmt --check --config-path "$source_tree/.rustfmt.toml"
}

check_shellcheck() {
	(cd "$LAB" && shellcheck ./*.sh init demo bench ../.ci/run)
	files -path '*/selftests/*.sh' -print0 | xargs -0r shellcheck
}

check_checkpatch() {
	files \( -name '*.c' -o -name '*.h' -o -name '*.S' \) -print0 |
		xargs -0 "$source_tree/scripts/checkpatch.pl" --no-tree --strict --terse -f
}

# W=e makes every warning an error.
check_clippy() {
	MODULE_TREE=clippy "$LAB/module.sh" lab CLIPPY=1 W=e
}

check_tools_clippy() {
	CARGO_TARGET_DIR=$BUILD/cargo cargo clippy --quiet --all-targets \
		--manifest-path "$TOP/tools/Cargo.toml" -- -D warnings
}

# A uapi header stands alone, in C as old as the kernel's users and in C++.
check_uapi() {
	gcc -std=gnu89 -Wall -Werror -fsyntax-only -x c "$TOP/uapi/minivmx.h"
	g++ -Wall -Werror -fsyntax-only -x c++ "$TOP/uapi/minivmx.h"
}

checks=(rustfmt shellcheck checkpatch clippy tools_clippy uapi)
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
		echo "not ok $number $check (see build/log/$check.log)"
	fi
done
echo '#@ status style 0'
