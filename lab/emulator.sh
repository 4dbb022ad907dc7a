#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# emulator.sh plain|counting: builds the emulator of the base once more, from Debian's own
# source, and prints the program. It is mended, so that a machine with several CPUs is right,
# and by a third faster than Debian's, which is hardened; "counting" has an instrumentation
# that counts, and is slower. Runs inside the base.

. "$(dirname "$0")/common.sh"

kind=$1
version=$(dpkg-query -W -f '${source:Version}' bochs)

# The machine that lab/bochsrc describes, as Debian configures it, without displays,
# sound, and the debugger.
options=(--with-rfb --disable-docbook --enable-a20-pin --enable-all-optimizations
	--enable-amx --enable-avx --enable-cdrom --enable-cet --enable-cpu-level=6
	--enable-evex --enable-fpu --enable-memtype --enable-pci --enable-protection-keys
	--enable-repeat-speedups --enable-smp --enable-svm --enable-uintr --enable-vmx=2
	--enable-x86-64)
instrumentation=()
case $kind in
plain) ;;
counting)
	options+=(--enable-instrumentation=instrument/minivmx)
	instrumentation=("$LAB"/profile/instrument.*)
	;;
*) die "no emulator is called '$kind': plain or counting" ;;
esac

emulator=$(cached "bochs-$kind-$({
	echo "$version"
	cat "$LAB"/emulator.sh "$LAB/bochs-several-cpus.patch" "${instrumentation[@]}"
} | key)")

# The base has package lists of binaries only. Debian's patches leave the emulator alone,
# so that the upstream archive will do; apt knows its checksum by the signed lists.
fetch() {
	local dir=$1 lists=$1/lists uri file hash
	mkdir -p "$lists/partial"
	sed 's/^deb /deb-src /' /etc/apt/sources.list >"$1/sources.list"
	set -- -o "Dir::Etc::SourceList=$1/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o "Dir::State::Lists=$lists" -o APT::Sandbox::User=root
	apt-get "$@" update
	read -r uri file _ hash < <(apt-get "$@" source --print-uris "bochs=$version" |
		grep -F .orig.tar)
	/usr/lib/apt/apt-helper "$@" download-file "$(echo "$uri" | tr -d "'")" "$dir/$file" "$hash"
	tar -x -C "$dir" -f "$dir/$file"
}

build() {
	local source
	fetch "$1"
	source=$(echo "$1"/bochs-*/)
	patch -d "$source" -p 1 <"$LAB/bochs-several-cpus.patch"
	mkdir "$source/instrument/minivmx"
	cp "$source/instrument/stubs/Makefile.in" "${instrumentation[@]}" \
		"$source/instrument/minivmx"
	(cd "$source" && ./configure "${options[@]}" CFLAGS=-O2 CXXFLAGS=-O2 && make -j"$(nproc)")
	cp "$source/bochs" "$1"
	rm -rf "$source" "$1"/bochs_* "$1/lists" "$1/sources.list"
}

make_emulator() {
	step "emulator '$kind'" build "$1"
}

once "$emulator" make_emulator
echo "$emulator/bochs"
