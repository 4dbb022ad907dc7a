// SPDX-License-Identifier: GPL-2.0

//! Guest memory as walks of the guest's page tables see it: what is allocated.

use super::{
    Chunks,
    Regions, //
};
use crate::mmu::{
    address::{
        Gpa,
        Hpa,
        PageSize, //
    },
    guest_walk::PhysicalMemory,
    shadow::{
        GuestMemory,
        GuestPage, //
    }, //
};
use core::sync::atomic::{
    AtomicU64,
    Ordering, //
};

/// The pages of guest memory that are allocated.
pub(crate) struct Ram<'a> {
    pub(super) regions: &'a Regions,
    pub(super) chunks: &'a Chunks,
}

impl Ram<'_> {
    fn word(&self, gpa: Gpa) -> Option<&AtomicU64> {
        // CAST: Less than 512.
        let index = (gpa.offset(PageSize::Size4K) / 8) as usize;
        self.chunks.page(gpa)?.words().get(index)
    }

    /// Writes 8 bytes at a multiple of 8; [`None`] if the guest cannot.
    pub(crate) fn write(&self, gpa: Gpa, value: u64) -> Option<()> {
        let writable = gpa.get() % 8 == 0 && self.is_writable(gpa);
        let word = self.word(gpa).filter(|_| writable)?;
        word.store(value, Ordering::Relaxed);
        Some(())
    }

    /// Is memory missing there only because nobody has used it yet?
    pub(crate) fn is_absent(&self, gpa: Gpa) -> bool {
        gpa.get() % 8 == 0 && self.regions.find(gpa).is_some() && self.chunks.page(gpa).is_none()
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
    fn page(&self, gpa: Gpa) -> Option<GuestPage> {
        // A region that is gone may still have pages, for a moment.
        let region = self.regions.find(gpa)?;
        Some(GuestPage {
            hpa: Hpa::new(self.chunks.page(gpa)?.phys()),
            writable: !region.kind.readonly,
        })
    }
}
