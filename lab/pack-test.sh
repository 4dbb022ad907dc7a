#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Packs a cache that is made up, as `make cache.tar.zst` does, unpacks it elsewhere, and
# looks at what is there, which of both caches is used, and what stays in one. Prints TAP.

. "$(dirname "$0")/common.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
own=$work/own
shared=$work/shared
number=0

mkdir -p "$work/lab" "$shared" "$own"/{base-1/usr/lib,linux-1,kernel-lab-1/rust,kernel-stock-1,kernel-lab-2,bochs-1,cargo}
cp "$LAB"/{common,pack}.sh "$work/lab"
cat >"$work/lab/base.sh" <<-END
	#!/bin/sh
	echo "$own/base-1"
END
cat >"$work/lab/kernel.sh" <<-END
	#!/bin/sh
	[ \$1 = --source ] && echo "$own/linux-1" || echo "$own/kernel-\$1-1"
END
cat >"$work/lab/emulator.sh" <<-END
	#!/bin/sh
	echo "$own/bochs-1/bochs"
END
chmod +x "$work/lab"/*.sh
touch "$own"/{base-1,linux-1,kernel-lab-1,kernel-stock-1,kernel-lab-2,bochs-1}/.finished
touch "$own/kernel-stock-1/Makefile" "$own/bochs-1/bochs"
touch "$own"/base-1/usr/lib/crt1.o "$own"/kernel-lab-1/{vmlinux,rust/{core.o,.core.o.cmd,libcore.rmeta}}
chmod 600 "$own/base-1/usr/lib/crt1.o"
ln -s "$own/linux-1" "$own/kernel-lab-1/source"
printf 'export KBUILD_OUTPUT = %s/kernel-lab-1\ninclude %s/linux-1/Makefile\n' "$own" "$own" \
	>"$own/kernel-lab-1/Makefile"

# ok WHAT COMMAND…
ok() {
	local status=0 said
	said=$("${@:2}" 2>&1) || status=1
	number=$((number + 1))
	if [ "$status" = 0 ]; then
		echo "ok $number $1"
	else
		printf '# pack-test.sh:0: %s\nnot ok %d %s\n' "${said//$'\n'/; }" "$number" "$1"
	fi
}

packs() {
	MINIVMX_CACHE=$own KERNEL=stock "$work/lab/pack.sh" | tar -x -C "$shared"
}

# What is current, and of the kernel what modules are built from.
has_what_is_needed() {
	diff <(cd "$shared" && find . -type f -o -type l | LC_ALL=C sort) - <<-END
		./base-1/.finished
		./base-1/usr/lib/crt1.o
		./bochs-1/.finished
		./bochs-1/bochs
		./kernel-lab-1/.finished
		./kernel-lab-1/Makefile
		./kernel-lab-1/rust/libcore.rmeta
		./kernel-lab-1/source
		./kernel-stock-1/.finished
		./kernel-stock-1/Makefile
		./linux-1/.finished
	END
}

# Where enter.sh mounts it.
knows_where_it_is() {
	[ "$(readlink "$shared/kernel-lab-1/source")" = /lent/cache/linux-1 ] &&
		diff "$shared/kernel-lab-1/Makefile" - <<-END
			export KBUILD_OUTPUT = /lent/cache/kernel-lab-1
			include /lent/cache/linux-1/Makefile
		END
}

is_for_all() {
	! find "$shared" ! -type l ! -perm -a=r | grep .
}

# cached_is NAME DIRECTORY
cached_is() {
	[ "$(MINIVMX_CACHE=$own MINIVMX_CACHE_SHARED=$shared bash -c '. "$0"; cached "$1"' \
		"$work/lab/common.sh" "$1")" = "$2" ]
}

# once_in_own NAME: made there, or used.
once_in_own() {
	MINIVMX_CACHE=$own bash -c '. "$0"; once "$CACHE/$1" true' "$work/lab/common.sh" "$1"
}

# Two of three are old, and one of these is used.
unused_goes() {
	mkdir "$own"/kernel-{old,used,recent}
	touch -d '15 days ago' "$own"/kernel-{old,used}/.finished
	touch -d '12 days ago' "$own/kernel-recent/.finished"
	once_in_own kernel-used && once_in_own kernel-new &&
		[ -e "$own/kernel-new/.finished" ] && [ -e "$own/kernel-recent/.finished" ] &&
		[ -e "$own/kernel-used/.finished" ] && [ ! -e "$own/kernel-old" ]
}

echo '#@ run pack'
echo 1..8
ok "a cache is packed" packs
ok "the archive has what is needed, and no more" has_what_is_needed
ok "a kernel knows where it is" knows_where_it_is
ok "everyone can read it" is_for_all
ok "what is there is used" cached_is kernel-lab-1 "$shared/kernel-lab-1"
ok "what is not there is one's own" cached_is kernel-lab-2 "$own/kernel-lab-2"
rm "$shared/kernel-lab-1/.finished"
ok "what is not finished is one's own" cached_is kernel-lab-1 "$own/kernel-lab-1"
ok "what nobody used for two weeks goes" unused_goes
echo '#@ status pack 0'
