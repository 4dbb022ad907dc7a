#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make format`: formats all Rust as the kernel formats its own; with --check it only
# says what it would change. Runs inside the base.

. "$(dirname "$0")/common.sh"

source_tree=$("$LAB/kernel.sh" --source)
find "$TOP/rust" "$TOP/src" "$TOP/tools" -name '*.rs' ! -name '*_generated.rs' -print0 |
	xargs -0 rustfmt --config-path "$source_tree/.rustfmt.toml" "$@"
