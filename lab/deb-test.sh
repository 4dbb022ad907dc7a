#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Installs the packages of `make deb` in a copy of the base, looks for what DKMS makes of
# them there for Debian's kernel, and removes them. Prints TAP. Runs inside the base; the
# copy is one of mounts, and whatever is written to it goes when this ends.

. "$(dirname "$0")/common.sh"

number=0
release=$(basename /lib/modules/*)
modules=/lib/modules/$release/updates/dkms

in_a_copy() {
	local copy=/tmp/copy
	mkdir -p "$copy"
	mount -t tmpfs tmpfs "$copy"
	mkdir "$copy"/{new,work,root}
	mount -t overlay overlay -o "lowerdir=$("$LAB/base.sh"),upperdir=$copy/new,workdir=$copy/work" "$copy/root"
	mount --rbind /proc "$copy/root/proc"
	mount --rbind /dev "$copy/root/dev"
	mkdir -p "$copy/root$TOP" "$copy/root$CACHE"
	mount --bind "$TOP" "$copy/root$TOP"
	mount --bind "$CACHE" "$copy/root$CACHE"
	exec chroot "$copy/root" "$LAB/deb-test.sh" --here
}

# ok WHAT COMMAND…
ok() {
	local status=0
	"${@:2}" >/tmp/said 2>&1 || status=1
	number=$((number + 1))
	if [ "$status" = 0 ]; then
		echo "ok $number $1"
	else
		sed "s/^/# ${0##*/}:0: /" /tmp/said
		echo "not ok $number $1"
	fi
}

install_both() {
	dpkg -i "$BUILD"/deb/minivmx_*.deb "$BUILD"/deb/minivmx-dkms_*.deb
}

contents() {
	dpkg-deb -c "$BUILD"/deb/minivmx_*.deb >/tmp/contents
	grep -q ' ./usr/share/man/man1/minivmx-run.1.gz$' /tmp/contents &&
		grep -q ' ./usr/share/bash-completion/completions/minivmx$' /tmp/contents
}

# For that kernel, signed, and found by modprobe.
module_is_there() {
	[ "$(modinfo -k "$release" -F vermagic minivmx | cut -d ' ' -f 1)" = "$release" ] &&
		[ -n "$(modinfo -k "$release" -F signer minivmx)" ] &&
		modprobe -S "$release" --show-depends minivmx | grep "^insmod $modules/minivmx.ko"
}

# What the copy has of that name; checkouts have left directories in the base, to mount at.
of_minivmx() {
	find / -xdev -name '*minivmx*'
}

nothing_is_left() {
	of_minivmx | diff /tmp/before -
}

# Debian's source in another version than the headers: a module of it may look at structures
# that are laid out in another way.
refuses_another_source() {
	sed -i '/^Package: linux-source-7.3$/,/^$/s/^Version: .*/Version: 7.3.9-1/' /var/lib/dpkg/status
	! install_both >/tmp/refused 2>&1 &&
		grep '^minivmx: .* is of version .*, and linux-source-7.3 of 7.3.9-1: .*\.$' /tmp/refused
}

[ "${1:-}" = --here ] || in_a_copy
of_minivmx >/tmp/before
echo '#@ run deb'
echo 1..7
ok "the tool's package has manual and completions" contents
ok "both packages can be installed" install_both
ok "what is installed runs" minivmx --version
ok "DKMS has built the module for Debian's kernel" module_is_there
ok "both can be removed" dpkg --purge minivmx minivmx-dkms
ok "nothing of them is left" nothing_is_left
ok "a source of another version is refused, in one sentence" refuses_another_source
echo '#@ status deb 0'
