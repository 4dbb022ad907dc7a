// SPDX-License-Identifier: GPL-2.0

//! The benchmark's guest on `/dev/kvm`.

use std::fs;

use anyhow::{
    bail,
    Context,
    Result, //
};
use kvm_bindings::{
    kvm_dtable,
    kvm_regs,
    kvm_segment,
    kvm_sregs,
    kvm_userspace_memory_region,
    KVM_MAX_CPUID_ENTRIES, //
};
use kvm_ioctls::{
    Kvm as Device,
    VcpuExit,
    VcpuFd,
    VmFd, //
};
use minivmx::{
    LongMode,
    Regs,
    Segment,
    Sregs,
    Table, //
};
use vm_memory::{
    Bytes,
    GuestAddress,
    GuestMemory,
    GuestMemoryMmap, //
};

use super::hypervisor::{
    Hypervisor,
    Stop,
    MEMORY, //
};

/// A guest of KVM.
pub struct Kvm {
    // KVM looks at the memory as long as the VM lives: it goes last.
    vcpu: VcpuFd,
    _vm: VmFd,
    memory: GuestMemoryMmap,
    mmu: &'static str,
}

impl Kvm {
    /// Makes the guest.
    pub fn new(device: &Device) -> Result<Self> {
        let vm = device.create_vm().context("KVM_CREATE_VM")?;
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), MEMORY as usize)])?;
        give(&vm, &memory)?;
        memory.write_slice(&LongMode::image(), GuestAddress(LongMode::PML4))?;
        let vcpu = vm.create_vcpu(0).context("KVM_CREATE_VCPU")?;
        let cpuid = device.get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)?;
        vcpu.set_cpuid2(&cpuid).context("KVM_SET_CPUID2")?;
        let before = vcpu.get_sregs().context("KVM_GET_SREGS")?;
        vcpu.set_sregs(&long_mode(before))
            .context("KVM_SET_SREGS")?;
        Ok(Self {
            vcpu,
            _vm: vm,
            memory,
            mmu: mmu(),
        })
    }
}

/// Allocates the memory in 4 KiB pages and gives it to the VM.
fn give(vm: &VmFd, memory: &GuestMemoryMmap) -> Result<()> {
    let address = memory.get_host_address(GuestAddress(0))?;
    for advice in [libc::MADV_NOHUGEPAGE, libc::MADV_POPULATE_WRITE] {
        // SAFETY: The range is the mapping's own, and neither advice changes its contents.
        let answer = unsafe { libc::madvise(address.cast(), MEMORY as usize, advice) };
        // A kernel without transparent huge pages knows no MADV_NOHUGEPAGE and needs none.
        if answer != 0 && advice != libc::MADV_NOHUGEPAGE {
            return Err(std::io::Error::last_os_error()).context("allocating guest memory");
        }
    }
    let region = kvm_userspace_memory_region {
        slot: 0,
        flags: 0,
        guest_phys_addr: 0,
        memory_size: MEMORY,
        userspace_addr: address.addr() as u64,
    };
    // SAFETY: The memory stays mapped until after the VM is gone: see `Kvm`.
    unsafe { vm.set_user_memory_region(region) }.context("KVM_SET_USER_MEMORY_REGION")
}

/// KVM on Intel says there whether it uses EPT.
fn mmu() -> &'static str {
    match fs::read_to_string("/sys/module/kvm_intel/parameters/ept") {
        Ok(text) if text.trim() == "N" => "shadow",
        _ => "ept",
    }
}

impl Hypervisor for Kvm {
    fn subject(&self) -> &'static str {
        "kvm"
    }

    fn mmu(&self) -> &'static str {
        self.mmu
    }

    fn write(&mut self, gpa: u64, bytes: &[u8]) -> Result<()> {
        Ok(self.memory.write_slice(bytes, GuestAddress(gpa))?)
    }

    fn set_regs(&mut self, regs: &Regs) -> Result<()> {
        let regs = kvm_regs {
            rip: regs.rip,
            rsp: regs.rsp,
            rsi: regs.rsi,
            rdi: regs.rdi,
            rflags: regs.rflags,
            ..kvm_regs::default()
        };
        self.vcpu.set_regs(&regs).context("KVM_SET_REGS")
    }

    fn run(&mut self) -> Result<Stop> {
        match self.vcpu.run().context("KVM_RUN")? {
            VcpuExit::Hlt => Ok(Stop::Hlt),
            VcpuExit::IoOut(..) => Ok(Stop::Out),
            other => bail!("the guest stopped with {other:?}"),
        }
    }
}

/// The same system registers as in [`LongMode::sregs`], in KVM's form.
fn long_mode(before: kvm_sregs) -> kvm_sregs {
    let long = LongMode::sregs(&Sregs::default());
    kvm_sregs {
        cs: segment(&long.cs),
        ds: segment(&long.ds),
        es: segment(&long.es),
        fs: segment(&long.fs),
        gs: segment(&long.gs),
        ss: segment(&long.ss),
        tr: segment(&long.tr),
        ldt: segment(&long.ldtr),
        gdt: table(&long.gdtr),
        idt: table(&long.idtr),
        cr0: long.cr0,
        cr3: long.cr3,
        cr4: long.cr4,
        efer: long.efer,
        ..before
    }
}

fn segment(segment: &Segment) -> kvm_segment {
    let bits = |shift: u32, mask: u32| ((segment.access_rights >> shift) & mask) as u8;
    kvm_segment {
        base: segment.base,
        limit: segment.limit,
        selector: segment.selector,
        type_: bits(0, 15),
        s: bits(4, 1),
        dpl: bits(5, 3),
        present: bits(7, 1),
        avl: bits(12, 1),
        l: bits(13, 1),
        db: bits(14, 1),
        g: bits(15, 1),
        unusable: bits(16, 1),
        padding: 0,
    }
}

fn table(table: &Table) -> kvm_dtable {
    kvm_dtable {
        base: table.base,
        limit: table.limit as u16,
        padding: [0; 3],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_rights_are_taken_apart() {
        let sregs = long_mode(kvm_sregs::default());
        let code = sregs.cs;
        let fields = (code.type_, code.s, code.present, code.l, code.db, code.g);
        assert_eq!(fields, (11, 1, 1, 1, 0, 1));
        assert_eq!((sregs.ldt.unusable, sregs.tr.type_), (1, 11));
        assert_eq!(sregs.cr3, LongMode::PML4);
    }
}
