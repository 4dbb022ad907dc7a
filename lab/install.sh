#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# install.sh [--remove]: puts the tool with its manual pages and completions, and the
# headers of the interface, under $DESTDIR$PREFIX (default: /usr/local), or removes them,
# and the module that modules_install has put beside the kernel's.

set -euo pipefail
# What is installed is for all users, whatever root's files are else.
umask 022

top=$(cd "$(dirname "$0")/.." && pwd -P)
tool=$top/build/bin/minivmx
prefix=${DESTDIR:-}${PREFIX:-/usr/local}

# put FILE: standard input, under the prefix.
put() {
	mkdir -p "$(dirname "$prefix/$1")"
	cat >"$prefix/$1"
}

# put_pages WORD…: the page of that command, and those of the commands that it names.
put_pages() {
	local page name
	page=$(
		IFS=-
		echo "minivmx${*:+-$*}"
	)
	"$tool" manual "$@" | put "share/man/man1/$page.1"
	for name in $(commands_of "$page"); do
		put_pages "$@" "$name"
	done
}

# commands_of PAGE: those that have pages of their own.
commands_of() {
	sed -n "s/\\\\-/-/g; s/^$1-\(.*\)(1)$/\1/p" "$prefix/share/man/man1/$1.1"
}

install_files() {
	[ -x "$tool" ] || {
		echo 'minivmx: there is no tool to install yet: make tool.' >&2
		exit 1
	}
	install -D -m 755 "$tool" "$prefix/bin/minivmx"
	install -D -m 644 -t "$prefix/include" "$top"/uapi/*.h
	put_pages
	"$tool" completion bash | put share/bash-completion/completions/minivmx
	"$tool" completion zsh | put share/zsh/site-functions/_minivmx
	"$tool" completion fish | put share/fish/vendor_completions.d/minivmx.fish
	echo "minivmx: installed under $prefix."
}

remove_files() {
	rm -f "$prefix"/bin/minivmx "$prefix"/include/{minivmx,minivmx_pv}.h \
		"$prefix"/share/man/man1/minivmx{,-*}.1 \
		"$prefix"/share/bash-completion/completions/minivmx \
		"$prefix"/share/zsh/site-functions/_minivmx \
		"$prefix"/share/fish/vendor_completions.d/minivmx.fish
	echo "minivmx: removed from $prefix."
}

remove_modules() {
	local module release
	for module in "${DESTDIR:-}"/lib/modules/*/updates/minivmx.ko*; do
		[ -e "$module" ] || continue
		rm "$module"
		release=$(basename "${module%/updates/*}")
		depmod -b "${DESTDIR:-/}" "$release"
		echo "minivmx: removed from the modules of $release."
	done
}

case ${1:-} in
--remove)
	remove_files
	remove_modules
	;;
*) install_files ;;
esac
