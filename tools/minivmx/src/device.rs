// SPDX-License-Identifier: GPL-2.0

//! The device file: what the CPU can do, and new VMs.

use std::fs::{
    File,
    OpenOptions, //
};

use crate::{
    errno::Errno,
    error::{
        Error,
        Result, //
    },
    info::Info,
    ioctl::{
        self,
        Argument, //
    },
    mmu::Mmu,
    uapi,
    vm::Vm, //
};

const PATH: &str = "/dev/minivmx";

/// `/dev/minivmx`.
#[derive(Debug)]
pub struct Device(File);

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
    ///
    /// # Errors
    ///
    /// [`Error::Call`], which only a fault of the driver can cause.
    pub fn info(&self) -> Result<Info> {
        let mut info = uapi::minivmx_info::sized();
        ioctl::GET_INFO.with(&self.0, &mut info)?;
        Ok(info.into())
    }

    /// Makes a VM without memory and vCPUs.
    ///
    /// # Errors
    ///
    /// EOPNOTSUPP where the CPU lacks what `mmu` needs: [`Info::missing`] says what. EBUSY while
    /// VMX is held by a program that the driver cannot share it with.
    pub fn create_vm(&self, mmu: Mmu) -> Result<Vm> {
        let mut argument = uapi::minivmx_create_vm {
            mmu: mmu.number(),
            ..Argument::sized()
        };
        let file = ioctl::CREATE_VM.open(&self.0, &mut argument)?;
        Ok(Vm::new(file, mmu))
    }
}
