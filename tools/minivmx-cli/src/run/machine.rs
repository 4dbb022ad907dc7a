// SPDX-License-Identifier: GPL-2.0

//! A guest on its way to its first instruction: memory, image, registers.

use std::{
    fs::{
        self,
        File, //
    },
    path::Path,
    sync::Arc,
};

use anyhow::{
    Context,
    Result, //
};
use linux_loader::loader::{
    elf::Elf,
    KernelLoader, //
};
use minivmx::{
    Device,
    GuestMemory,
    Info,
    LongMode,
    Mmu,
    Regs,
    Segment,
    Vcpu,
    Vm, //
};

use super::{
    arguments::Image,
    firmware::Firmware,
    layout::Layout, //
};

/// A VM with a vCPU that is ready to run. It may have more of them, each in a machine of its own.
pub struct Machine {
    pub vcpu: Vcpu,
    pub memory: Arc<GuestMemory>,
    pub vm: Arc<Vm>,
}

impl Machine {
    /// Makes a machine with so many bytes of memory, and loads an image.
    pub fn new(device: &Device, mmu: Mmu, memory: u64, image: &Image) -> Result<Self> {
        let vm = create_vm(device, mmu)?;
        let firmware = match image {
            Image::Bios(path) => Some(Firmware::read(path)?),
            _ => None,
        };
        let layout = Layout::new(memory)?.with_firmware(firmware.as_ref());
        let memory = layout.map(&vm)?;
        let mut machine = Self::first(vm, memory)?;
        if let Some(firmware) = firmware {
            firmware.write(machine.memory.view())?;
        }
        match image {
            Image::Bios(_) => {}
            Image::Flat { path, gpa } => machine.load_flat(path, *gpa)?,
            Image::Elf(path) => machine.load_elf(path)?,
        }
        Ok(machine)
    }

    /// With the first vCPU.
    pub fn first(vm: Vm, memory: GuestMemory) -> Result<Self> {
        Ok(Self {
            vcpu: vm.create_vcpu(0)?,
            memory: Arc::new(memory),
            vm: Arc::new(vm),
        })
    }

    /// With another vCPU of the same VM.
    pub fn another(&self, number: u8) -> Result<Self> {
        Ok(Self {
            vcpu: self.vm.create_vcpu(number.into())?,
            memory: Arc::clone(&self.memory),
            vm: Arc::clone(&self.vm),
        })
    }

    /// A flat image begins at its first byte, in real mode.
    fn load_flat(&mut self, path: &Path, gpa: u64) -> Result<()> {
        let image = fs::read(path).with_context(|| path.display().to_string())?;
        self.memory
            .write(gpa, &image)
            .with_context(|| format!("{} does not fit", path.display()))?;
        let mut sregs = self.vcpu.sregs()?;
        sregs.cs = Segment {
            base: gpa,
            selector: real_mode_selector(gpa)?,
            ..sregs.cs
        };
        self.vcpu.set_sregs(&sregs)?;
        *self.vcpu.regs_mut() = Regs {
            rflags: 2,
            ..Regs::default()
        };
        Ok(())
    }

    /// An ELF image begins at its entry point, in 64-bit mode.
    fn load_elf(&mut self, path: &Path) -> Result<()> {
        let mut file = File::open(path).with_context(|| path.display().to_string())?;
        let loaded = Elf::load(self.memory.view(), None, &mut file, None)
            .with_context(|| format!("{} cannot be loaded as ELF64", path.display()))?;
        LongMode::write(&self.memory)?;
        self.vcpu.set_sregs(&LongMode::sregs(&self.vcpu.sregs()?))?;
        *self.vcpu.regs_mut() = LongMode::regs(loaded.kernel_load.0);
        Ok(())
    }
}

/// A refusal alone does not say what the CPU lacks, nor what else there is.
pub fn create_vm(device: &Device, mmu: Mmu) -> Result<Vm> {
    let info = device.info()?;
    let created = device.create_vm(mmu);
    if info.supports(mmu) {
        return Ok(created?);
    }
    created.with_context(|| refusal(mmu, &info))
}

fn refusal(mmu: Mmu, info: &Info) -> String {
    let why = match info.missing(mmu).names() {
        missing if missing.is_empty() => "is not offered by this driver".into(),
        missing => format!("needs what this CPU lacks, {}", missing.join(", ")),
    };
    let offered: Vec<_> = info.mmus().iter().map(|mmu| mmu.name()).collect();
    match offered.as_slice() {
        [] => format!("{mmu} {why}"),
        offered => format!("{mmu} {why}; --mmu takes {}", offered.join(", ")),
    }
}

fn real_mode_selector(gpa: u64) -> Result<u16> {
    u16::try_from(gpa >> 4)
        .ok()
        .filter(|_| gpa % 16 == 0)
        .with_context(|| {
            format!(
                "a flat image begins in real mode: {gpa:#x} is not a multiple of 16 below 1 MiB"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::{
        super::layout::MIB,
        *, //
    };
    use minivmx::uapi::{self, minivmx_info};

    #[test]
    fn a_refusal_says_what_else_there_is() {
        let penryn = Info::from(minivmx_info {
            out_ept_missing: uapi::MINIVMX_CAP_EPT.into(),
            out_mmus: 1 << uapi::MINIVMX_MMU_WP,
            ..Default::default()
        });
        assert_eq!(
            refusal(Mmu::Ept, &penryn),
            "ept needs what this CPU lacks, ept; --mmu takes wp"
        );
        assert_eq!(
            refusal(Mmu::Pv, &Info::from(minivmx_info::default())),
            "pv is not offered by this driver"
        );
    }

    #[test]
    fn a_flat_image_begins_where_a_segment_can() {
        assert_eq!(real_mode_selector(0x7c00).ok(), Some(0x7c0));
        assert_eq!(real_mode_selector(0xf_fff0).ok(), Some(0xffff));
        assert!(real_mode_selector(0x7c01).is_err());
        assert!(real_mode_selector(MIB).is_err());
    }
}
