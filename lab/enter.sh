#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# enter.sh COMMAND…: runs COMMAND inside the base, with the project and the
# cache at the paths they have outside. Makes the base first where it is missing.

. "$(dirname "$0")/common.sh"

# The variables that mean something inside; everything else stays outside, so
# that a build does not depend on whose shell it was started from.
passed=(ADD SRC T SEED ROUNDS INTERRUPTS WATCH CHECK_ENTRIES FUZZ DURATION ROUND LIMIT KERNEL KVM MMU CPU_MODEL
	CPUS ENGINE CI TERM NO_COLOR MINIVMX_CACHE MINIVMX_CACHE_SHARED http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY)

# chroot is not in an ordinary user's path.
PATH=$PATH:/usr/sbin:/sbin

# Namespaces: mounts disappear, and processes die, with the command. Root keeps
# its identity; anyone else becomes root of a user namespace.
namespaces=(--mount --pid --fork --kill-child=KILL)
[ "$(id -u)" = 0 ] || namespaces+=(--user --map-root-user)

# What lies anywhere: the directory ADD, and the file SRC with what is beside it. Inside
# they have places of their own.
if [ -n "${ADD:-}" ]; then
	[ -d "$ADD" ] || die "ADD=$ADD is not a directory"
	LEND_ADD=$(realpath "$ADD") ADD=/lent/add
fi
if [ -n "${SRC:-}" ]; then
	[ -f "$SRC" ] || die "SRC=$SRC is not a file"
	SRC=$(realpath "$SRC")
	LEND_SRC=${SRC%/*} SRC=/lent/src/${SRC##*/}
fi

BASE=$("$LAB/base.sh")
if [ -n "$SHARED" ]; then
	LEND_CACHE=$(realpath "$SHARED") MINIVMX_CACHE_SHARED=/lent/cache
	[ -d "$CACHE/cargo" ] || [ ! -d "$SHARED/cargo" ] || cp -R "$SHARED/cargo" "$CACHE"
fi
export BASE BUILD TOP LEND_ADD LEND_SRC LEND_CACHE

environment=(HOME=/root LANG=C.UTF-8 CARGO_HOME="$CACHE/cargo"
	PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
for name in "${passed[@]}"; do
	[ -z "${!name+set}" ] || environment+=("$name=${!name}")
done

# shellcheck disable=SC2016 # expands inside
exec unshare "${namespaces[@]}" bash -euc '
	here() { mkdir -p "$BASE$1"; mount --bind "$1" "$BASE$1"; }
	# In a base that is only read no directory can be made to mount at: its root is another.
	if [ -n "${LEND_CACHE:-}" ]; then
		root=$BUILD/root
		mkdir -p "$root"
		mount -t tmpfs tmpfs "$root"
		cp -dR "$BASE"/{bin,lib,lib64,sbin} "$root"
		mkdir "$root"/{dev,etc,proc,root,run,sys,tmp,usr,var}
		for name in etc usr var; do
			mount -o bind,ro "$BASE/$name" "$root/$name"
		done
		BASE=$root
	fi
	lend() { [ -z "$1" ] || { mkdir -p "$BASE$2"; mount -o bind,ro "$1" "$BASE$2"; }; }
	lend "${LEND_ADD:-}" /lent/add
	lend "${LEND_SRC:-}" /lent/src
	lend "${LEND_CACHE:-}" /lent/cache
	# make puts a FIFO there, named by a process number that other namespaces have too.
	mount -t tmpfs tmpfs "$BASE/tmp"
	mount --rbind /dev "$BASE/dev"
	mount --rbind /sys "$BASE/sys"
	# Mounting a new /proc is refused where the outer one is masked.
	mount -t proc proc "$BASE/proc" 2>/dev/null || mount --rbind /proc "$BASE/proc"
	mount --bind "$(realpath /etc/resolv.conf)" "$BASE/etc/resolv.conf"
	# A host behind a proxy that inspects TLS has a certificate of its own.
	[ ! -d /etc/ssl/certs ] || mount -o bind,ro /etc/ssl/certs "$BASE/etc/ssl/certs"
	# Last, lest another mount hide them.
	here "$TOP"
	here "$MINIVMX_CACHE"
	exec chroot "$BASE" env -i --chdir="$TOP" "$@"
' bash "${environment[@]}" "$@"
