#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes what ENGINE=nested boots in Bochs: the lab kernel, and an initramfs with its KVM
# and the base's QEMU, but for /init, which comes with the machine to be run. Prints
# their directory, which is in the cache. Runs inside the base.

. "$(dirname "$0")/common.sh"

kernel=$("$LAB/kernel.sh" lab)
qemu=/usr/bin/qemu-system-x86_64

kvm_modules() {
	find "$kernel/virt/lib/irqbypass.ko" "$kernel/arch/x86/kvm" -name '*.ko'
}

# From the base, at the paths that they have there: QEMU asks for them by these.
base_files() {
	echo /bin/busybox "$qemu"
	ldd "$qemu" | grep -o '/[^ ]*'
	echo /usr/share/seabios/bios-256k.bin
	echo /usr/share/qemu/{kvmvapic,linuxboot,linuxboot_dma}.bin
}

what_goes_in() {
	# shellcheck disable=SC2046 # words
	cat "$LAB/nested.sh" "$kernel/arch/x86/boot/bzImage" $(kvm_modules) $(base_files)
}

fill_root() {
	mkdir -p "$1"/{bin,dev,proc,sys,lib/modules}
	kvm_modules | xargs cp -t "$1/lib/modules"
	base_files | xargs cp --parents --dereference -t "$1"
}

# The kernel reads lz4's old ("legacy") frame only.
make_machine() {
	fill_root "$1/root"
	(cd "$1/root" && find . | cpio --quiet -o -H newc -R 0:0) | lz4 -q -l -1 >"$1/initramfs"
	rm -r "$1/root"
	cp "$kernel/arch/x86/boot/bzImage" "$1"
}

machine=$(cached "nested-$(what_goes_in | key)")
once "$machine" make_machine
echo "$machine"
