// SPDX-License-Identifier: GPL-2.0

//! The tables by which a VM's CPU reaches guest memory: EPT, or shadow tables.

use super::{
    chunk::Chunks,
    region::Region,
    shadows::Shadows, //
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
        node::MapError,
        page::Stock,
        table::{
            PageTable,
            Progress,
            Reaper, //
        }, //
    },
    support::page::KernelPage, //
};

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
    /// It would fail for ever: the tables say otherwise than they should, by a mistake of the
    /// driver.
    Inconsistent,
}

/// Tables that a call may unlink before the CPUs have to flush.
pub(crate) const REAPED: usize = 32;

/// The tables of a VM.
pub(crate) enum CpuTables {
    /// From guest-physical addresses, by the CPU.
    Ept(EptTables),
    /// From guest-virtual addresses.
    Shadow(Shadows),
}

impl CpuTables {
    /// Pages that the tables take.
    pub(super) fn pages(&self) -> u64 {
        match self {
            Self::Ept(tables) => tables.count,
            // CAST: `usize` is 64 bits wide.
            Self::Shadow(shadows) => shadows.counts().host_pages as u64,
        }
    }
}

/// Extended page tables.
pub(crate) struct EptTables {
    tables: PageTable<Ept, KernelPage>,
    count: u64,
    large_pages: bool,
}

impl EptTables {
    /// Tables that map nothing; `large_pages` if the CPU has pages of 2 MiB in them.
    pub(crate) fn new(root: KernelPage, large_pages: bool) -> Self {
        Self {
            tables: PageTable::new(root),
            count: 1,
            large_pages,
        }
    }

    /// To be looked at.
    pub(crate) fn tables(&self) -> &PageTable<Ept, KernelPage> {
        &self.tables
    }

    /// What the CPU is told of the tables.
    pub(crate) fn eptp(&self) -> Eptp {
        Eptp::new(self.tables.root())
    }

    /// Makes an access possible that the tables do not allow, to an address in this region.
    #[inline]
    pub(super) fn map(
        &mut self,
        gpa: Gpa,
        region: &Region,
        chunks: &Chunks,
        stock: &mut Stock,
    ) -> Outcome {
        let large = self.large_pages && region.covers(gpa, PageSize::Size2M);
        let Some((size, page)) = chunks.page_or_block(gpa, large) else {
            return Outcome::Absent;
        };
        let hpa = Hpa::new(page.phys());
        let attributes = Attributes::memory(access_to(region));
        let stocked = stock.len();
        let gpa = gpa.page_base(size);
        let mapped = self
            .tables
            .map(gpa, size, hpa, attributes, &mut || stock.take());
        self.count_tables(stocked.saturating_sub(stock.len()), 0);
        match mapped {
            // Or another vCPU was faster.
            Ok(()) => Outcome::Mapped,
            // What is mapped was taken from the same regions and chunks. What is taken away from
            // those is unmapped before anything else can come into its place.
            Err(MapError::Occupied) => Outcome::Inconsistent,
            Err(MapError::OutOfPages) => Outcome::OutOfTables,
            Err(MapError::Misaligned | MapError::OutOfReach) => Outcome::Refused,
        }
    }

    /// Large pages that are partly in a range: those at its ends, if there are any.
    pub(super) fn splits(&self, range: GpaRange) -> usize {
        let is_large = |gpa: Gpa| {
            self.tables
                .translate(gpa)
                .is_some_and(|mapping| mapping.size > PageSize::Size4K)
        };
        [range.start(), range.end()]
            .into_iter()
            .filter(|end| !end.is_aligned(PageSize::Size2M) && is_large(*end))
            .count()
    }

    /// Takes a range out of the tables, as far as one call goes.
    pub(super) fn unmap(
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

    fn count_tables(&mut self, linked: usize, unlinked: usize) {
        // CAST: `usize` is 64 bits wide.
        self.count = self
            .count
            .saturating_add(linked as u64)
            .saturating_sub(unlinked as u64);
    }
}

fn access_to(region: &Region) -> Access {
    if region.kind.readonly {
        Access::ReadExecute
    } else {
        Access::ReadWriteExecute
    }
}
