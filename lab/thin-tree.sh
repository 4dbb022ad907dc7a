#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# thin-tree.sh [KVER]: makes a tree in which Rust modules can be built for that kernel of
# Debian's (default: the one that runs), and prints it. Debian's headers have no Rust
# metadata, which rustc takes only from the very source, configuration and compiler that
# the kernel was made from. Debian has packages of all three: the metadata is made from
# those, and everything else is the headers' by links.

. "$(dirname "$0")/common.sh"

release=${1:-$(uname -r)}
headers=${MINIVMX_ROOT:-}/usr/src/linux-headers-$release
series=$(echo "$release" | sed -nE 's/^([0-9]+\.[0-9]+).*/\1/p')

refuse() {
	printf 'minivmx: %s.\n' "$*" >&2
	exit 1
}

option() {
	sed -n "s/^CONFIG_$1=//p" "$headers/.config" | tr -d '"'
}

version_of() {
	# shellcheck disable=SC2016 # the fields are dpkg's
	dpkg-query -W -f '${db:Status-Status} ${Version}\n' "$1" 2>/dev/null | sed -n 's/^installed //p'
}

check_debian() {
	command -v dpkg-query >/dev/null ||
		refuse "a tree from Debian's packages is made on Debian: here the kernel's headers may have what is needed (make KDIR=/lib/modules/\$(uname -r)/build)"
}

check_release() {
	[ "$(printf '%s\n' "$series" 7.3 | sort -V | head -n 1)" = 7.3 ] ||
		refuse "the kernel is Linux $release: minivmx needs 7.3 or newer, where the kernel's Rust has what it uses"
	[ -e "$headers/.config" ] ||
		refuse "the headers of the kernel $release are not here: apt install linux-headers-$release"
	[ "$(option RUST)" = y ] || refuse "the kernel $release has no Rust (CONFIG_RUST)"
}

# Those that the kernel's own makefiles ask for in the way to the metadata, and the compiler
# that the kernel was made by.
needed_packages() {
	echo "linux-headers-$release" "linux-source-$series" rustc rust-src bindgen pahole \
		"gcc-$(gcc_series)" make bc bison flex libelf-dev libssl-dev python3 xz-utils
}

gcc_series() {
	echo $(($(option GCC_VERSION) / 10000))
}

check_packages() {
	local package missing=()
	for package in $(needed_packages); do
		[ -n "$(version_of "$package")" ] || missing+=("$package")
	done
	[ ${#missing[@]} = 0 ] || refuse "the kernel $release wants packages that are not here: apt install ${missing[*]}"
}

# With another version of the source, structures may be laid out in another way.
check_versions() {
	local of_headers of_source
	of_headers=$(version_of "linux-headers-$release")
	of_source=$(version_of "linux-source-$series")
	[ "$of_headers" = "$of_source" ] ||
		refuse "linux-headers-$release is of version $of_headers, and linux-source-$series of $of_source: both must be of one version (apt install linux-source-$series=$of_headers)"
}

check_rustc() {
	local wanted found
	wanted=$(option RUSTC_VERSION_TEXT)
	found=$(/usr/bin/rustc --version)
	[ "$found" = "$wanted" ] ||
		refuse "the kernel $release was built by $wanted, and Debian's rustc here is ${found#rustc }"
}

what_goes_in() {
	local package
	cat "$LAB/thin-tree.sh" "$LAB/differing-options.sh"
	for package in $(needed_packages); do
		echo "$package $(version_of "$package")"
	done
}

# Most of the C files are not needed, and half the disk.
unpack() {
	local top=linux-source-$series
	tar -x -C "$1" --strip-components=1 -f "/usr/src/$top.tar.xz" --anchored \
		--exclude="$top/Documentation/*.rst" --exclude="$top/tools/testing" \
		--exclude="$top/*.dts" --exclude="$top/*.dtsi" --exclude="$top/drivers/*.c" \
		--exclude="$top/fs/*.c" --exclude="$top/net/*.c" --exclude="$top/sound/*.c"
}

kernel_make() {
	nice make -s -C "$1/source" O="$1/objects" ARCH=x86 LOCALVERSION="${release#"${release%%+*}"}" \
		CC="x86_64-linux-gnu-gcc-$(gcc_series)" RUSTC=/usr/bin/rustc BINDGEN=/usr/bin/bindgen "${@:2}"
}

# An option whose tool is missing, as pahole may be, is dropped without a word.
configure() {
	local differing=()
	cp "$headers/.config" "$1/objects"
	kernel_make "$1" olddefconfig
	mapfile -t differing < <("$LAB/differing-options.sh" "$headers/.config" "$1/objects/.config")
	[ ${#differing[@]} = 0 ] ||
		refuse "the tools of this machine would give the kernel another configuration, in ${differing[*]}"
}

make_metadata() {
	mkdir -p "$1"/{source,objects}
	unpack "$1/source"
	configure "$1"
	kernel_make "$1" -j"$(nproc)" prepare
}

link_headers() {
	mkdir "$1/scripts" "$1/rust"
	find "$headers" -mindepth 1 -maxdepth 1 ! -name scripts ! -name Makefile -exec ln -s -t "$1" {} +
	ln -s "$headers"/scripts/* "$1/scripts"
	sed "s,^KBUILD_OUTPUT=.*,KBUILD_OUTPUT=$1," "$headers/Makefile" >"$1/Makefile"
}

make_tree() {
	local work=$1/work
	make_metadata "$work"
	link_headers "$1"
	cp "$work/objects/scripts/target.json" "$1/scripts"
	cp "$work"/objects/rust/*.rmeta "$work"/objects/rust/*.so "$1/rust"
	rm -rf "$work"
}

make_with_step() {
	step "Rust metadata of $release" make_tree "$1"
}

check_debian
check_release
check_packages
check_versions
check_rustc
tree=$(cached "tree-$release-$(what_goes_in | key)")
once "$tree" make_with_step
echo "$tree"
