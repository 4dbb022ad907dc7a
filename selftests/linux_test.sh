#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# An unmodified Linux as the guest: `minivmx boot`, as a user has it. What its processes
# do, lab/guest-work, comes out as it does here; what it writes to its disk is there, and is
# read by the next; it hears what is typed; its clock has the right pace; its end is seen.
# Under EPT so it is with two CPUs, and under vtlb with two that a mailbox has started. By KVM,
# where that is, it is the same guest: one that differs would be no measure. Told of its machine by ACPI it finds its disk and its CPUs, and switches
# itself off; all others are told not to look. By virtio, too, it says things, and hears what is typed.
# Written into a file amid its work it goes on in another process, also with another way to translate its
# memory, and in KVM; and one of KVM's here.

linux=${MINIVMX_GUESTS:-/guests}/linux
said=/tmp/linux.said
patience=60
needed=$linux
. "$(dirname "$0")/tool.sh"

# When the guest listens. If it never does, its time limit comes first.
type_a_line() {
	for _ in $(seq 600); do
		if says '^guest: listens'; then
			echo 'what was typed'
			return
		fi
		sleep 0.2
	done
}

# start WORDS OPTION…: in the place of a shell that was forked for it.
start() {
	words=$1
	shift
	exec minivmx boot --kernel "$linux/bzImage" --initrd "$linux/initramfs" --memory 96M \
		--disk "$disk" "$@" --timeout 120 --cmdline "$words"
}

# linux OPTION…: so, too.
linux() {
	start 'console=ttyS0 acpi=off reboot=pci panic=-1 JOB=work' "$@"
}

reboots() {
	ends '^minivmx: the guest asked for a reset$'
}

# ends SENTENCE
ends() {
	boots=$((boots + 1))
	sed -i 's/\r//' "$said"
	says "$1"
}

# boot OPTION…
boot() {
	: >"$said"
	type_a_line | linux "$@" >"$said" 2>&1
	reboots
}

works_as_here() {
	"$linux/check" "$said" >/tmp/linux.differs && return
	cat /tmp/linux.differs >>"$said"
	return 1
}

hears() {
	says '^guest: heard what was typed$'
}

# One disk for all of them, which no other guest has meanwhile.
make_disk() {
	dd if=/dev/zero of="$disk" bs=1M count=1 2>/dev/null
	mke2fs -F "$disk" >"$said" 2>&1
}

# What the guest sees of it is what is there.
has_disk() {
	says "^guest: boot $boots with the disk$" &&
		says "^guest: written $(dd if=/bin/busybox bs=4096 count=50 2>/dev/null | md5sum)$" &&
		says "^guest: disk $(md5sum <"$disk")$"
}

# In hundredths, as the kernel's uptime has them: fractions are not exact in binary. sleep has to
# be started, too, which takes a while in an emulator.
keeps_time() {
	sed -n 's/^guest: two seconds from \(.*\) to \(.*\)$/\1 \2/p' "$said" |
		awk '{ passed = int(100 * ($2 - $1) + 0.5) } END { exit !(passed >= 200 && passed <= 220) }'
}

complains() {
	grep -E 'WARNING: |BUG: |Oops|Call Trace:|general protection|unchecked MSR|Kernel panic' "$said" ||
		grep -E 'ACPI.*(Error|Warning|Exception)|Firmware (Bug|Error|Warn)|setting ELCR|Watchdog' "$said"
}

is_content() {
	says 'Linux version' && ! complains >/dev/null
}

# The exits are in it, and the time that they took.
waits_in_hlt() {
	says '^ *[0-9]* *[0-9.]*  HLT (12)$' && says 'waiting [1-9]'
}

# The features that Linux found in its CPU.
cpu() {
	sed -n 's/^guest: CPU //p' "$said"
}

all_of_that_by_kvm() {
	boot --accel kvm && is_content && works_as_here && has_disk && hears && keeps_time
}

is_the_same_cpu() {
	cpu | diff /tmp/linux.cpu - >>"$said" && [ -s /tmp/linux.cpu ]
}

# One CPU interrupts another for much of that work. The first boots with a table of them.
with_two_cpus() {
	boot --cpus 2 "$@" && is_content && says '^guest: CPUs 2$' && works_as_here && has_disk &&
		hears && keeps_time
}

# by_acpi CPUS OPTION…
by_acpi() {
	cpus=$1
	shift
	(start 'console=ttyS0 panic=-1 JOB=machine END=poweroff' --cpus "$cpus" "$@") </dev/null >"$said" 2>&1
	ends '^minivmx: the guest switched itself off$' && is_content && says "^guest: CPUs $cpus$" &&
		says 'ACPI: PCI: Interrupt link LNKA configured for IRQ 11' && has_disk &&
		{ [ "$cpus" = 1 ] || switches_a_cpu; }
}

switches_a_cpu() {
	says '^guest: cpu1 is off, CPUs 1$' && says '^guest: cpu1 is on, CPUs 2$'
}

# under_ept NAME COMMAND…: as result, once: what it is about is the program's.
under_ept() {
	if [ "$mmu" = ept ]; then
		result "$@"
	else
		skip "$1" "once: under EPT"
	fi
}

# start_by_virtio WORDS OPTION…: it does not use its disk.
start_by_virtio() {
	words="earlyprintk=ttyS0 console=hvc0 panic=-1 JOB=console $1"
	shift
	start "$words" --console virtio "$@"
}

# by_virtio WORDS OPTION…: once by each table that says where its interrupt is.
by_virtio() {
	: >"$said"
	type_a_line | start_by_virtio "$@" >"$said" 2>&1
	sed -i 's/\r//' "$said"
	is_content && says '^guest: console hvc0$' && hears
}

has_a_console_of_virtio() {
	by_virtio END=poweroff --mmu "$mmu" && says '^minivmx: the guest switched itself off$' &&
		says 'ACPI: PCI: Interrupt link LNKB configured for IRQ 10'
}

# A guest that waits for a line is told it by another process, and then uses ACPI.
goes_on_by_virtio() {
	: >"$said"
	start_by_virtio END=poweroff --mmu "$mmu" --snapshot "$snapshot" </dev/null >"$said" 2>&1 &
	is_written $! '^guest: listens' || return
	echo 'what was typed' |
		minivmx boot --restore "$snapshot" --disk "$disk" --mmu "$mmu" --timeout 120 >"$said" 2>&1
	sed -i 's/\r//' "$said"
	hears && ! complains >/dev/null && says '^minivmx: the guest switched itself off$'
}

kvm_has_one_for_two_cpus() {
	by_virtio 'acpi=off reboot=pci' --accel kvm --cpus 2 && says '^minivmx: the guest asked for a reset$'
}

refuses_what_has_one_cpu() {
	! minivmx boot --kernel "$linux/bzImage" --mmu "$mmu" --cpus 2 >"$said" 2>&1 &&
		says "^minivmx: --cpus 2 needs --mmu ept or vtlb: $mmu protects the guest's tables, for one CPU only$"
}

# Only by ACPI it knows how.
with_two_by_mailbox() {
	: >"$said"
	type_a_line |
		(start 'console=ttyS0 panic=-1 JOB=work END=poweroff' --mmu "$mmu" --cpus 2) >"$said" 2>&1
	ends '^minivmx: the guest switched itself off$' && is_content && says '^guest: CPUs 2$' &&
		works_as_here && has_disk && hears && keeps_time
}

two_cpus() {
	case $mmu in
	ept) with_two_cpus --mmu "$mmu" && says '^guest: clock tsc$' && by_acpi 2 --mmu "$mmu" ;;
	vtlb) with_two_by_mailbox && by_acpi 2 --mmu "$mmu" ;;
	*) refuses_what_has_one_cpu ;;
	esac
}

# write_amid_work OPTION…: the guest goes into $snapshot while it works, and what it had said
# by then into $before; then it is ended. The line that says so begins anew, wherever the
# guest's was.
write_amid_work() {
	: >"$said"
	linux "$@" --snapshot "$snapshot" </dev/null >"$said" 2>&1 &
	is_written $! '^execs: '
	status=$?
	text=$(sed '/^minivmx: the guest as it is now is in /,$d' "$said" && echo .)
	printf %s "${text%??}" >"$before"
	[ $status = 0 ] && ! grep -q '^guest: ends' "$before"
}

# goes_on OPTION…: another process takes it from there.
goes_on() {
	cp "$before" "$said"
	type_a_line | minivmx boot --restore "$snapshot" --disk "$disk" "$@" --timeout 120 >>"$said" 2>&1
	reboots && is_content && works_as_here && has_disk && hears && keeps_time
}

goes_from_kvm_to_here() {
	write_amid_work --accel kvm && goes_on --mmu "$mmu"
}

is_refused() {
	dd if="$snapshot" bs=1M count=3 2>/dev/null >/tmp/linux.part
	! minivmx boot --restore /tmp/linux.part --mmu "$mmu" >"$said" 2>&1 &&
		says '^minivmx: /tmp/linux.part: the snapshot ends before its end: '
}

needs_its_disk() {
	! minivmx boot --restore "$snapshot" --mmu "$mmu" >"$said" 2>&1 &&
		says '^minivmx: the guest has a disk: --disk has to say where its image is$'
}

reason=
boots=0
disk=/tmp/linux.disk
snapshot=/tmp/linux.snapshot
before=/tmp/linux.before
[ "$mmu" != pv ] || reason="Linux does not call the hypervisor of minivmx_pv.h"
plan 23 "$reason"
make_disk
result boots_and_reboots boot --mmu "$mmu"
result content is_content
result work works_as_here
result disk has_disk
result input hears
result time keeps_time
result idle waits_in_hlt
sed -n '/exit reason$/,$s/^/# /p' "$said"
cpu >/tmp/linux.cpu
by_kvm kvm_runs_the_same all_of_that_by_kvm
by_kvm kvm_gives_the_same_cpu is_the_same_cpu
result snapshot write_amid_work --mmu "$mmu"
result goes_on_in_another_process goes_on --mmu "$mmu"
result goes_on_with_another_mmu goes_on --mmu "$([ "$mmu" = unsync ] && echo wp || echo unsync)"
result a_part_is_refused is_refused
result without_its_disk_is_refused needs_its_disk
by_kvm goes_on_in_kvm goes_on --accel kvm
by_kvm goes_from_kvm_to_here goes_from_kvm_to_here
rm -f "$snapshot" /tmp/linux.part
result acpi by_acpi 1 --mmu "$mmu"
by_kvm kvm_runs_the_same_by_acpi by_acpi 2 --accel kvm
under_ept console has_a_console_of_virtio
under_ept console_and_acpi_go_on goes_on_by_virtio
by_kvm kvm_runs_the_same_console kvm_has_one_for_two_cpus
result two_cpus two_cpus
by_kvm kvm_runs_the_same_with_two_cpus with_two_cpus --accel kvm
rm -f "$disk" "$snapshot"
