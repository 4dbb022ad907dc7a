#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# mmdebstrap's customize hook, run with the new root as $1: adds the kernel
# from backports, as source, and as Debian builds it. The mirror is the one that mmdebstrap chose. It is given
# as text to a shell whose user may not be able to read this file.

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
# Its name says more of its version than the source package's.
stock=$(chroot "$root" apt-cache pkgnames linux-headers-7.3 |
	sed -n 's/^linux-headers-\(7\.3\.[0-9]*+deb[0-9]*-amd64\)$/\1/p' | sort -V | tail -n 1)
chroot "$root" apt-get install --yes --no-install-recommends -t "$suite" \
	linux-source-7.3 linux-config-7.3 \
	"linux-headers-$stock" "linux-binary-$stock" "linux-modules-$stock"
chroot "$root" apt-get clean

# What decides whether two kernels built here are the same kernel.
# shellcheck disable=SC2016 # the fields are dpkg's
chroot "$root" dpkg-query -W -f '${Package} ${Version}\n' \
	linux-source-7.3 gcc-14 clang-19 rustc rust-src bindgen >"$root/etc/minivmx-toolchain"
