#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# image.sh [IMAGE]: makes build/image/IMAGE/{bzImage,initramfs}. An image is called after its
# kernel, lab (the default), debug or stock, and has everything; or it is "demo": Debian's
# kernel and what `make demo` shows, which is made soonest where there is nothing yet. Runs
# inside the base.

. "$(dirname "$0")/common.sh"

name=${1:-lab} kernel_name=$name parts=()
[ "$name" != demo ] || kernel_name=stock parts=(tool guests)
image=$BUILD/image/$name
root=$image/root

# One that is there was built now, and to the end.
rm -f "$image/bzImage"
kernel=$("$LAB/kernel.sh" "$kernel_name")

case $kernel_name in
stock)
	installed=/lib/modules/$(cat "$kernel/include/config/kernel.release")
	kvm=$installed/kernel
	bzImage=$installed/vmlinuz
	;;
*)
	kvm=$kernel
	bzImage=$kernel/arch/x86/boot/bzImage
	;;
esac

# minivmx and KVM, without what only a debugger reads.
copy_modules() {
	cp "$BUILD/module/$kernel_name/minivmx.ko" "$1"
	find "$kvm/virt/lib" "$kvm/arch/x86/kvm" \( -name '*.ko' -o -name '*.ko.xz' \) -exec cp -t "$1" {} +
	find "$1" -name '*.xz' -exec unxz {} +
	strip --strip-debug "$1"/*.ko
}

# A Linux that is a guest in the machine: the lab's kernel, whatever the machine's is, and
# where gdb_test finds what it looks for there.
add_linux() {
	local guest=$image/guest linux
	local for_gdb='start_kernel|rest_init|kernel_init|linux_banner|_stext|_einittext'
	rm -rf "$guest"
	mkdir -p "$guest"/{bin,dev,proc,sys,tmp} "$root/guests/linux"
	cp "$LAB/guest-init" "$guest/init"
	cp "$LAB/guest-work" /bin/busybox "$guest/bin"
	cp "$LAB/guest-work" "$root/guests/linux/work"
	cp "$LAB/guest-check" "$root/guests/linux/check"
	pack "$guest" "$root/guests/linux/initramfs"
	linux=$("$LAB/kernel.sh" lab)
	cp "$linux/arch/x86/boot/bzImage" "$root/guests/linux"
	grep -wE "$for_gdb" "$linux/System.map" >"$root/guests/linux/System.map"
}

fill_root() {
	rm -rf "$root"
	mkdir -p "$root"/{bin,dev,etc,proc,sys,tmp,lib/modules,guests}
	cp /bin/busybox "$BUILD/bin/minivmx" "$LAB/demo" "$root/bin"
	cp "$LAB/init" "$root/init"
	cp "$LAB/welcome" "$root/etc/motd"
	copy_modules "$root/lib/modules"
	cp /usr/share/seabios/bios-256k.bin "$BUILD"/guests/* "$root/guests"
}

add_tests() {
	mkdir "$root"/{examples,selftests}
	cp "$BUILD/fuzzers/fuzz" "$LAB"/{linux,soak,bench,compare,growth} "$root/bin"
	cp "$BUILD"/examples/* "$root/examples"
	find "$BUILD/selftests" -maxdepth 1 -type f -executable -exec cp -t "$root/selftests" {} +
	cp "$TOP"/selftests/{*_test,tool}.sh "$root/selftests"
	mv "$root/selftests/irqs_off" "$root/selftests/kexec" "$root/bin"
}

# pack DIRECTORY FILE. The kernel reads lz4's old ("legacy") frame only.
pack() {
	(cd "$1" && find . | cpio --quiet -o -H newc -R 0:0) | lz4 -q -l -1 >"$2.partial"
	mv "$2.partial" "$2"
}

step "module for kernel '$kernel_name'" "$LAB/module.sh" "$kernel_name"
"$LAB/userspace.sh" "${parts[@]}"
fill_root
if [ "$name" != demo ]; then
	add_tests
	add_linux
fi
pack "$root" "$image/initramfs"
cp "$bzImage" "$image/bzImage"
