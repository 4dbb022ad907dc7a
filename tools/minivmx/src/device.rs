// SPDX-License-Identifier: GPL-2.0

//! The device file: what the CPU can do, and new VMs.

use std::fs::{
    File,
    OpenOptions, //
};

use crate::{
    capability::Capabilities,
    errno::Errno,
    error::{
        Error,
        Result, //
    },
    ioctl::{
        self,
        Argument, //
    },
    uapi,
    vm::Vm, //
};

const PATH: &str = "/dev/minivmx";

/// `/dev/minivmx`.
#[derive(Debug)]
pub struct Device(File);

/// How guest-physical memory is translated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mmu {
    /// By the CPU, through extended page tables.
    Ept,
}

/// How the driver gets into VMX operation at present.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum VmxMode {
    /// Nobody holds VMX; the driver executes VMXON for each burst.
    Own,
    /// KVM holds VMX; the driver borrows it for each burst.
    Borrow,
    /// A way that is newer than this library.
    Unknown(u32),
}

/// What this CPU and this driver can do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Info(uapi::minivmx_info);

impl Device {
    /// Opens the device file.
    ///
    /// # Errors
    ///
    /// [`Error::Open`]; the module is not loaded, or the caller is not root.
    pub fn open() -> Result<Self> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(PATH)
            .map(Self)
            .map_err(|error| Error::Open {
                path: PATH,
                errno: Errno(error.raw_os_error().unwrap_or(libc::EIO)),
            })
    }

    /// What this CPU and this driver can do.
    pub fn info(&self) -> Result<Info> {
        let mut info = uapi::minivmx_info::sized();
        ioctl::GET_INFO.with(&self.0, &mut info)?;
        Ok(Info(info))
    }

    /// Makes a VM without memory and vCPUs.
    pub fn create_vm(&self, mmu: Mmu) -> Result<Vm> {
        let mut argument = uapi::minivmx_create_vm {
            mmu: mmu.number(),
            ..Argument::sized()
        };
        ioctl::CREATE_VM.open(&self.0, &mut argument).map(Vm::new)
    }
}

impl Mmu {
    /// Every way that the interface names.
    pub const ALL: &'static [Mmu] = &[Mmu::Ept];

    /// Name for people and for `--json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ept => "ept",
        }
    }

    fn number(self) -> u32 {
        match self {
            Self::Ept => uapi::MINIVMX_MMU_EPT,
        }
    }
}

impl Info {
    /// Version of the interface that the driver speaks.
    pub fn api_version(&self) -> u32 {
        self.0.out_api_version
    }

    /// How VMX is obtained now.
    pub fn vmx(&self) -> VmxMode {
        match self.0.out_vmx {
            uapi::MINIVMX_VMX_OWN => VmxMode::Own,
            uapi::MINIVMX_VMX_BORROW => VmxMode::Borrow,
            other => VmxMode::Unknown(other),
        }
    }

    /// What this CPU can do.
    pub fn capabilities(&self) -> Capabilities {
        Capabilities(self.0.out_capabilities)
    }

    /// Whether [`Device::create_vm`] takes it.
    pub fn supports(&self, mmu: Mmu) -> bool {
        self.0.out_mmus & (1 << mmu.number()) != 0
    }

    /// What `mmu` needs and this CPU lacks.
    pub fn missing(&self, mmu: Mmu) -> Capabilities {
        match mmu {
            Mmu::Ept => Capabilities(self.0.out_ept_missing),
        }
    }

    /// The exits that [`Vcpu::set_traps`](crate::Vcpu::set_traps) takes: bit n of word w stands
    /// for basic exit reason 64 w + n.
    pub fn traps(&self) -> [u64; 2] {
        self.0.out_traps
    }

    /// Bytes of guest memory that one VM may have.
    pub fn max_memory(&self) -> u64 {
        self.0.out_max_memory
    }

    /// Ranges of guest memory that one VM may have.
    pub fn max_regions(&self) -> u32 {
        self.0.out_max_regions
    }

    /// vCPUs that one VM may have.
    pub fn max_vcpus(&self) -> u32 {
        self.0.out_max_vcpus
    }

    /// Width of a guest-physical address in bits.
    pub fn physical_bits(&self) -> u32 {
        self.0.out_physical_bits
    }
}

impl From<uapi::minivmx_info> for Info {
    fn from(info: uapi::minivmx_info) -> Self {
        Self(info)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_mmu_is_a_bit_of_the_mask() {
        let mut raw = uapi::minivmx_info::sized();
        assert!(!Info(raw).supports(Mmu::Ept));
        raw.out_mmus = 1 << uapi::MINIVMX_MMU_EPT;
        assert!(Info(raw).supports(Mmu::Ept));
    }
}
