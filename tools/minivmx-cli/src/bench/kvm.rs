// SPDX-License-Identifier: GPL-2.0

//! The benchmark's guest on `/dev/kvm`.

use anyhow::{
    bail,
    Context,
    Result, //
};
use kvm_bindings::{
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
    Sregs, //
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
use crate::guest::kvm;

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
        let long = LongMode::sregs(&Sregs::default());
        vcpu.set_sregs(&kvm::sregs(&long, before))
            .context("KVM_SET_SREGS")?;
        Ok(Self {
            vcpu,
            _vm: vm,
            memory,
            mmu: kvm::mmu(),
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
        self.vcpu.set_regs(&kvm::regs(regs)).context("KVM_SET_REGS")
    }

    fn run(&mut self) -> Result<Stop> {
        match self.vcpu.run().context("KVM_RUN")? {
            VcpuExit::Hlt => Ok(Stop::Hlt),
            VcpuExit::IoOut(..) => Ok(Stop::Out),
            other => bail!("the guest stopped with {other:?}"),
        }
    }
}
