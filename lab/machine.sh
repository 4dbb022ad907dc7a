# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What a boot is made of, before any engine is chosen: its directory, with another in it for
# what the machine is started from; its image; and its kernel command line. Sourced by boot.sh
# and run.sh after common.sh.

. "$LAB/engines.sh"

# What ADD may have, of the 512 MiB of the machine. It is there twice while it is unpacked.
ADD_MIB=150

# machine NAME KERNEL VAR=VALUE…: sets up boot NAME of that kernel's image; the
# variables are for lab/init. loglevel=5 lets warnings through and nothing less;
# a panic ends every engine, by the triple fault that it is made to cause; an idle CPU
# waits in HLT, because Bochs (3.0) misses writes that should end an MWAIT, and a task
# would wait for the next timer; the module refuses a kernel that uses FRED; KUnit and
# Debian's cryptography leave out the kernel's own tests, which would run beside ours.
machine() {
	BOOT=$BUILD/boot/$1
	MEDIA=$BOOT/media
	IMAGE=$BUILD/image/$2
	KERNEL_WORDS="console=ttyS0,115200 loglevel=5 oops=panic panic=-1 reboot=triple"
	KERNEL_WORDS+=" idle=halt fred=off kunit.filter_glob=minivmx* cryptomgr.notests"
	# QEMU's timer goes by the wall clock, and while this machine is busy the kernel,
	# which counts instructions, would think that there is none.
	KERNEL_WORDS+=" no_timer_check"
	CMDLINE="$KERNEL_WORDS ${*:3}"
	ENGINE=$("$LAB/engine.sh")
	case $ENGINE in
	bochs | nested | vng | tcg) ;;
	*) die "no engine is called '$ENGINE': bochs, nested, vng or tcg" ;;
	esac
	CMDLINE+=" MINIVMX_ENGINE=$ENGINE"
	rm -rf "$BOOT"
	mkdir -p "$MEDIA"
	: >"$BOOT/console.log"
	: >"$BOOT/output.log"
	[ -e "$IMAGE/bzImage" ] || die "there is no image of kernel '$2': it was not built, or could not be"
	INITRAMFS=$IMAGE/initramfs
	[ -z "${ADD:-}" ] || add_files
}

# The files in the directory ADD, in /add of the machine.
add_files() {
	local mib
	mib=$(du -sm "$ADD" | cut -f 1)
	[ "$mib" -le $ADD_MIB ] || die "ADD has $mib MiB, and $ADD_MIB MiB fit into the machine"
	mkdir "$MEDIA/added"
	cp -R "$ADD" "$MEDIA/added/add"
	INITRAMFS=$MEDIA/initramfs
	{
		pack "$MEDIA/added"
		cat "$IMAGE/initramfs"
	} >"$INITRAMFS"
	rm -rf "$MEDIA/added"
}

# run_machine: until it powers off. What it was started from goes, what it said stays.
run_machine() (
	trap 'rm -rf "$MEDIA"' EXIT
	"run_$ENGINE"
)

describe_machine() {
	printf '%s, %s, CPUs: %s' "$ENGINE" "${CPU_MODEL:-default CPU model}" "${CPUS:-1}"
}
