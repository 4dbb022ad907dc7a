#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make bindings`: writes what the library has of uapi/minivmx.h and of the driver's list of
# VMCS fields, so that whoever builds the library needs neither bindgen nor a C compiler.
# With --check it only says whether they are up to date. Runs inside the base.

. "$(dirname "$0")/common.sh"

library=$TOP/tools/minivmx

# made KIND FROM TO: the file TO of the library, of that KIND, is made from FROM.
made() {
	local new=$BUILD/$1.rs
	"$library/bindings.py" "$1" "$TOP/$2" >"$new"
	rustfmt --edition 2021 "$new"
	if [ "$check" = --check ]; then
		diff "$library/$3" "$new"
	else
		cp "$new" "$library/$3"
	fi
}

check=${1:-}
made uapi uapi/minivmx.h src/uapi.rs
made fields src/vmx/field.rs src/field/list.rs
