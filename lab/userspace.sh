#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# userspace.sh [PART…]: builds, statically linked, what runs in the lab machine beside
# busybox: the tool (build/bin/minivmx), its guests (build/guests), the examples of
# the library (build/examples), the selftests (build/selftests) and the fuzzers
# (build/fuzzers); or of these only the parts named. Runs inside the base.

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

# With what they are to print.
build_examples() {
	local example program
	build_crate minivmx --examples
	rm -rf "$BUILD/examples"
	mkdir -p "$BUILD/examples"
	for example in "$TOP"/tools/minivmx/examples/*.rs; do
		program=$(basename "$example" .rs)
		ln -sf "../cargo/$target/release/examples/$program" "$BUILD/examples/$program"
		cp "${example%.rs}.txt" "$BUILD/examples"
	done
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
	set -- tool guests examples selftests fuzzers
fi
for part in "$@"; do
	step "$part" "build_$part"
done
