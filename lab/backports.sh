#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# mmdebstrap's customize hook, run with the new root as $1: adds the kernel from backports,
# as source, and as Debian builds it. The mirror is the one that mmdebstrap chose. This is
# given as text to a shell whose user may not be able to read the file.

set -eu
root=$1
suite=trixie-backports

sed -n "s/^\(deb .*\) trixie main.*/\1 $suite main/p" \
	"$root/etc/apt/sources.list" >"$root/etc/apt/sources.list.d/backports.list"
[ -s "$root/etc/apt/sources.list.d/backports.list" ] || {
	echo "no line for trixie in the sources.list that mmdebstrap wrote" >&2
	exit 1
}

chroot "$root" apt-get update

# versions PATTERN: the packages with such names, and the versions that there are of each.
versions() {
	# shellcheck disable=SC2046 # words
	chroot "$root" apt-cache show $(chroot "$root" apt-cache pkgnames | grep -x "$1") |
		awk '/^Package: / { package = $2 } /^Version: / { print package, $2 }'
}

# Debian's kernel is called by another name with each version. That of the source is the one
# whose headers are of the same version; each flavour of it shares those called "common".
version=$(versions linux-source-7.3 | sort -V | tail -n 1 | cut -d ' ' -f 2)
stock=$(versions 'linux-headers-.*-common' |
	sed -n "s/^linux-headers-\(.*\)-common $version\$/\1-amd64/p")
[ -n "$stock" ] || {
	echo "no kernel of Debian's is of the version of linux-source-7.3, $version" >&2
	exit 1
}

chroot "$root" apt-get install --yes --no-install-recommends -t "$suite" \
	"linux-source-7.3=$version" "linux-config-7.3=$version" "linux-headers-$stock=$version" \
	"linux-binary-$stock=$version" "linux-modules-$stock=$version"
chroot "$root" apt-get clean

# What decides whether two kernels built here are the same kernel.
# shellcheck disable=SC2016 # the fields are dpkg's
chroot "$root" dpkg-query -W -f '${Package} ${Version}\n' \
	linux-source-7.3 gcc-14 clang-19 rustc rust-src bindgen >"$root/etc/minivmx-toolchain"
