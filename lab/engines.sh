# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The three machines the lab can be. Each function runs the kernel and initramfs
# of $IMAGE with the command line $CMDLINE until the machine powers off or $LIMIT
# seconds are over. COM1, the console, is $BOOT/console.log or, where $CONSOLE is
# "terminal", the terminal; COM2 is $BOOT/output.log. Sourced by boot.sh, run.sh.

# Bochs emulates VMX in software. It has no way to take a kernel directly, hence
# the CD image.
run_bochs() {
	local com1="mode=file, dev=$BOOT/console.log"
	[ "$CONSOLE" = file ] || com1='mode=term, dev=/dev/tty'
	make_iso
	CPU_MODEL=$(bochs_model) CPUS=${CPUS:-1} BOOT=$BOOT BXSHARE=/usr/share/bochs \
		limited bochs -q -unlock -f "$LAB/bochsrc" "com1: enabled=1, $com1" \
		</dev/null >"$BOOT/bochs.out" 2>&1
}

bochs_model() {
	case ${CPU_MODEL:-haswell} in
	penryn) echo core2_penryn_t9600 ;;
	arrandale) echo corei5_arrandale_m520 ;;
	haswell) echo corei7_haswell_4770 ;;
	skylake) echo corei7_skylake_x ;;
	*) echo "$CPU_MODEL" ;;
	esac
}

make_iso() {
	local tree=$BOOT/cd
	mkdir -p "$tree/isolinux"
	cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$tree/isolinux"
	ln -f "$IMAGE/bzImage" "$IMAGE/initramfs" "$tree"
	printf 'default lab\nlabel lab\n kernel /bzImage\n initrd /initramfs\n append %s\n' \
		"$CMDLINE" >"$tree/isolinux/isolinux.cfg"
	xorriso -as mkisofs -quiet -o "$BOOT/boot.iso" -b isolinux/isolinux.bin \
		-c isolinux/boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table "$tree" \
		>"$BOOT/xorriso.log" 2>&1
}

# Nested VMX of the host's KVM. This is the machine that virtme-ng starts, without
# virtme-ng's root file system: all engines run the same initramfs.
run_vng() {
	run_qemu kvm "${CPU_MODEL:-host}"
}

# QEMU's own emulation has no VMX: it shows what the module says to such a CPU.
run_tcg() {
	run_qemu tcg max
}

run_qemu() {
	local com1=file:$BOOT/console.log
	[ "$CONSOLE" = file ] || com1=mon:stdio
	limited qemu-system-x86_64 -accel "$1" -cpu "$2" -smp "${CPUS:-1}" -m 512 \
		-kernel "$IMAGE/bzImage" -initrd "$IMAGE/initramfs" -append "$CMDLINE" \
		-nodefaults -display none -no-reboot \
		-serial "$com1" -serial "file:$BOOT/output.log"
}

limited() {
	timeout --foreground --kill-after=5 "$LIMIT" "$@"
}
