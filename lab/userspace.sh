#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# userspace.sh [PART…]: builds, statically linked, what runs in the lab machine beside
# busybox: the tool (build/bin/minivmx), its guests (build/guests), the example that the
# docs of the library show (build/examples), the selftests (build/selftests) and the
# fuzzers (build/fuzzers); or of these only the parts named. Runs inside the base.

. "$(dirname "$0")/common.sh"

target=x86_64-unknown-linux-gnu

# Naming the target, though it is the host's, keeps the flags from procedural
# macros, which cannot be static.
build_crate() {
	RUSTFLAGS='-C target-feature=+crt-static' CARGO_TARGET_DIR=$BUILD/cargo \
		cargo build --release --target "$target" \
		--manifest-path "$TOP/tools/Cargo.toml" --package "$@"
}

build_tool() {
	build_crate minivmx-cli
	mkdir -p "$BUILD/bin"
	ln -sf "../cargo/$target/release/minivmx" "$BUILD/bin/minivmx"
}

# With what it is to print.
build_example() {
	build_crate minivmx --example sum
	mkdir -p "$BUILD/examples"
	ln -sf "../cargo/$target/release/examples/sum" "$BUILD/examples/sum"
	cp "$TOP/tools/minivmx/examples/sum.txt" "$BUILD/examples"
}

build_guests() {
	make -s -C "$TOP/tools/guests" all OUT="$BUILD/guests"
}

# All of them: T says which are to run.
build_selftests() {
	make -s -j"$(nproc)" -C "$TOP/selftests" all \
		KSRC="$("$LAB/kernel.sh" --source)" OUTPUT="$BUILD/selftests" \
		T='' USERCFLAGS=-Werror
}

build_fuzzers() {
	make -s -j"$(nproc)" -C "$TOP/selftests/fuzz" \
		KSRC="$("$LAB/kernel.sh" --source)" OUT="$BUILD/fuzzers"
}

if [ $# = 0 ]; then
	set -- tool guests example selftests fuzzers
fi
for part in "$@"; do
	step "$part" "build_$part"
done
