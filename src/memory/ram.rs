// SPDX-License-Identifier: GPL-2.0

//! Guest memory as walks of the guest's page tables see it: what is in a region, and allocated.
//!
//! Where memory is taken away, the region goes first, under the lock, and the pages last. From the
//! first on no walk may find them any more: nothing would drop what is made of them after the
//! tables were cleared.

use super::{
    chunk::{
        Chunk,
        Chunks, //
    },
    region::{
        Region,
        Regions, //
    }, //
};
use crate::{
    mmu::{
        address::{
            Gpa,
            Hpa,
            PageSize, //
        },
        guest_walk::{
            Kept,
            PhysicalMemory, //
        },
        inspect,
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
    /// What was found last: most guests have one large region, and page tables lie close together.
    last_region: Cell<Option<&'a Region>>,
    last_chunk: Cell<Option<(u64, &'a Chunk)>>,
}

impl<'a> Ram<'a> {
    pub(super) fn new(regions: &'a Regions, chunks: &'a Chunks) -> Self {
        Self {
            regions,
            chunks,
            last_region: Cell::new(None),
            last_chunk: Cell::new(None),
        }
    }

    #[inline]
    fn region(&self, gpa: Gpa) -> Option<&'a Region> {
        if let Some(region) = self.last_region.get() {
            if region.range.contains(gpa) {
                return Some(region);
            }
        }
        let region = self.regions.find(gpa)?;
        self.last_region.set(Some(region));
        Some(region)
    }

    #[inline]
    fn chunk(&self, gpa: Gpa) -> Option<&'a Chunk> {
        let number = Chunks::number(gpa);
        match self.last_chunk.get() {
            Some((last, chunk)) if last == number => Some(chunk),
            _ => self.look_up_chunk(number),
        }
    }

    fn look_up_chunk(&self, number: u64) -> Option<&'a Chunk> {
        let chunk = self.chunks.chunk(number)?;
        self.last_chunk.set(Some((number, chunk)));
        Some(chunk)
    }

    /// The page that an address lies in, if there is one.
    #[inline]
    fn frame(&self, gpa: Gpa) -> Option<&'a KernelPage> {
        self.region(gpa)?;
        self.chunk(gpa)?.page(gpa)
    }

    /// The same, if the guest can write there.
    #[inline]
    fn writable_frame(&self, gpa: Gpa) -> Option<&'a KernelPage> {
        self.region(gpa).filter(|region| !region.kind.readonly)?;
        self.chunk(gpa)?.page(gpa)
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
        gpa.get() % 8 == 0 && self.region(gpa).is_some() && self.frame(gpa).is_none()
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

    fn replace(&self, gpa: Gpa, old: u64, new: u64) -> Result<(), Kept> {
        let frame = self.writable_frame(gpa).ok_or(Kept::ReadOnly)?;
        let word = word(frame, gpa).ok_or(Kept::ReadOnly)?;
        let exchanged = word.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed);
        exchanged.map(drop).map_err(|_| Kept::Changed)
    }
}

impl inspect::Memory for Ram<'_> {
    fn is_writable(&self, gpa: Gpa) -> Option<bool> {
        Some(!self.region(gpa)?.kind.readonly)
    }
}

impl GuestMemory for Ram<'_> {
    fn contents(&self, gpa: Gpa) -> Option<&Entries> {
        Some(self.frame(gpa)?.words())
    }

    fn page(&self, gpa: Gpa) -> Option<GuestPage<'_>> {
        let region = self.region(gpa)?;
        let page = self.chunk(gpa)?.ram_page(gpa)?;
        Some(GuestPage {
            hpa: Hpa::new(page.page().phys()),
            writable: !region.kind.readonly,
            referrers: page.referrers(),
        })
    }

    fn referrers(&self, gpa: Gpa) -> Option<&Referrers> {
        Some(self.chunk(gpa)?.ram_page(gpa)?.referrers())
    }
}
