// SPDX-License-Identifier: GPL-2.0

//! The benchmark's guest on `/dev/minivmx`.

use anyhow::{
    bail,
    Result, //
};
use minivmx::{
    Device,
    Exit,
    GuestMemory,
    LongMode,
    MapFlags,
    Mmu,
    Regs,
    Vcpu,
    Vm, //
};

use super::hypervisor::{
    Hypervisor,
    Stop,
    MEMORY, //
};

/// A guest of minivmx.
pub struct Minivmx {
    vm: Vm,
    vcpu: Vcpu,
    memory: GuestMemory,
}

impl Minivmx {
    /// Makes the guest.
    pub fn new(device: &Device, mmu: Mmu) -> Result<Self> {
        Self::with_memory(device, mmu, MEMORY, MapFlags::POPULATE)
    }

    /// Makes the guest with that many bytes of memory.
    pub fn with_memory(device: &Device, mmu: Mmu, bytes: u64, flags: MapFlags) -> Result<Self> {
        let vm = device.create_vm(mmu)?;
        vm.map_memory(0, bytes, flags)?;
        let memory = GuestMemory::map(&vm, &[(0, bytes)])?;
        LongMode::write(&memory)?;
        let vcpu = vm.create_vcpu(0)?;
        vcpu.set_sregs(&LongMode::sregs(&vcpu.sregs()?))?;
        Ok(Self { vm, vcpu, memory })
    }

    /// KiB that page tables for the guest take.
    pub fn table_kib(&self) -> Result<u64> {
        const PAGE_KIB: u64 = 4;
        Ok(self.vm.stats()?.tables() * PAGE_KIB)
    }
}

impl Hypervisor for Minivmx {
    fn subject(&self) -> &'static str {
        "minivmx"
    }

    fn mmu(&self) -> &'static str {
        self.vm.mmu().name()
    }

    fn write(&mut self, gpa: u64, bytes: &[u8]) -> Result<()> {
        Ok(self.memory.write(gpa, bytes)?)
    }

    fn set_regs(&mut self, regs: &Regs) -> Result<()> {
        *self.vcpu.regs_mut() = *regs;
        Ok(())
    }

    fn run(&mut self) -> Result<Stop> {
        match self.vcpu.run()? {
            Exit::Hlt => Ok(Stop::Hlt),
            Exit::IoOut { .. } => Ok(Stop::Out),
            other => bail!("the guest stopped with {other:?}"),
        }
    }
}
