#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Says in one list what the lab needs of this machine, what was found, and what
# to do about what is missing. With --require it speaks only if something is.
# Runs on the host.

. "$(dirname "$0")/common.sh"

report=''
missing=0

found() {
	report+=$(printf '  found    %-22s %s' "$1" "$2")$'\n'
}

lacks() {
	report+=$(printf '  MISSING  %-22s %s' "$1" "$2")$'\n'
	missing=$((missing + 1))
}

# As root on Debian or Ubuntu a missing package is simply installed.
install_if_root() {
	[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
	echo "lab: installing $*" >&2
	apt-get update -qq >&2 && apt-get install -qq -y "$@" >&2
}

check_command() {
	local command=$1 package=$2
	command -v "$command" >/dev/null || install_if_root "$package" || :
	if command -v "$command" >/dev/null; then
		found "$command" "$(version_of "$package")"
	else
		lacks "$command" "sudo apt-get install $package"
	fi
}

version_of() {
	# shellcheck disable=SC2016 # the fields are dpkg's
	dpkg-query -W -f '${Package} ${Version}' "$1" 2>/dev/null || echo "not from a package"
}

check_commands() {
	check_command mmdebstrap mmdebstrap
	check_command unshare util-linux
	check_command flock util-linux
	check_command awk mawk
	check_command tar tar
}

check_keyring() {
	local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	[ -e "$keyring" ] || install_if_root debian-archive-keyring || :
	if [ -e "$keyring" ]; then
		found "Debian's keys" "$(version_of debian-archive-keyring)"
	else
		lacks "Debian's keys" "sudo apt-get install debian-archive-keyring"
	fi
}

# Where a base is, the kernels are still to come, or the next base.
check_disk() {
	local wanted=10
	! finished_base >/dev/null || wanted=5
	check_free "disk of the cache" $wanted "$CACHE" " (MINIVMX_CACHE= names another place)"
	check_free "disk of the checkout" 3 "$BUILD"
}

check_free() {
	local free
	free=$(free_gib "$3")
	if [ "$free" -ge "$2" ]; then
		found "$1" "$free GiB free in $3"
	else
		lacks "$1" "$free GiB free in $3, $2 GiB wanted${4:-}"
	fi
}

check_memory() {
	local mib
	mib=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
	if [ "$mib" -ge 2048 ]; then
		found "memory" "$mib MiB available"
	else
		lacks "memory" "$mib MiB available, 2048 MiB wanted"
	fi
}

check_namespaces() {
	if [ "$(id -u)" = 0 ]; then
		check_unshare "mount namespaces" "this root may not mount: give the container CAP_SYS_ADMIN"
	else
		check_unshare "user namespaces" "sudo sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0" \
			--user --map-root-user
		check_command newuidmap uidmap
		check_subordinate_ids
	fi
}

check_unshare() {
	local what=$1 advice=$2
	shift 2
	if unshare "$@" --mount mount -t tmpfs none /mnt 2>/dev/null; then
		found "$what" "usable"
	else
		lacks "$what" "$advice"
	fi
}

check_subordinate_ids() {
	local user
	user=$(id -un)
	if grep -q "^$user:" /etc/subuid && grep -q "^$user:" /etc/subgid; then
		found "subordinate ids" "$(grep "^$user:" /etc/subuid)"
	else
		lacks "subordinate ids" "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $user"
	fi
}

finished_base() {
	find "$CACHE" -maxdepth 2 -path '*/base-*/.finished' -printf '%h\n' | grep .
}

show_bases() {
	local base
	while read -r base; do
		printf '\nIn %s:\n' "$base"
		sed 's/^/  /' "$base/etc/minivmx-toolchain"
		dpkg-query --admindir="$base/var/lib/dpkg" -W -f '  ${Package} ${Version}\n' \
			bochs qemu-system-x86 cargo seabios busybox-static
	done < <(finished_base)
}

show_engine() {
	printf '\nThe lab machine is run by: %s\n' "$("$LAB/engine.sh")"
}

check_commands
check_keyring
check_disk
check_memory
check_namespaces

if [ "${1:-}" != --require ]; then
	printf '%s' "$report"
	show_bases
	show_engine
elif [ "$missing" != 0 ]; then
	printf 'The lab needs more than this machine has:\n%s' "$report" >&2
fi
[ "$missing" = 0 ]
