// SPDX-License-Identifier: GPL-2.0

//! A VM's file: its memory, its vCPUs.

use std::{
    fs::File,
    ops::BitOr, //
};

use crate::{
    error::Result,
    ioctl::{
        self,
        Argument, //
    },
    mapping::Mapping,
    mmu::Mmu,
    stats::Stats,
    translation::Pte,
    uapi,
    vcpu::Vcpu, //
};

/// A virtual machine.
#[derive(Debug)]
pub struct Vm {
    file: File,
    mmu: Mmu,
}

/// Properties of a range of guest memory.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct MapFlags(u32);

impl Vm {
    pub(crate) fn new(file: File, mmu: Mmu) -> Self {
        Self { file, mmu }
    }

    /// How its memory is translated.
    pub fn mmu(&self) -> Mmu {
        self.mmu
    }

    /// Gives the VM a range of zeroed memory; address and length in bytes, multiples of 4096.
    ///
    /// # Errors
    ///
    /// EEXIST if a byte of the range is mapped already, E2BIG if that is more than [`Info`] allows,
    /// EINVAL for a range that cannot be, ENOMEM; EINTR only with [`MapFlags::POPULATE`].
    ///
    /// [`Info`]: crate::Info
    pub fn map_memory(&self, gpa: u64, length: u64, flags: MapFlags) -> Result<()> {
        let mut argument = uapi::minivmx_map_memory {
            flags: flags.0,
            gpa,
            length,
            ..Argument::sized()
        };
        ioctl::MAP_MEMORY.with(&self.file, &mut argument).map(drop)
    }

    /// Takes a range of memory away from the VM; address and length in bytes, multiples of 4096.
    ///
    /// Afterwards no vCPU can reach it. What the program has mapped of it stays until it is
    /// dropped.
    ///
    /// # Errors
    ///
    /// ENOENT if nothing is mapped in the range, E2BIG if a range would have to be split and there
    /// are as many as there may be, EINVAL, ENOMEM.
    pub fn unmap_memory(&self, gpa: u64, length: u64) -> Result<()> {
        let mut argument = uapi::minivmx_unmap_memory {
            gpa,
            length,
            ..Argument::sized()
        };
        ioctl::UNMAP_MEMORY
            .with(&self.file, &mut argument)
            .map(drop)
    }

    /// Shows a range of the guest's memory to the program; see also
    /// [`GuestMemory`](crate::GuestMemory).
    ///
    /// # Errors
    ///
    /// Those of `mmap()`.
    pub fn mmap(&self, gpa: u64, length: u64) -> Result<Mapping> {
        Mapping::new(&self.file, gpa, length)
    }

    /// Makes a vCPU in its state after power-up, with a number below `max_vcpus` of [`Info`].
    ///
    /// # Errors
    ///
    /// EEXIST if the VM has had a vCPU of that number, EOPNOTSUPP for a second one with shadow
    /// paging other than [`Mmu::Vtlb`], E2BIG, ENOMEM.
    ///
    /// [`Info`]: crate::Info
    /// [`Mmu::Vtlb`]: crate::Mmu::Vtlb
    pub fn create_vcpu(&self, id: u32) -> Result<Vcpu> {
        let mut argument = uapi::minivmx_create_vcpu {
            id,
            ..Argument::sized()
        };
        Vcpu::new(ioctl::CREATE_VCPU.open(&self.file, &mut argument)?)
    }

    /// Reads one of the tables that the CPU translates by, of EPT or of the shadow that this vCPU
    /// uses at present: its entries that are present. It is the one of this level on the way to an
    /// address (guest-physical with EPT, else guest-linear); level 0 stands for the one that the
    /// CPU begins with.
    ///
    /// # Errors
    ///
    /// ENOENT if there is no such table or vCPU, EINVAL for an address that no table is on the way
    /// to, and for another vCPU than 0 with EPT, which is for all; ENOMEM.
    pub fn read_table(&self, vcpu: u32, level: u32, address: u64) -> Result<Vec<Pte>> {
        let mut entries = [uapi::minivmx_pte::default(); uapi::MINIVMX_MAX_PTES as usize];
        let mut argument = uapi::minivmx_read_table {
            vcpu,
            level,
            address,
            entries: entries.as_mut_ptr().expose_provenance() as u64,
            ..Argument::sized()
        };
        ioctl::READ_TABLE.with(&self.file, &mut argument)?;
        let present = entries.iter().take(argument.out_count as usize);
        Ok(present.map(Pte::from).collect())
    }

    /// What the VM did so far.
    ///
    /// # Errors
    ///
    /// [`Error::Call`](crate::Error::Call), which only a fault of the driver can cause.
    pub fn stats(&self) -> Result<Stats> {
        let mut stats = uapi::minivmx_stats::sized();
        ioctl::GET_STATS.with(&self.file, &mut stats)?;
        Ok(stats.into())
    }
}

impl MapFlags {
    /// The guest cannot write it.
    pub const READONLY: Self = Self(uapi::MINIVMX_MAP_READONLY);
    /// Made of 2 MiB pages.
    pub const LARGE_PAGES: Self = Self(uapi::MINIVMX_MAP_2M);
    /// All pages are allocated now, not at their first use.
    pub const POPULATE: Self = Self(uapi::MINIVMX_MAP_POPULATE);
}

impl BitOr for MapFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
