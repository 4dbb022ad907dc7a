// SPDX-License-Identifier: GPL-2.0

//! A VM's file: its memory, its vCPUs, what it did.

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
    reason::Reason,
    uapi,
    vcpu::Vcpu, //
};

/// A virtual machine.
#[derive(Debug)]
pub struct Vm(File);

/// Properties of a range of guest memory.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct MapFlags(u32);

/// What a VM did, and what it takes; `uapi/minivmx.h` has the meaning of each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stats(uapi::minivmx_stats);

impl Vm {
    pub(crate) fn new(file: File) -> Self {
        Self(file)
    }

    /// Gives the VM a range of zeroed memory; address and length in bytes.
    pub fn map_memory(&self, gpa: u64, length: u64, flags: MapFlags) -> Result<()> {
        let mut argument = uapi::minivmx_map_memory {
            flags: flags.0,
            gpa,
            length,
            ..Argument::sized()
        };
        ioctl::MAP_MEMORY.with(&self.0, &mut argument).map(drop)
    }

    /// Takes a range of memory away from the VM; address and length in bytes.
    pub fn unmap_memory(&self, gpa: u64, length: u64) -> Result<()> {
        let mut argument = uapi::minivmx_unmap_memory {
            gpa,
            length,
            ..Argument::sized()
        };
        ioctl::UNMAP_MEMORY.with(&self.0, &mut argument).map(drop)
    }

    /// Shows a range of the guest's memory to the program; see also
    /// [`GuestMemory`](crate::GuestMemory).
    pub fn mmap(&self, gpa: u64, length: usize) -> Result<Mapping> {
        Mapping::new(&self.0, gpa, length)
    }

    /// Makes a vCPU in its state after power-up.
    pub fn create_vcpu(&self, id: u32) -> Result<Vcpu> {
        let mut argument = uapi::minivmx_create_vcpu {
            id,
            ..Argument::sized()
        };
        Vcpu::new(ioctl::CREATE_VCPU.open(&self.0, &mut argument)?)
    }

    /// What the VM did so far.
    pub fn stats(&self) -> Result<Stats> {
        let mut stats = uapi::minivmx_stats::sized();
        ioctl::GET_STATS.with(&self.0, &mut stats)?;
        Ok(Stats(stats))
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

impl Stats {
    /// VM exits by reason, the most frequent first, without those that never happened.
    pub fn exits(&self) -> Vec<(Reason, u64)> {
        let mut exits: Vec<_> = (0..)
            .map(Reason)
            .zip(self.0.out_exits)
            .filter(|(_, count)| *count != 0)
            .collect();
        exits.sort_by_key(|(reason, count)| (std::cmp::Reverse(*count), *reason));
        exits
    }

    /// The other counters, with their names as in `uapi/minivmx.h` without `out_`.
    pub fn counters(&self) -> [(&'static str, u64); 9] {
        [
            ("runs", self.0.out_runs),
            ("bursts", self.0.out_bursts),
            ("entries", self.0.out_entries),
            ("returns", self.0.out_returns),
            ("injections", self.0.out_injections),
            ("flushes", self.0.out_flushes),
            ("kicks", self.0.out_kicks),
            ("pages", self.0.out_pages),
            ("tables", self.0.out_tables),
        ]
    }
}

impl From<uapi::minivmx_stats> for Stats {
    fn from(stats: uapi::minivmx_stats) -> Self {
        Self(stats)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_are_sorted_by_count() {
        let mut raw = uapi::minivmx_stats::sized();
        raw.out_exits[10] = 5;
        raw.out_exits[30] = 70;
        raw.out_exits[12] = 5;
        assert_eq!(
            Stats(raw).exits(),
            [
                (Reason::IO_INSTRUCTION, 70),
                (Reason::CPUID, 5),
                (Reason::HLT, 5)
            ]
        );
    }
}
