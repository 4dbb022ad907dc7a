// SPDX-License-Identifier: GPL-2.0

//! Guest memory: ranges of guest-physical addresses that the kernel's pages stand behind.
//!
//! A *region* is a range with its properties. A *chunk* holds the pages of 2 MiB of it; it comes into
//! being with the first of them. A page is allocated at its first use, by the guest or by the
//! program, or when the region is made. It lives until the last of region and mappings lets go.
//!
//! [`Memory`] is the part that exit handlers reach: under a spinlock, without allocating. What
//! allocates, sleeps and waits for other CPUs is in `vm/memory.rs`.

mod chunk;
mod ram;
mod region;

pub(crate) use self::{
    chunk::{
        Chunk,
        ChunkNode,
        Chunks,
        Removed,
        FRAMES_PER_CHUNK, //
    },
    ram::Ram,
    region::{
        Kind,
        Region,
        Regions, //
    }, //
};

use crate::{
    mmu::{
        address::{
            Gpa,
            GpaRange,
            Hpa,
            PageSize, //
        },
        ept::{
            Access,
            Attributes,
            Ept,
            Eptp, //
        },
        page::Stock,
        table::{
            MapError,
            PageTable,
            Progress,
            Reaper, //
        }, //
    },
    support::page::KernelPage, //
};
/// Tables that a call may unlink before the CPUs have to flush.
pub(crate) const REAPED: usize = 32;

/// How an access to guest-physical memory ends.
pub(crate) enum Outcome {
    /// It can be tried again: the page is mapped now.
    Mapped,
    /// It can be tried again when the page is allocated.
    Absent,
    /// It can be tried again when the stock is filled.
    OutOfTables,
    /// No memory answers it.
    Refused,
}

/// Guest memory of a VM, with the tables through which its vCPUs reach it.
pub(crate) struct Memory {
    pub(crate) regions: Regions,
    pub(crate) chunks: Chunks,
    tables: PageTable<Ept, KernelPage>,
    table_count: u64,
    large_pages: bool,
}

impl Memory {
    /// No memory.
    pub(crate) fn new(root: KernelPage, large_pages: bool) -> Self {
        Self {
            regions: Regions::default(),
            chunks: Chunks::default(),
            tables: PageTable::new(root),
            table_count: 1,
            large_pages,
        }
    }

    /// What of it is allocated.
    pub(crate) fn ram(&self) -> Ram<'_> {
        Ram {
            regions: &self.regions,
            chunks: &self.chunks,
        }
    }

    /// What the CPU is told of the tables.
    pub(crate) fn eptp(&self, accessed_dirty: bool) -> Eptp {
        Eptp::new(self.tables.root(), accessed_dirty)
    }

    /// Makes an access possible that the tables do not allow.
    #[inline]
    pub(crate) fn access(&mut self, gpa: Gpa, write: bool, stock: &mut Stock) -> Outcome {
        let Some(region) = self.regions.find(gpa) else {
            return Outcome::Refused;
        };
        if write && region.kind.readonly {
            return Outcome::Refused;
        }
        let Some(page) = self.chunks.page(gpa) else {
            return Outcome::Absent;
        };
        let attributes = Attributes::memory(region.kind.access());
        let large = self.large_pages && region.covers(gpa, PageSize::Size2M);
        let (size, page) = match self.chunks.block(gpa) {
            Some(first) if large => (PageSize::Size2M, first),
            _ => (PageSize::Size4K, page),
        };
        let hpa = Hpa::new(page.phys());
        let stocked = stock.len();
        let gpa = gpa.page_base(size);
        let mapped = self
            .tables
            .map(gpa, size, hpa, attributes, &mut || stock.take());
        self.count_tables(stocked.saturating_sub(stock.len()), 0);
        match mapped {
            // Another vCPU may have mapped it in the meantime, in pages of another size.
            Ok(()) | Err(MapError::Occupied) => Outcome::Mapped,
            Err(MapError::OutOfPages) => Outcome::OutOfTables,
            Err(MapError::Misaligned | MapError::OutOfReach) => Outcome::Refused,
        }
    }

    fn count_tables(&mut self, linked: usize, unlinked: usize) {
        // CAST: `usize` is 64 bits wide.
        self.table_count = self
            .table_count
            .saturating_add(linked as u64)
            .saturating_sub(unlinked as u64);
    }

    /// Pages that are allocated, and pages that the tables take.
    pub(crate) fn usage(&self) -> (u64, u64) {
        (self.chunks.count(), self.table_count)
    }

    /// Takes a range out of the tables, as far as one call goes.
    pub(crate) fn unmap(
        &mut self,
        range: GpaRange,
        stock: &mut Stock,
        reaper: &mut Reaper<KernelPage, REAPED>,
    ) -> Progress<Gpa> {
        let (stocked, reaped) = (stock.len(), reaper.len());
        let progress = self.tables.unmap(range, &mut || stock.take(), reaper);
        self.count_tables(
            stocked.saturating_sub(stock.len()),
            reaper.len().saturating_sub(reaped),
        );
        progress
    }
}

impl Kind {
    fn access(self) -> Access {
        if self.readonly {
            Access::ReadExecute
        } else {
            Access::ReadWriteExecute
        }
    }
}
