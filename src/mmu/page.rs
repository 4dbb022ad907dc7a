// SPDX-License-Identifier: GPL-2.0

//! Page tables made of the kernel's pages, and a stock of pages for them.
//!
//! A page table grows where nothing can be allocated: with interrupts off, under a spinlock. So its
//! pages are allocated before, into a [`Stock`]. `unsafe` here is the contract of [`TablePage`].

use super::{
    address::Hpa,
    node::{
        Entries,
        TablePage, //
    },
    shadow::{
        Frame,
        PAGES_FOR_ONE_FILL, //
    }, //
};
use crate::support::page::KernelPage;
use kernel::prelude::*;

// SAFETY: A `KernelPage` owns one zeroed page of 4 KiB in the direct map until it is dropped, and
// only the page table that takes it reaches its contents.
unsafe impl TablePage for KernelPage {
    fn into_hpa(self) -> Hpa {
        Hpa::new(self.into_phys())
    }

    unsafe fn from_hpa(hpa: Hpa) -> Self {
        // SAFETY: The caller says that the page was given up by `into_hpa`.
        unsafe { KernelPage::from_phys(hpa.get()) }
    }

    unsafe fn entries_at<'a>(hpa: Hpa) -> &'a Entries {
        // SAFETY: The caller says that the page was given up by `into_hpa`, and exists during `'a`.
        unsafe { KernelPage::words_at(hpa.get()) }
    }
}

impl Frame for KernelPage {
    fn hpa(&self) -> Hpa {
        Hpa::new(self.phys())
    }

    fn words(&self) -> &Entries {
        self.words()
    }
}

/// Pages for tables, allocated ahead. What holds them takes no memory of its own, so that
/// [`KernelPage`] alone decides what happens where memory is short.
#[derive(Default)]
pub(crate) struct Stock {
    /// The first `len` are there.
    pages: [Option<KernelPage>; Self::CAPACITY],
    len: usize,
}

impl Stock {
    /// Pages that one mapping takes at most: a table at each level below the root.
    pub(crate) const FOR_ONE_MAPPING: usize = 3;

    /// Pages that there is room for.
    const CAPACITY: usize = if Self::FOR_ONE_MAPPING > PAGES_FOR_ONE_FILL {
        Self::FOR_ONE_MAPPING
    } else {
        PAGES_FOR_ONE_FILL
    };

    /// Allocates until there are `count` pages, or as many as there is room for. May sleep.
    #[inline(always)]
    pub(crate) fn fill(&mut self, count: usize) -> Result {
        if self.len < count {
            self.refill(count)?;
        }
        Ok(())
    }

    #[cold]
    fn refill(&mut self, count: usize) -> Result {
        for slot in self.pages.iter_mut().take(count).skip(self.len) {
            *slot = Some(KernelPage::new()?);
            self.len += 1;
        }
        Ok(())
    }

    /// Number of pages.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Takes a page.
    pub(crate) fn take(&mut self) -> Option<KernelPage> {
        self.len = self.len.checked_sub(1)?;
        self.pages.get_mut(self.len)?.take()
    }
}
