#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make cache.tar.zst`: what others need not make again, see pack.sh. Runs on the host.

. "$(dirname "$0")/common.sh"

unset MINIVMX_CACHE_SHARED
command -v zstd >/dev/null || die "this takes zstd: sudo apt-get install zstd"

pack() {
	"$LAB/enter.sh" "$LAB/pack.sh" | zstd -T0 -q -f -o "$1.partial"
	mv "$1.partial" "$1"
}

# Whatever is missing is made before, and seen.
"$LAB/enter.sh" true
for name in $(packed_kernels); do
	"$LAB/enter.sh" "$LAB/kernel.sh" "$name" >/dev/null
done
"$LAB/enter.sh" "$LAB/emulator.sh" plain >/dev/null
step "$1" pack "$1"
ls -sh "$1"
