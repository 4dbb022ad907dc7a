# SPDX-License-Identifier: GPL-2.0
#
# The commands of the project. What is about this machine's own kernel happens here,
# everything else in the lab, see lab/.

ifdef KDIR
all: modules
else
all: help
endif

# The lab's commands are scripts of the same name.
lab_commands := demo linux soak program check bench bench-growth compare run module bindings format \
	fuzz profile deb

# By such short names an environment may mean something else.
ifneq ($(origin ADD),command line)
unexport ADD
endif
ifneq ($(origin SRC),command line)
unexport SRC
endif

.PHONY: all help modules stock modules_install tool install uninstall clean check-env cache.tar.zst \
	$(lab_commands)

$(lab_commands):
	@lab/enter.sh lab/$@.sh

check-env:
	@lab/check-env.sh

cache.tar.zst:
	@lab/cache.sh $@

# The last tree stays known, to modules_install.
modules:
	@lab/check-tree.sh "$(KDIR)"
	@mkdir -p build && ln -sfn "$(abspath $(KDIR))" build/tree
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

stock:
	@tree=$$(lab/thin-tree.sh $(KVER)) && $(MAKE) --no-print-directory modules \
		KDIR=$$tree RUSTC=/usr/bin/rustc BINDGEN=/usr/bin/bindgen

# Headers have neither the key that the kernel's modules are signed with, nor the map of
# symbols without which the kernel's own makefiles leave out depmod.
modules_install:
	@[ -e minivmx.ko ] || { \
		echo "minivmx: there is no module to install yet: make stock, or make KDIR=." >&2; exit 1; }
	$(MAKE) -C build/tree M=$(CURDIR) modules_install INSTALL_MOD_PATH=$(DESTDIR) DEPMOD=: \
		$(if $(wildcard build/tree/certs/signing_key.pem),,CONFIG_MODULE_SIG_ALL=)
	depmod -b "$(DESTDIR)/" "$$(cat build/tree/include/config/kernel.release)"

tool:
	@lab/userspace.sh tool

install:
	@lab/install.sh

uninstall:
	@lab/install.sh --remove

# What a kernel's makefiles left beside the sources goes without that kernel, which may be
# gone. The cache of base and kernels stays: it serves every checkout of this user.
clean:
	rm -rf build
	find . -name .git -prune -o -type f \( -name '*.o' -o -name '*.ko' -o -name '*.mod' \
		-o -name '*.mod.c' -o -name '.*.cmd' -o -name '.*.d' -o -name '*.rmeta' \
		-o -name '*_generated.rs' -o -name Module.symvers -o -name modules.order \) \
		-exec rm {} +

help:
	@sed -n 's/^#: \?//p' Makefile

#: make demo         a real firmware under EPT, in an emulated machine
#: make linux        Linux as a guest of minivmx and of KVM in that machine: what it
#:                   takes under EPT and under shadow paging, and a page with charts
#: make check        all tests; with T=part only selftests with that in their
#:                   names, or with ENGINE= all of them, in one boot
#: make bench        the figures of build/bench.json, beside KVM's
#: make profile      what the host executes for a row of the benchmark
#: make bench-growth what events cost as there is more of something
#: make compare      EPT and shadow paging: tables, and a page with charts
#: make fuzz         FUZZ=ioctl,guest,entry,diff in the machine, with the debug
#:                   kernel; FUZZ=walk or shadow: in userspace
#: make soak         a million interrupts, or INTERRUPTS=, then 50 boots of Linux, or
#:                   ROUNDS=, beside as many of KVM's, and nothing lost
#: make run          a shell on the emulated machine, module loaded
#: make program      SRC=hello.c or hello.rs for that machine, in build/program
#: make module       minivmx.ko for the lab kernel, in build/module/lab
#: make bindings     the library's form of uapi/minivmx.h, after a change of it
#: make format       all Rust sources in the kernel's format
#: make check-env    what this machine has and lacks for the above
#: make cache.tar.zst
#:                   base and kernel for others, and with KERNEL= that one too
#: make clean        remove build/, and what was built beside the sources
#:
#: For this machine's own kernel:
#: make stock        minivmx.ko for Debian's kernel that runs, or KVER=…, by
#:                   Debian's packages
#: make KDIR=/path   minivmx.ko for a kernel tree with CONFIG_RUST=y
#: make tool         the tool, in build/bin
#: make deb          Debian packages of the tool, and of the module for DKMS, in
#:                   build/deb
#: make install, modules_install, uninstall
#:                   tool and module, with PREFIX= and DESTDIR=
#:
#: ADD=DIRECTORY     with make run, demo, bench: the files in it, in /add of the
#:                   machine; its own demo or bench in place of the lab's
#: ENGINE=           who runs the machine: bochs, vng, tcg, or nested, which is
#:                   Bochs, and in it KVM, whose nested VMX is a second opinion
#:                   (default: vng where there is nested VMX, else bochs)
#: CPU_MODEL=        penryn, arrandale, haswell or skylake, of Bochs
#: CPUS=number       of the machine
#: KVM=own|borrow    without kvm_intel, or with it loaded
#: MMU=ept,vtlb,…    with T=part: once for each of these, of ept, vtlb, wp,
#:                   unsync, pv (default: ept); with make linux kvm-ept and
#:                   kvm-shadow, too
#: KERNEL=           with T=part: on that kernel: debug, or stock: Debian's own
#: ROUNDS=number     with T=part: each selftest so many times
#: LIMIT=seconds     of the machine's own clock, for a boot longer than those
#:                   of make check
#: WATCH=1           with T=part: how long were interrupts off?
#: CHECK_ENTRIES=1   with T=part: the module checks each VM entry before the CPU
#: SEED=number       with T=stress: only the guest program of that seed
#: INTERRUPTS=number with T=kick, and make soak: how many the guest counts
#: DURATION=seconds, SEED=number, ROUND=number    for each run of make fuzz
#: MINIVMX_CACHE_SHARED=/path
#:                   an unpacked cache.tar.zst, which is only read
#: MINIVMX_CACHE=/path
#:                   where base and kernels are (default: ~/.cache/minivmx)
