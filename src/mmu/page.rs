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
    shadow::Frame, //
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

/// Pages for tables, allocated ahead.
#[derive(Default)]
pub(crate) struct Stock(KVec<KernelPage>);

impl Stock {
    /// Pages that one mapping takes at most: a table at each level below the root.
    pub(crate) const FOR_ONE_MAPPING: usize = 3;

    /// Allocates until there are `count` pages. May sleep.
    #[inline(always)]
    pub(crate) fn fill(&mut self, count: usize) -> Result {
        if self.0.len() < count {
            self.refill(count)?;
        }
        Ok(())
    }

    #[cold]
    fn refill(&mut self, count: usize) -> Result {
        while self.0.len() < count {
            self.0.push(KernelPage::new()?, GFP_KERNEL)?;
        }
        Ok(())
    }

    /// Number of pages.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes a page.
    pub(crate) fn take(&mut self) -> Option<KernelPage> {
        self.0.pop()
    }
}
