// SPDX-License-Identifier: GPL-2.0

//! The benchmark's guest on `/dev/kvm`.

use anyhow::{
    bail,
    Context,
    Result, //
};
use kvm_bindings::KVM_MAX_CPUID_ENTRIES;
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
    // The memory goes after the vCPU, which may use it.
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
        // SAFETY: The memory goes after the vCPU: see `Kvm`.
        unsafe { kvm::give(&vm, &memory) }?;
        populate(&memory)?;
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

/// Allocates all of the memory.
fn populate(memory: &GuestMemoryMmap) -> Result<()> {
    let address = memory.get_host_address(GuestAddress(0))?;
    // SAFETY: The range is the mapping's own, and its contents stay as they are.
    let answer =
        unsafe { libc::madvise(address.cast(), MEMORY as usize, libc::MADV_POPULATE_WRITE) };
    match answer {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()).context("allocating guest memory"),
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
