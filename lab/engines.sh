# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The machines the lab can be. Each function runs the kernel of $IMAGE and $INITRAMFS
# with the command line $CMDLINE until the machine powers off, as lab/init makes it do after
# $LIMIT seconds by its own clock. COM1, the console, is $BOOT/console.log or, where
# $CONSOLE is "terminal", the terminal; COM2 is $BOOT/output.log. Sourced by boot.sh and
# run.sh.

# Bochs emulates VMX in software.
run_bochs() {
	case $CMDLINE in
	*JOB=kexec*)
		next_kernel
		pack_files next "$MEDIA/bzImage" "$IMAGE/initramfs"
		make_iso "$CMDLINE" "$IMAGE/bzImage" "$MEDIA/next.img" "$INITRAMFS"
		;;
	*) make_iso "$CMDLINE" "$IMAGE/bzImage" "$INITRAMFS" ;;
	esac
	run_iso "${CPUS:-1}" ${MEGS:+"megs: $MEGS"}
}

# Bochs, in it KVM, and in that the lab machine: KVM's nested VMX is a second opinion of
# what VMX does. Both kernels take the same words, the variables are for the inner one.
# Bochs does not know all MSRs that KVM asks for, and would log each time.
run_nested() {
	local outer
	outer=$("$LAB/nested.sh")
	printf '%s\n' "$CMDLINE" >"$MEDIA/cmdline"
	install -D "$LAB/nested-init" "$MEDIA/inner/init"
	pack_files inner "$IMAGE/bzImage" "$INITRAMFS" "$MEDIA/cmdline"
	make_iso "$KERNEL_WORDS CPUS=${CPUS:-1} CONSOLE=$CONSOLE" \
		"$outer/bzImage" "$MEDIA/inner.img" "$outer/initramfs"
	run_iso 1 'megs: 1280' 'error: action=ignore'
}

# The kernel for kexec, which takes only such as could be loaded above 4 GiB, and has no memory
# there: the flag (XLF_CAN_BE_LOADED_ABOVE_4G of the header's xloadflags) is set in a copy.
next_kernel() {
	local at=$((0x236)) flags
	cp "$IMAGE/bzImage" "$MEDIA"
	flags=$(od -A n -t u1 -j $at -N 1 "$MEDIA/bzImage")
	printf '%b' "\\x$(printf '%x' $((flags | 2)))" |
		dd of="$MEDIA/bzImage" bs=1 seek=$at conv=notrunc status=none
}

# pack DIRECTORY: an archive of what is in it. Not compressed, and for the first place among
# the machine's archives: the kernel takes whatever follows lz4 for more of it.
pack() {
	(cd "$1" && find . | cpio --quiet -o -H newc -R 0:0)
}

# pack_files NAME FILE…: the archive $MEDIA/NAME.img, with those in /NAME and what is in
# $MEDIA/NAME in /.
pack_files() {
	local tree=$MEDIA/$1
	mkdir -p "$tree/$1"
	ln -f "${@:2}" "$tree/$1"
	pack "$tree" >"$tree.img"
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

# make_iso WORDS KERNEL INITRAMFS…: the CD image $MEDIA/boot.iso, with the words of a kernel
# command line; Bochs has no way to take a kernel directly.
make_iso() {
	local words=$1 kernel=$2 tree=$MEDIA/cd initrd
	shift 2
	mkdir -p "$tree/isolinux"
	cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$tree/isolinux"
	cp "$kernel" "$@" "$tree"
	initrd=$(printf ',/%s' "${@##*/}")
	printf 'default lab\nlabel lab\n kernel /%s\n initrd %s\n append %s\n' \
		"${kernel##*/}" "${initrd#,}" "$words" >"$tree/isolinux/isolinux.cfg"
	xorriso -as mkisofs -quiet -o "$MEDIA/boot.iso" -b isolinux/isolinux.bin \
		-c isolinux/boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table "$tree" \
		>"$BOOT/xorriso.log" 2>&1
	rm -r "$tree"
}

# The demo takes what is there at once.
emulator() {
	if [ -n "${BOCHS:-}" ]; then
		echo "$BOCHS"
	elif [ "${IMAGE##*/}-${CPUS:-1}" = demo-1 ]; then
		echo bochs
	else
		"$LAB/emulator.sh" plain
	fi
}

# run_iso CPUS [LINE…]: boots that image in Bochs, with further lines for lab/bochsrc. Its
# display is a port, which others could reach, and of which two machines that start at once
# may get none: it has a network of its own.
run_iso() {
	local bochs com1="mode=file, dev=$BOOT/console.log"
	bochs=$(emulator)
	[ "$CONSOLE" = file ] || com1='mode=term, dev=/dev/tty'
	CPU_MODEL=$(bochs_model) CPUS=$1 BOOT=$BOOT MEDIA=$MEDIA BXSHARE=/usr/share/bochs \
		limited unshare --net "$bochs" -q -unlock -f "$LAB/bochsrc" "com1: enabled=1, $com1" "${@:2}" \
		</dev/null >"$BOOT/bochs.out" 2>&1
}

# Nested VMX of the host's KVM.
run_vng() {
	case $CMDLINE in
	*JOB=test*) run_virtme "${CPU_MODEL:-host}" ;;
	*) run_qemu kvm "${CPU_MODEL:-host}" ;;
	esac
}

# QEMU's own emulation has no VMX: it shows what the module says to such a CPU.
run_tcg() {
	case $CMDLINE in
	*JOB=test*) run_virtme max --disable-kvm ;;
	*) run_qemu tcg max ;;
	esac
}

# run_virtme CPU [OPTION…]: the selftests as the kernel's developers run theirs, by
# virtme-ng: not the initramfs, but lab/vng-job in a machine whose root file system is the
# base. virtme-ng has a console for its standard error only if it is verbose.
run_virtme() {
	local job
	job="IMAGE=$IMAGE BUILD=$BUILD KSRC=$("$LAB/kernel.sh" --source) $LAB/vng-job"
	{
		limited vng --verbose --run "$IMAGE/bzImage" \
			--force-9p --skip-modules --cpus "${CPUS:-1}" --append "$CMDLINE" \
			"${@:2}" --qemu-opts="-cpu $1" -- "$job" </dev/null 2>&1 >&3 |
			cat >"$BOOT/console.log"
	} 3>&1 | cat >"$BOOT/output.log"
}

# What is not about the selftests runs from the initramfs here too, and needs a terminal.
run_qemu() {
	local com1=file:$BOOT/console.log
	[ "$CONSOLE" = file ] || com1=mon:stdio
	limited qemu-system-x86_64 -accel "$1" -cpu "$2" -smp "${CPUS:-1}" -m 512 \
		-kernel "$IMAGE/bzImage" -initrd "$INITRAMFS" -append "$CMDLINE" \
		-nodefaults -display none -no-reboot \
		-serial "$com1" -serial "file:$BOOT/output.log"
}

# For a machine that does not get as far as to look at its clock. Emulated on an idle
# host, it takes up to three seconds for one of its own.
limited() {
	timeout --foreground --kill-after=5 $((10 * LIMIT)) "$@"
}
