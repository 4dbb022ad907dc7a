#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# differing-options.sh CONFIG OTHER: names the options in which two configurations of a
# kernel differ, but for those that no layout depends on: names of the build and of the
# compiler, and what modules are signed with.

set -euo pipefail

options() {
	sed -nE 's/^# (CONFIG_[A-Z0-9_a-z]+) is not set$/\1=n/p; /^CONFIG_/p' "$1" |
		grep -vE '^CONFIG_(BUILD_SALT|CC_VERSION_TEXT|MODULE_SIG_ALL|MODULE_SIG_KEY|SYSTEM_TRUSTED_KEYS)=' |
		sort
}

comm -3 <(options "$1") <(options "$2") | sed -E 's/^\t?CONFIG_//; s/=.*//' | sort -u
