#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Installs tool and module under another root, looks at what is there, and removes them
# again. Prints TAP. Wants the tool in build/bin.

. "$(dirname "$0")/common.sh"

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
number=0

result() {
	number=$((number + 1))
	[ "$2" = 0 ] || printf 'not '
	printf 'ok %d %s\n' "$number" "$1"
}

# ok WHAT COMMAND…
ok() {
	local status=0
	"${@:2}" >"$root.log" 2>&1 || status=1
	[ "$status" = 0 ] || sed "s/^/# ${0##*/}:0: /" "$root.log"
	rm -f "$root.log"
	result "$1" "$status"
}

has() {
	local file
	for file in "$@"; do
		[ -s "$root/$file" ] || {
			echo "no $file"
			return 1
		}
	done
}

has_nothing() {
	! find "$root" ! -type d | grep .
}

# is_for_all: files and directories that everyone can read.
is_for_all() {
	! find "$root/usr" ! -perm -a=r -o -type d ! -perm -a=x | grep .
}

echo '#@ run install'
echo 1..7
umask 077
ok "make install" make -s -C "$TOP" install DESTDIR="$root" PREFIX=/usr
ok "everyone can read what is installed" is_for_all
ok "tool, headers, pages and completions are there" \
	has usr/bin/minivmx usr/include/minivmx.h usr/share/man/man1/minivmx.1 \
	usr/share/man/man1/minivmx-lab-ept-vs-shadow.1 usr/share/zsh/site-functions/_minivmx \
	usr/share/bash-completion/completions/minivmx usr/share/fish/vendor_completions.d/minivmx.fish
ok "what is installed runs" "$root/usr/bin/minivmx" --version
mkdir -p "$root/lib/modules/7.3.4/updates"
touch "$root/lib/modules/7.3.4/updates/minivmx.ko" "$root/lib/modules/7.3.4/modules."{order,builtin}
ok "make uninstall" make -s -C "$TOP" uninstall DESTDIR="$root" PREFIX=/usr
rm -r "$root/lib/modules/7.3.4"
ok "nothing is left" has_nothing
ok "nothing to remove is no error" make -s -C "$TOP" uninstall DESTDIR="$root" PREFIX=/usr
echo '#@ status install 0'
