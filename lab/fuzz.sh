#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fuzz.sh TARGET [SECONDS]: runs a target of tools/pure/fuzz (walk, shadow), by default
# for ten minutes. Runs inside the base. What was found stays in build/fuzz.

. "$(dirname "$0")/common.sh"

target=$1
seconds=${2:-600}
fuzz=$TOP/tools/pure/fuzz
corpus=$BUILD/fuzz/corpus/$target
artifacts=$BUILD/fuzz/artifacts/$target

# The newest cargo-fuzz that Debian 13's compiler builds.
export PATH=$BUILD/cargo-fuzz/bin:$PATH
[ -x "$BUILD/cargo-fuzz/bin/cargo-fuzz" ] ||
	cargo install --quiet --locked --version 0.12.0 --root "$BUILD/cargo-fuzz" cargo-fuzz

mkdir -p "$corpus" "$artifacts"
KSRC=$("$LAB/kernel.sh" --source)
# libFuzzer's instrumentation is not in stable Rust: this makes the compiler accept it.
export KSRC RUSTC_BOOTSTRAP=1
cd "$TOP/tools/pure" || exit
cargo fuzz run --sanitizer none --fuzz-dir "$fuzz" --target-dir "$BUILD/cargo-fuzz" \
	"$target" "$corpus" -- \
	-max_total_time="$seconds" -max_len=4096 -artifact_prefix="$artifacts/"
