#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The second rung: `cargo test` of library, tool and the module's pure files, and the tests
# of the lab's own scripts, as TAP. The other crates are the kernel's own code. Runs inside
# the base.

. "$(dirname "$0")/common.sh"

log=$BUILD/log/cargo-test.log
status=0

KSRC=$("$LAB/kernel.sh" --source) CARGO_TARGET_DIR=$BUILD/cargo \
	cargo test --package minivmx --package minivmx-cli --package pure --package tlb \
	--no-fail-fast --color never \
	--manifest-path "$TOP/tools/Cargo.toml" >"$log" 2>&1 || status=$?

echo '#@ run cargo-test'
awk '
# The name of a test in documentation is some words.
function name() { return substr($0, 6, index($0, " ... ") - 6) }
/^test .* \.\.\. ok$/ { print "ok " ++n " " name() }
/^test .* \.\.\. ignored/ { print "ok " ++n " " name() " # SKIP ignored" }
/^test .* \.\.\. FAILED$/ { print "not ok " ++n " " name() }
END { print "1.." n + 0 }
' "$log"
echo "#@ status cargo-test $status"
"$LAB/check-test.sh"
"$LAB/check-tree-test.sh"
"$LAB/pack-test.sh"
"$LAB/install-test.sh"
