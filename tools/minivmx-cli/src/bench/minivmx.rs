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
    Vcpu, //
};

use super::hypervisor::{
    Hypervisor,
    Stop,
    MEMORY, //
};

/// A guest of minivmx.
pub struct Minivmx {
    vcpu: Vcpu,
    memory: GuestMemory,
    mmu: Mmu,
}

impl Minivmx {
    /// Makes the guest.
    pub fn new(device: &Device, mmu: Mmu) -> Result<Self> {
        let vm = device.create_vm(mmu)?;
        vm.map_memory(0, MEMORY, MapFlags::POPULATE)?;
        let memory = GuestMemory::map(&vm, &[(0, MEMORY)])?;
        LongMode::write(&memory)?;
        let vcpu = vm.create_vcpu(0)?;
        vcpu.set_sregs(&LongMode::sregs(&vcpu.sregs()?))?;
        Ok(Self { vcpu, memory, mmu })
    }
}

impl Hypervisor for Minivmx {
    fn subject(&self) -> &'static str {
        "minivmx"
    }

    fn mmu(&self) -> &'static str {
        self.mmu.name()
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
