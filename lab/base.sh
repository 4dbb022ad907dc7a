#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes the base: Debian 13 with the packages of lab/packages, in a directory of
# its own in the cache. Prints that directory. Runs on the host.

. "$(dirname "$0")/common.sh"

suite=trixie
base=$(cached "base-$(cat "$LAB/packages" "$LAB/base.sh" "$LAB/backports.sh" "$LAB/udevd" | key)")

packages() {
	sed 's/#.*//' "$LAB/packages" | xargs | tr ' ' ','
}

# A tar in between makes root and an ordinary user go the same way: in both
# cases the files end up as the files of whoever extracts them.
bootstrap() {
	TMPDIR=/var/tmp mmdebstrap --variant=minbase --include="$(packages)" \
		--dpkgopt=force-unsafe-io \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--customize-hook="$(cat "$LAB/backports.sh")" \
		"${@:2}" "$suite" - | tar -x --no-same-owner --exclude='./dev/*' -C "$1"
}

# A mirror that lags serves Release files past their date; the signatures are
# checked all the same.
bootstrap_or_lag() {
	bootstrap "$1" 2>&1 | tee "$1.said" && return
	grep -q 'Release file .* is expired' "$1.said" || return
	echo "trying again, and accepting Release files that have expired"
	remove_tree "$1"
	mkdir "$1"
	bootstrap "$1" --aptopt='Acquire::Check-Valid-Until "false"'
}

make_base() {
	"$LAB/check-env.sh" --require >&2
	step "base system: Debian 13 and tools" bootstrap_or_lag "$1"
	# virtme-ng's machine has this system for its own, and calls both.
	cp "$LAB/udevd" "$1/usr/local/bin"
	ln -s /bin/busybox "$1/usr/local/bin/poweroff"
	mkdir -p "$1/proc" "$1/dev" "$1/sys" "$1/etc/ssl/certs"
	touch "$1/etc/resolv.conf"
}

once "$base" make_base
echo "$base"
