// SPDX-License-Identifier: GPL-2.0

//! Guest memory as walks of the guest's page tables see it: what is in a region, and allocated.
//!
//! Where memory is taken away, the region goes first, under the lock, and the pages last. From the first
//! on no walk may find them any more: nothing would drop what is made of them after the tables were
//! cleared.

use super::{
    chunk::{
        Chunk,
        Chunks, //
    },
    region::Regions, //
};
use crate::{
    mmu::{
        address::{
            Gpa,
            GpaRange,
            Hpa,
            PageSize, //
        },
        guest_walk::PhysicalMemory,
        node::Entries,
        shadow::{
            GuestMemory,
            GuestPage,
            Referrers, //
        }, //
    },
    support::page::KernelPage, //
};
use core::{
    cell::Cell,
    sync::atomic::{
        AtomicU64,
        Ordering, //
    }, //
};

/// The pages of guest memory that are in a region, and allocated.
pub(crate) struct Ram<'a> {
    regions: &'a Regions,
    chunks: &'a Chunks,
    /// What was found last: page tables tend to lie close together.
    last: Cell<Option<Found<'a>>>,
}

/// What a chunk and a region have in common.
#[derive(Clone, Copy)]
struct Found<'a> {
    start: u64,
    length: u64,
    chunk: &'a Chunk,
    readonly: bool,
}

impl<'a> Ram<'a> {
    pub(super) fn new(regions: &'a Regions, chunks: &'a Chunks) -> Self {
        Self {
            regions,
            chunks,
            last: Cell::new(None),
        }
    }

    /// The chunk and the region that an address lies in.
    #[inline]
    fn find(&self, gpa: Gpa) -> Option<Found<'a>> {
        match self.last.get() {
            Some(found) if gpa.get().wrapping_sub(found.start) < found.length => Some(found),
            _ => self.look_up(gpa),
        }
    }

    fn look_up(&self, gpa: Gpa) -> Option<Found<'a>> {
        let region = self.regions.find(gpa)?;
        let chunk = self.chunks.chunk(gpa)?;
        let whole = GpaRange::page(gpa, PageSize::Size2M)?;
        let start = whole.start_position().max(region.range.start_position());
        let end = whole.end_position().min(region.range.end_position());
        let found = Found {
            start,
            length: end.saturating_sub(start),
            chunk,
            readonly: region.kind.readonly,
        };
        self.last.set(Some(found));
        Some(found)
    }

    /// The page that an address lies in, if there is one.
    #[inline]
    fn frame(&self, gpa: Gpa) -> Option<&'a KernelPage> {
        self.find(gpa)?.chunk.page(gpa)
    }

    /// The same, if the guest can write there.
    #[inline]
    fn writable_frame(&self, gpa: Gpa) -> Option<&'a KernelPage> {
        let found = self.find(gpa).filter(|found| !found.readonly)?;
        found.chunk.page(gpa)
    }

    /// 8 bytes at a multiple of 8, if the guest can write them.
    pub(crate) fn writable_word(&self, gpa: Gpa) -> Option<&'a AtomicU64> {
        let page = self.writable_frame(gpa)?;
        if gpa.get() % 8 == 0 {
            word(page, gpa)
        } else {
            None
        }
    }

    /// Is memory missing there only because nobody has used it yet?
    pub(crate) fn is_absent(&self, gpa: Gpa) -> bool {
        gpa.get() % 8 == 0 && self.regions.find(gpa).is_some() && self.frame(gpa).is_none()
    }
}

/// 8 bytes of a page.
#[inline]
fn word(page: &KernelPage, gpa: Gpa) -> Option<&AtomicU64> {
    // CAST: Less than 512.
    let index = (gpa.offset(PageSize::Size4K) / 8) as usize;
    page.words().get(index)
}

impl PhysicalMemory for Ram<'_> {
    #[inline]
    fn read(&self, gpa: Gpa) -> Option<u64> {
        Some(word(self.frame(gpa)?, gpa)?.load(Ordering::Relaxed))
    }

    fn replace(&self, gpa: Gpa, old: u64, new: u64) -> Option<()> {
        let word = word(self.writable_frame(gpa)?, gpa)?;
        // Who was faster has to reckon with an access by the old value.
        let _ = word.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed);
        Some(())
    }
}

impl GuestMemory for Ram<'_> {
    fn contents(&self, gpa: Gpa) -> Option<&Entries> {
        Some(self.frame(gpa)?.words())
    }

    fn page(&self, gpa: Gpa) -> Option<GuestPage<'_>> {
        let found = self.find(gpa)?;
        let page = found.chunk.ram_page(gpa)?;
        Some(GuestPage {
            hpa: Hpa::new(page.page().phys()),
            writable: !found.readonly,
            referrers: page.referrers(),
        })
    }

    fn referrers(&self, gpa: Gpa) -> Option<&Referrers> {
        Some(self.chunks.ram_page(gpa)?.referrers())
    }
}
