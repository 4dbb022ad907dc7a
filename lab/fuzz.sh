#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make fuzz`: the fuzzers in FUZZ, each for DURATION seconds under each MMU in MMU.
#
#   ioctl, guest, entry  programs and guests (selftests/fuzz) in one boot of the machine, on
#                        the debug kernel unless KERNEL says otherwise; with SEED and ROUND
#                        what a run that failed has said; VM entries are checked before the
#                        CPU does it, but for "entry", which asks both
#   diff                 one guest under every MMU, compared exit by exit; by itself, and on
#                        one CPU, since with two Bochs (3.0) is at times wrong about RIP
#   walk, shadow         what the module has of pure code, by cargo-fuzz (tools/pure/fuzz);
#                        what was found stays in build/fuzz
#
# Runs inside the base.

. "$(dirname "$0")/common.sh"

all=ioctl,guest,entry
mmus=ept,vtlb,wp,unsync,pv

# The newest cargo-fuzz that Debian 13's compiler builds.
fuzz_pure_code() {
	local target=$1 corpus=$BUILD/fuzz/corpus/$1 artifacts=$BUILD/fuzz/artifacts/$1
	export PATH=$BUILD/cargo-fuzz/bin:$PATH
	[ -x "$BUILD/cargo-fuzz/bin/cargo-fuzz" ] ||
		cargo install --quiet --locked --version 0.12.0 --root "$BUILD/cargo-fuzz" cargo-fuzz
	mkdir -p "$corpus" "$artifacts"
	KSRC=$("$LAB/kernel.sh" --source)
	# libFuzzer's instrumentation is not in stable Rust: this makes the compiler accept it.
	export KSRC RUSTC_BOOTSTRAP=1
	cd "$TOP/tools/pure"
	cargo fuzz run --sanitizer none --fuzz-dir "$TOP/tools/pure/fuzz" \
		--target-dir "$BUILD/cargo-fuzz" "$target" "$corpus" -- \
		-max_total_time="${DURATION:-600}" -max_len=4096 -artifact_prefix="$artifacts/"
}

# There are 22 runs: two seeds, and five MMUs of most.
fuzz_driver() {
	local kernel=${KERNEL:-debug} seconds=${DURATION:-60} cpus=2
	[ "${FUZZ:-}" != diff ] || cpus=1
	"$LAB/image.sh" "$kernel"
	SHOW=1 CPUS=${CPUS:-$cpus} LIMIT=${LIMIT:-$((600 + 30 * seconds))} \
		"$LAB/boot.sh" fuzz "$kernel" JOB=fuzz KVM="${KVM:-own}" EXPECT=ept,shadow \
		CHECK_ENTRIES=1 \
		FUZZ="${FUZZ:-$all}" MMU="${MMU:-$mmus}" FUZZ_SECONDS="$seconds" \
		${SEED:+FUZZ_SEED=$SEED} ${ROUND:+FUZZ_ROUND=$ROUND}
}

case ${FUZZ:-} in
walk | shadow) fuzz_pure_code "$FUZZ" ;;
*) fuzz_driver ;;
esac
