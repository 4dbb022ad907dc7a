#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make program SRC=FILE`: builds that file of C, with uapi/minivmx.h, or of Rust, with the
# library of tools/minivmx, as a program for the lab machine: statically linked, in
# build/program. Runs inside the base.

. "$(dirname "$0")/common.sh"

programs=$BUILD/program
target=x86_64-unknown-linux-gnu

build_c() {
	gcc -std=gnu11 -O2 -Wall -static -I "$TOP/uapi" -o "$2" "$1"
}

build_library() {
	RUSTFLAGS='-C target-feature=+crt-static' CARGO_TARGET_DIR=$BUILD/cargo \
		cargo build --release --target "$target" \
		--manifest-path "$TOP/tools/Cargo.toml" --package minivmx
}

build_rust() {
	local library=$BUILD/cargo/$target/release macros=$BUILD/cargo/release
	step "library" build_library
	rustc --edition 2021 -O --target "$target" -C target-feature=+crt-static \
		--extern "minivmx=$library/libminivmx.rlib" -L "dependency=$library/deps" \
		-L "dependency=$macros/deps" -o "$2" "$1"
}

[ -n "${SRC:-}" ] || die "which program? make program SRC=FILE.c or SRC=FILE.rs"
name=${SRC##*/}
program=$programs/${name%.*}
mkdir -p "$programs"
rm -f "$program"
case $name in
*.c) build_c "$SRC" "$program" ;;
*.rs) build_rust "$SRC" "$program" ;;
*) die "$name is neither C (.c) nor Rust (.rs)" ;;
esac
echo "It is build/program/${program##*/}, and make run ADD=build/program has it in the machine."
