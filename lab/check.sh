#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make check`: all rungs of lab/matrix, as many at a time as there are CPUs; with
# T=PART only the selftests with PART in their names, in one boot, or with ENGINE= all
# but the long ones. What failed is said again at the end. The last line counts every
# result, and the exit status is 0 only if something passed and nothing failed. Runs
# inside the base.

. "$(dirname "$0")/common.sh"

rungs() {
	if [ -n "${T:-}${ENGINE:-}" ]; then
		one_boot
	else
		matrix
	fi
}

# The rung of nested VMX is there where that is.
matrix() {
	local without='#'
	[ "$(CPU_MODEL='' "$LAB/engine.sh")" = vng ] || without='#|vng'
	grep -vE "^($without)" "$LAB/matrix"
}

one_boot() {
	local engine model=${CPU_MODEL:-haswell} expect=
	engine=$("$LAB/engine.sh")
	[ "$engine" != vng ] || model=${CPU_MODEL:-host}
	case $engine-$model in
	tcg-*) expect=EXPECT=no-vmx ;;
	bochs-penryn) expect=EXPECT=no-ept,shadow ;;
	bochs-* | nested-*) expect=EXPECT=ept,shadow ;;
	esac
	echo "selftests boot ${KERNEL:-lab} $engine $model ${CPUS:-1} KVM=${KVM:-own} $expect" \
		"${T:+T=$T}" "${MMU:+MMU=$MMU}" "${ROUNDS:+ROUNDS=$ROUNDS}" "${SEED:+MINIVMX_SEED=$SEED}" \
		"${INTERRUPTS:+MINIVMX_INTERRUPTS=$INTERRUPTS}" \
		"${WATCH:+WATCH=$WATCH}" \
		"${CHECK_ENTRIES:+CHECK_ENTRIES=$CHECK_ENTRIES}"
}

images() {
	rungs | awk '$2 == "boot" { print $3 } $2 == "demo" { print $2 }' | sort -u
}

# Once more at the end, where a person looks first.
remind() {
	local name
	for name; do
		echo "Failed in $name:"
		cat "$BUILD/check/$name".{failures,verdict} 2>&1 | head -n 20 || :
	done
}

# A rung without counts has not run, and that is a failure.
total() {
	local name passed failed skipped sum=(0 0 0) red=()
	while read -r name _; do
		[ -s "$BUILD/check/$name.count" ] || echo 0 1 0 >"$BUILD/check/$name.count"
		read -r passed failed skipped <"$BUILD/check/$name.count"
		sum=($((sum[0] + passed)) $((sum[1] + failed)) $((sum[2] + skipped)))
		[ "$failed" = 0 ] || red+=("$name")
	done < <(rungs)
	remind "${red[@]}"
	printf '%d passed, %d failed, %d skipped\n' "${sum[@]}"
	[ "${sum[0]}" -gt 0 ] && [ "${sum[1]}" = 0 ]
}

# On a disk that fills up, rungs would fail for no fault of theirs.
check_disk() {
	local free
	free=$(free_gib "$BUILD")
	[ "$free" -ge 3 ] || die "there are $free GiB free in $BUILD: the tests want 3 GiB"
}

[ -n "${T:-}${ENGINE:-}" ] || check_disk
rm -rf "$BUILD/check"
mkdir -p "$BUILD/check"
# Where one could not be built, the rungs that boot it say so.
images | xargs -n 1 "$LAB/image.sh" || :
"$LAB/progress.sh" "$(rungs | wc -l)" &
progress=$!
rungs | xargs -L 1 -P "$(nproc)" "$LAB/rung.sh" || :
kill "$progress" 2>/dev/null || :
wait "$progress" 2>/dev/null || :
clear_line
total
