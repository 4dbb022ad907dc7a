// SPDX-License-Identifier: GPL-2.0

//! Guest memory as walks of the guest's page tables see it: what is allocated.

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
            Hpa,
            PageSize, //
        },
        guest_walk::PhysicalMemory,
        node::Entries,
        shadow::{
            GuestMemory,
            GuestPage, //
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

/// The pages of guest memory that are allocated.
pub(crate) struct Ram<'a> {
    regions: &'a Regions,
    chunks: &'a Chunks,
    /// The chunk that was found last: page tables tend to lie close together.
    last: Cell<Option<(u64, &'a Chunk)>>,
}

impl<'a> Ram<'a> {
    pub(super) fn new(regions: &'a Regions, chunks: &'a Chunks) -> Self {
        Self {
            regions,
            chunks,
            last: Cell::new(None),
        }
    }

    /// The page that an address lies in, if it is allocated.
    #[inline]
    fn find(&self, gpa: Gpa) -> Option<&'a KernelPage> {
        let number = Chunks::number(gpa);
        match self.last.get() {
            Some((last, chunk)) if last == number => chunk.page(gpa),
            _ => self.find_chunk(gpa, number)?.page(gpa),
        }
    }

    fn find_chunk(&self, gpa: Gpa, number: u64) -> Option<&'a Chunk> {
        let chunk = self.chunks.chunk(gpa)?;
        self.last.set(Some((number, chunk)));
        Some(chunk)
    }

    #[inline]
    fn word(&self, gpa: Gpa) -> Option<&'a AtomicU64> {
        // CAST: Less than 512.
        let index = (gpa.offset(PageSize::Size4K) / 8) as usize;
        self.find(gpa)?.words().get(index)
    }

    /// 8 bytes at a multiple of 8, if the guest can write them.
    pub(crate) fn writable_word(&self, gpa: Gpa) -> Option<&'a AtomicU64> {
        let writable = gpa.get() % 8 == 0 && self.is_writable(gpa);
        self.word(gpa).filter(|_| writable)
    }

    /// Is memory missing there only because nobody has used it yet?
    pub(crate) fn is_absent(&self, gpa: Gpa) -> bool {
        gpa.get() % 8 == 0 && self.regions.find(gpa).is_some() && self.find(gpa).is_none()
    }

    fn is_writable(&self, gpa: Gpa) -> bool {
        self.regions
            .find(gpa)
            .is_some_and(|region| !region.kind.readonly)
    }
}

impl PhysicalMemory for Ram<'_> {
    #[inline]
    fn read(&self, gpa: Gpa) -> Option<u64> {
        Some(self.word(gpa)?.load(Ordering::Relaxed))
    }

    fn replace(&self, gpa: Gpa, old: u64, new: u64) -> Option<()> {
        let word = self.word(gpa).filter(|_| self.is_writable(gpa))?;
        // Who was faster has to reckon with an access by the old value.
        let _ = word.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed);
        Some(())
    }
}

impl GuestMemory for Ram<'_> {
    fn contents(&self, gpa: Gpa) -> Option<&Entries> {
        Some(self.find(gpa)?.words())
    }

    fn page(&self, gpa: Gpa) -> Option<GuestPage> {
        // A region that is gone may still have pages, for a moment.
        let region = self.regions.find(gpa)?;
        Some(GuestPage {
            hpa: Hpa::new(self.find(gpa)?.phys()),
            writable: !region.kind.readonly,
        })
    }
}
