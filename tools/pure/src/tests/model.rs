// SPDX-License-Identifier: GPL-2.0

//! The plain model that the engine is compared with: a map from page to page, and a TLB.

use super::machine::{self, Machine};
use crate::mmu::{
    address::{AddressRange, Gpa, Hpa, Input, PageSize},
    node::MapError,
    table::PageTable,
};
use std::{collections::BTreeMap, sync::atomic::Ordering};

/// Bytes of a page in the model, which knows one size only.
pub(super) const PAGE: u64 = 4096;

/// What the model says of a page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Page<A> {
    hpa: u64,
    attributes: A,
    accessed: bool,
    dirty: bool,
}

/// Pages by position, and what a CPU remembers of them.
pub(super) struct Model<F: Machine> {
    pages: BTreeMap<u64, Page<F::Attributes>>,
    tlb: BTreeMap<u64, (u64, F::Attributes)>,
}

impl<F: Machine> Model<F> {
    pub(super) fn new() -> Self {
        Self {
            pages: BTreeMap::new(),
            tlb: BTreeMap::new(),
        }
    }

    /// What mapping a page has to result in, if there are pages for all tables. `found` is the size
    /// of the page that a CPU finds there now.
    pub(super) fn map(
        &mut self,
        position: u64,
        size: PageSize,
        hpa: u64,
        attributes: F::Attributes,
        found: Option<PageSize>,
    ) -> Result<(), MapError> {
        let taken = self.pages.range(position..position + size.bytes()).next();
        if taken.is_none() {
            return Ok(());
        }
        let same = self
            .pages
            .get(&position)
            .is_some_and(|page| page.hpa == hpa && page.attributes == attributes);
        if same && found >= Some(size) {
            return Ok(());
        }
        Err(MapError::Occupied)
    }

    /// Notes what was mapped. A page that was there is the same, and keeps its flags.
    pub(super) fn mapped(
        &mut self,
        position: u64,
        size: PageSize,
        hpa: u64,
        attributes: F::Attributes,
    ) {
        for offset in (0..size.bytes()).step_by(PAGE as usize) {
            self.pages.entry(position + offset).or_insert(Page {
                hpa: hpa + offset,
                attributes,
                accessed: false,
                dirty: false,
            });
        }
    }

    /// Removes pages; returns whether there were any.
    pub(super) fn unmap(&mut self, start: u64, end: u64) -> bool {
        let before = self.pages.len();
        self.pages
            .retain(|position, _| !(start..end).contains(position));
        self.pages.len() != before
    }

    /// A CPU uses an address: sets flags, and remembers the translation.
    pub(super) fn touch(&mut self, root: Hpa, position: u64, write: bool) {
        let address = F::Input::from_position(position);
        let walk = machine::walk::<F>(root, address);
        assert_eq!(walk.is_some(), self.pages.contains_key(&position));
        let Some(walk) = walk else { return };
        let flags = F::ACCESSED | if write { F::DIRTY } else { 0 };
        walk.slot.fetch_or(flags, Ordering::Relaxed);
        let base = position & !(walk.size.bytes() - 1);
        for (_, page) in self.pages.range_mut(base..base + walk.size.bytes()) {
            page.accessed = true;
            page.dirty |= write;
        }
        let page = self.pages[&position];
        self.tlb.insert(position, (page.hpa, page.attributes));
    }

    /// The CPUs forget what they remember.
    pub(super) fn flush(&mut self) {
        self.tlb.clear();
    }

    /// What CPUs still remember allows nothing that the model does not.
    pub(super) fn check_tlb(&self) {
        for (position, (hpa, attributes)) in &self.tlb {
            let page = self
                .pages
                .get(position)
                .expect("a CPU uses a page that is gone");
            assert_eq!(page.hpa, *hpa, "a CPU uses another page");
            assert_eq!(page.attributes, *attributes, "a CPU uses other rights");
        }
    }

    /// The engine and the model agree on these positions.
    pub(super) fn check<P: crate::mmu::node::TablePage>(
        &self,
        table: &PageTable<F, P>,
        positions: impl Iterator<Item = u64>,
    ) {
        for position in positions {
            let offset = position.wrapping_mul(0x9e37_79b9) % PAGE;
            let found = table.translate(F::Input::from_position(position + offset));
            let found = found.map(|mapping| Page {
                hpa: mapping.hpa.get() - offset,
                attributes: mapping.attributes,
                accessed: mapping.accessed,
                dirty: mapping.dirty,
            });
            assert_eq!(
                found,
                self.pages.get(&position).copied(),
                "at {position:#x}"
            );
        }
    }

    /// Positions of all pages.
    pub(super) fn positions(&self) -> impl Iterator<Item = u64> + '_ {
        self.pages.keys().copied()
    }
}

/// The range of positions as the engine takes it.
pub(super) fn range<A: Input>(start: u64, end: u64) -> AddressRange<A> {
    let range = AddressRange::from_len(A::from_position(start), end - start).unwrap();
    assert_eq!((range.start_position(), range.end_position()), (start, end));
    range
}

/// An address in the host that is aligned to 2 MiB and says what it was made for.
pub(super) fn host(position: u64, copy: u8) -> u64 {
    Gpa::new(position % (1 << 40)).get() + (u64::from(copy) << 41)
}
