// SPDX-License-Identifier: GPL-2.0

//! The host's memory: pages with addresses of their own, which a CPU can reach as long as they
//! exist.

use crate::mmu::{
    address::{Hpa, Level},
    shadow::{Frame, Referrers},
};
use std::{
    cell::RefCell,
    rc::{Rc, Weak},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Numbers that no guest knows.
pub(super) const RANDOM: [u64; 2] = [0x2545_f491_4f6c_dd1d, 0xd134_2543_de82_ef95];

/// A page of host memory.
pub(super) struct HostPage {
    hpa: u64,
    /// The guest's frame that it is, if it is one.
    pub(super) guest_frame: Option<u64>,
    words: Box<[AtomicU64; Level::ENTRIES]>,
    /// The shadow entries that map it.
    pub(super) referrers: Referrers,
}

impl HostPage {
    pub(super) fn hpa(&self) -> u64 {
        self.hpa
    }

    /// The word at this offset.
    pub(super) fn word(&self, offset: u64) -> &AtomicU64 {
        &self.words[offset as usize % 4096 / 8]
    }

    pub(super) fn words(&self) -> &[AtomicU64; Level::ENTRIES] {
        &self.words
    }

    /// Takes over the contents of another page.
    pub(super) fn copy_from(&self, other: &Self) {
        for (word, from) in self.words.iter().zip(other.words.iter()) {
            word.store(from.load(Relaxed), Relaxed);
        }
    }

    pub(super) fn contents(&self) -> impl Iterator<Item = u64> + '_ {
        self.words.iter().map(|word| word.load(Relaxed))
    }
}

/// A page for shadow tables.
#[derive(Clone)]
pub(super) struct TablePage(Rc<HostPage>);

impl Frame for TablePage {
    fn hpa(&self) -> Hpa {
        Hpa::new(self.0.hpa)
    }

    fn words(&self) -> &[AtomicU64; Level::ENTRIES] {
        &self.0.words
    }
}

/// All pages by number. A number is not used again, so that nobody takes a new page for an old one.
#[derive(Default)]
pub(super) struct Host(RefCell<Vec<Weak<HostPage>>>);

impl Host {
    /// The first page's number. Pages have addresses below 4 GiB.
    const FIRST: u64 = 0x5_0000;

    /// A zeroed page.
    pub(super) fn allocate(&self, guest_frame: Option<u64>) -> Rc<HostPage> {
        let mut pages = self.0.borrow_mut();
        let page = Rc::new(HostPage {
            hpa: (Self::FIRST + pages.len() as u64) << 12,
            guest_frame,
            words: Box::new([const { AtomicU64::new(0) }; Level::ENTRIES]),
            referrers: Referrers::new(),
        });
        pages.push(Rc::downgrade(&page));
        page
    }

    /// A zeroed page for shadow tables.
    pub(super) fn allocate_table(&self) -> TablePage {
        TablePage(self.allocate(None))
    }

    /// The page at an address.
    pub(super) fn page(&self, hpa: u64) -> Rc<HostPage> {
        (hpa >> 12)
            .checked_sub(Self::FIRST)
            .and_then(|number| self.0.borrow().get(number as usize)?.upgrade())
            .unwrap_or_else(|| panic!("the CPU reaches for {hpa:#x}, where nothing is any more"))
    }

    /// The word at an address.
    pub(super) fn read(&self, hpa: u64) -> u64 {
        self.page(hpa).word(hpa).load(Relaxed)
    }
}
