#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make deb`: makes two packages for Debian, in build/deb: minivmx with what install.sh
# installs, and minivmx-dkms with the module's sources, from which DKMS builds it for each
# kernel. Runs inside the base.

. "$(dirname "$0")/common.sh"

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$TOP/tools/minivmx-cli/Cargo.toml")
packages=$BUILD/deb

# filled_in FROM TO: with the version where it belongs.
filled_in() {
	sed "s/@VERSION@/$version/g" "$1" >"$2"
	chmod --reference="$1" "$2"
}

fill_minivmx() {
	DESTDIR=$1 PREFIX=/usr "$LAB/install.sh"
	strip "$1/usr/bin/minivmx"
	find "$1/usr/share/man" -name '*.1' -exec gzip -9n {} +
}

# What `make stock` reads.
fill_minivmx-dkms() {
	local sources=$1/usr/src/minivmx-$version
	mkdir -p "$sources"
	(
		cd "$TOP"
		find Kbuild Makefile lab/{common,thin-tree,differing-options,check-tree}.sh rust src uapi \
			\( -name '*.rs' -o -name '*.[chS]' -o -name '*.sh' -o -name Kbuild -o -name Makefile \) \
			! -name '*_generated.rs' -exec cp --parents -t "$sources" {} +
	)
	filled_in "$LAB/deb/dkms.conf" "$sources/dkms.conf"
}

# pack PACKAGE
pack() {
	local root=$packages/$1 file
	mkdir -p "$root/DEBIAN"
	for file in "$LAB/deb/$1"/*; do
		filled_in "$file" "$root/DEBIAN/${file##*/}"
	done
	install -D -m 644 "$TOP/COPYING" "$root/usr/share/doc/$1/copyright"
	"fill_$1" "$root"
	chmod -R u+w,go-w,a+rX "$root"
	dpkg-deb --root-owner-group --build "$root" "$packages"
	rm -r "$root"
}

"$LAB/userspace.sh" tool
rm -rf "$packages"
step "packages" eval 'pack minivmx && pack minivmx-dkms'
echo "They are in build/deb: $(cd "$packages" && echo *)"
