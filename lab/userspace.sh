#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds, statically linked, what runs in the lab machine beside busybox: the tool
# (build/bin/minivmx), its guests (build/guests) and the selftests (build/selftests).
# Runs inside the base.

. "$(dirname "$0")/common.sh"

target=x86_64-unknown-linux-gnu

# Naming the target, though it is the host's, keeps the flags from procedural
# macros, which cannot be static.
build_tool() {
	RUSTFLAGS='-C target-feature=+crt-static' CARGO_TARGET_DIR=$BUILD/cargo \
		cargo build --release --target "$target" \
		--manifest-path "$TOP/tools/Cargo.toml" --package minivmx-cli
	mkdir -p "$BUILD/bin"
	ln -sf "../cargo/$target/release/minivmx" "$BUILD/bin/minivmx"
}

build_guests() {
	make -s -C "$TOP/tools/guests" all OUT="$BUILD/guests"
}

build_selftests() {
	make -s -j"$(nproc)" -C "$TOP/selftests" all \
		KSRC="$("$LAB/kernel.sh" --source)" OUT="$BUILD/selftests"
}

step "tool" build_tool
step "guests" build_guests
step "selftests" build_selftests
