#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Shows check-tree.sh trees that lack one thing each, on the distributions that it knows,
# and thin-tree.sh systems that lack some, and looks for the sentence that says so. Prints
# TAP.

. "$(dirname "$0")/common.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
number=0

# A tree that lacks nothing, and a system on which it would be the running kernel's.
fresh() {
	rm -rf "${work:?}"/*
	mkdir -p "$work/bin" "$work/own/include/config" "$work/own/rust" "$work/own/scripts" \
		"$root"/{etc,boot,usr/src}
	echo 7.3.4-lab >"$work/own/include/config/kernel.release"
	touch "$work/own/Makefile" "$work/own/rust/libkernel.rmeta" "$work/own/scripts/target.json"
	printf 'CONFIG_RUST=y\nCONFIG_RUSTC_VERSION_TEXT="rustc 1.85.1 (abc)"\n# CONFIG_PREEMPT_RT is not set\nCONFIG_BUILD_SALT="a"\n' \
		>"$work/own/.config"
	cp "$work/own/.config" "$root/boot/config-7.3.4-lab"
	program rustc 'rustc 1.85.1 (abc)'
	program bindgen 'bindgen 0.71.1'
	program uname 7.3.4-lab
	tree=$work/own
	checker=("$LAB/check-tree.sh" "$tree")
	system debian
}

program() {
	printf '#!/bin/sh\necho "%s"\n' "$2" >"$work/bin/$1"
	chmod +x "$work/bin/$1"
}

system() {
	printf '%s\n' "ID=$1" "ID_LIKE='${2:-}'" >"$root/etc/os-release"
}

# The tree becomes that of a distribution's headers.
distributions() {
	system "$@"
	mv "$tree" "$root/usr/src/linux"
	tree=$root/usr/src/linux
	checker=("$LAB/check-tree.sh" "$tree")
}

check() {
	MINIVMX_ROOT=$root PATH=$work/bin:$PATH RUSTC=$work/bin/rustc BINDGEN=$work/bin/bindgen \
		"${checker[@]}" 2>&1
}

result() {
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $number $2"
	else
		printf '# %s:0: said: %s\nnot ok %d %s\n' "${0##*/}" "$said" "$number" "$2"
	fi
}

# says WHAT PART…: the tree is refused in one sentence, which has these parts.
says() {
	local what=$1 status=0 part
	shift
	said=$(check) && status=1
	[ "$(echo "$said" | wc -l)" = 1 ] || status=1
	for part in "$@"; do
		[[ $said == "minivmx: "*"$part"*. ]] || status=1
	done
	result "$status" "$what"
}

accepts() {
	local status=0
	said=$(check) || status=1
	[ -z "$said" ] || status=1
	result "$status" "$1"
}

echo '#@ run check-tree'
fresh
accepts "a tree that has everything"
fresh
rm -r "$tree"
says "no tree" "no kernel tree $tree" "apt install linux-headers"
fresh
rm "$tree/Makefile"
says "not a kernel's tree" "no Makefile"
fresh
rm "$tree/.config"
says "no configuration" "not configured" "make -C $tree"
fresh
echo 7.2.12-x >"$tree/include/config/kernel.release"
says "an older kernel" "Linux 7.2.12-x" "7.3 or newer"
fresh
rm -r "$tree/include"
printf 'VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 118\n' >"$tree/Makefile"
says "an older kernel's source" "Linux 6.12.118" "7.3 or newer"
fresh
echo 7.10.0 >"$tree/include/config/kernel.release"
accepts "a newer kernel"
fresh
echo 7.3.0-rc1 >"$tree/include/config/kernel.release"
accepts "the first with what is used"
fresh
sed -i /CONFIG_RUST=/d "$tree/.config"
says "no Rust" "CONFIG_RUST=y" rustavailable
fresh
echo CONFIG_PREEMPT_RT=y >>"$tree/.config"
says "spinlocks that sleep" CONFIG_PREEMPT_RT
fresh
rm "$tree/rust/libkernel.rmeta"
says "no metadata in one's own tree" "no Rust metadata" "make -C $tree prepare"
for name in "debian:make stock KVER=7.3.4-lab" "ubuntu debian:apt install linux-lib-rust-7.3.4-lab" \
	"linuxmint ubuntu debian:apt install linux-lib-rust-7.3.4-lab" \
	"arch:pacman -S linux-headers" "fedora:dnf install kernel-devel-7.3.4-lab"; do
	fresh
	ids=${name%%:*}
	distributions "${ids%% *}" "${ids#* }"
	rm "$tree/rust/libkernel.rmeta"
	says "no metadata on ${ids%% *}" "no Rust metadata" "${name#*:}"
done
fresh
program rustc 'rustc 1.85.1 (def)'
says "another compiler" "built by rustc 1.85.1 (abc)" "here is 1.85.1 (def)" "RUSTC="
fresh
rm "$work/bin/rustc"
says "no compiler" "here is missing" "apt install rustc"
for name in "debian:apt install bindgen" "fedora:dnf install bindgen-cli" \
	"arch:pacman -S rust-bindgen" "nixos:cargo install bindgen-cli"; do
	fresh
	system "${name%%:*}"
	rm "$work/bin/bindgen"
	says "no bindgen on ${name%%:*}" "there is no" "${name#*:}"
done
fresh
sed -i 's/SALT="a"/SALT="b"/' "$tree/.config"
accepts "a configuration that differs in what no layout depends on"
fresh
echo CONFIG_SCHED_CLASS_EXT=y >>"$tree/.config"
says "the running kernel's name, and another configuration" "(SCHED_CLASS_EXT)" "corrupt"
fresh
echo 'CONFIG_SCHED_CLASS_EXT=y' >>"$tree/.config"
program uname 7.3.4-other
accepts "another kernel's tree than the one that runs"

# Debian's headers, and what dpkg knows of: all packages but FIRST, the source in version
# SECOND.
packages() {
	local headers=$root/usr/src/linux-headers-7.3.4+deb13-amd64
	mkdir -p "$headers"
	printf 'CONFIG_RUST=y\nCONFIG_GCC_VERSION=140200\nCONFIG_RUSTC_VERSION_TEXT="rustc 1.85.1 (abc)"\n' \
		>"$headers/.config"
	cat >"$work/bin/dpkg-query" <<-END
		#!/bin/sh
		for package; do :; done
		case \$package in
		$1) exit 1 ;;
		linux-source-*) echo installed $2 ;;
		*) echo installed 7.3.4-1 ;;
		esac
	END
	chmod +x "$work/bin/dpkg-query"
	checker=("$LAB/thin-tree.sh" 7.3.4+deb13-amd64)
}

fresh
packages pahole 7.3.4-1
says "a thin tree without pahole" "packages that are not here" "apt install pahole"
fresh
packages gcc-14 7.3.4-1
says "a thin tree without the kernel's compiler" "apt install gcc-14"
fresh
packages pahole 7.3.4-1
rm "$root/usr/src/linux-headers-7.3.4+deb13-amd64/.config"
says "a thin tree without headers" "apt install linux-headers-7.3.4+deb13-amd64"
fresh
packages pahole 7.3.4-1
sed -i /CONFIG_RUST=/d "$root/usr/src/linux-headers-7.3.4+deb13-amd64/.config"
says "a thin tree of a kernel without Rust" "has no Rust (CONFIG_RUST)"
fresh
packages linux-source-6.12 7.3.4-1
checker=("$LAB/thin-tree.sh" 6.12.118+deb13-amd64)
says "a thin tree of an older kernel" "is Linux 6.12.118+deb13-amd64" "7.3 or newer"
fresh
packages none 7.3.5-1
says "headers and source of two versions" "is of version 7.3.4-1" "of 7.3.5-1" "apt install linux-source-7.3=7.3.4-1"
echo "1..$number"
echo '#@ status check-tree 0'
