// SPDX-License-Identifier: GPL-2.0

//! Guest memory: ranges of guest-physical addresses that the kernel's pages stand behind.
//!
//! A *region* is a range with its properties. A *chunk* holds the pages of 2 MiB of it; it comes
//! into being with the first of them. A page is allocated at its first use, by the guest or by the
//! program, or when the region is made. It lives until the last of region and mappings lets go.
//!
//! [`Memory`] is the part that exit handlers reach: under a spinlock, without allocating. What
//! allocates, sleeps and waits for other CPUs is in `vm/memory.rs`.

mod chunk;
mod ram;
mod ram_page;
mod region;
mod shadows;
mod tables;

pub(crate) use self::{
    chunk::{
        Chunk,
        ChunkNode,
        Chunks, //
    },
    ram::Ram,
    ram_page::{
        max_bytes,
        RamPage, //
    },
    region::{
        Kind,
        RegionId,
        Regions, //
    },
    shadows::Shadows,
    tables::{
        CpuTables,
        EptTables,
        Outcome,
        REAPED, //
    }, //
};

use crate::{
    mmu::{
        address::{
            Gpa,
            GpaRange, //
        },
        page::Stock,
        shadow::Shadow,
        table::{
            Progress,
            Reaper, //
        }, //
    },
    support::page::KernelPage, //
};
use kernel::alloc::KBox;

/// Guest memory of a VM, with the tables through which its vCPUs reach it.
pub(crate) struct Memory {
    pub(crate) regions: Regions,
    pub(crate) chunks: Chunks,
    tables: CpuTables,
}

impl Memory {
    /// No memory.
    pub(crate) fn new(tables: CpuTables) -> Self {
        Self {
            regions: Regions::default(),
            chunks: Chunks::default(),
            tables,
        }
    }

    /// What of it is allocated.
    pub(crate) fn ram(&self) -> Ram<'_> {
        Ram::new(&self.regions, &self.chunks)
    }

    /// The tables, to be looked at.
    pub(crate) fn tables(&self) -> &CpuTables {
        &self.tables
    }

    /// The shadow tables of a vCPU, if it has any, and what they are made from.
    #[inline]
    pub(crate) fn shadow(&mut self, vcpu: u32) -> Option<(&mut Shadow<KernelPage>, Ram<'_>)> {
        let ram = Ram::new(&self.regions, &self.chunks);
        match &mut self.tables {
            CpuTables::Shadow(shadows) => Some((shadows.of_mut(vcpu)?, ram)),
            CpuTables::Ept(_) => None,
        }
    }

    /// Gives a new vCPU its shadow tables, if it has none.
    pub(crate) fn add_shadow(&mut self, vcpu: u32, shadow: KBox<Shadow<KernelPage>>) {
        if let CpuTables::Shadow(shadows) = &mut self.tables {
            shadows.add(vcpu, shadow);
        }
    }

    /// Takes the shadow tables of a vCPU that never ran.
    pub(crate) fn take_shadow(&mut self, vcpu: u32) -> Option<KBox<Shadow<KernelPage>>> {
        match &mut self.tables {
            CpuTables::Shadow(shadows) => shadows.take(vcpu),
            CpuTables::Ept(_) => None,
        }
    }

    /// Makes an access possible that extended page tables do not allow.
    #[inline]
    pub(crate) fn access(&mut self, gpa: Gpa, write: bool, stock: &mut Stock) -> Outcome {
        let CpuTables::Ept(tables) = &mut self.tables else {
            return Outcome::Refused;
        };
        match self.regions.find(gpa) {
            Some(region) if !(write && region.kind.readonly) => {
                tables.map(gpa, region, &self.chunks, stock)
            }
            _ => Outcome::Refused,
        }
    }

    /// Pages that are allocated, and pages that the tables take.
    pub(crate) fn usage(&self) -> (u64, u64) {
        (self.chunks.count(), self.tables.pages())
    }

    /// Large pages that [`Self::unmap`] has to split for a range, each of which takes a table.
    pub(crate) fn splits(&self, range: GpaRange) -> usize {
        match &self.tables {
            CpuTables::Ept(tables) => tables.splits(range),
            CpuTables::Shadow(_) => 0,
        }
    }

    /// Takes a range out of the tables that a vCPU uses, as far as one call goes: with EPT those of
    /// all.
    pub(crate) fn unmap(
        &mut self,
        vcpu: u32,
        range: GpaRange,
        stock: &mut Stock,
        reaper: &mut Reaper<KernelPage, REAPED>,
    ) -> Progress<Gpa> {
        match &mut self.tables {
            CpuTables::Ept(tables) => tables.unmap(range, stock, reaper),
            CpuTables::Shadow(shadows) => {
                let ram = Ram::new(&self.regions, &self.chunks);
                shadows.unmap(vcpu, &self.chunks, &ram, range)
            }
        }
    }
}
