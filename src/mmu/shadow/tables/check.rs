// SPDX-License-Identifier: GPL-2.0

//! Whether the tables keep their invariants: for tests in userspace.

use super::*;
use crate::mmu::{
    address::Gpa,
    guest_walk::{
        ACCESSED,
        DIRTY, //
    }, //
};

impl<P: Frame> Tables<P> {
    /// Tables that are unsynchronised.
    pub(in crate::mmu::shadow) fn unsync_count(&self) -> usize {
        self.used().filter(|table| self.pool[*table].unsync).count()
    }

    /// Tables that a search meets at most, and is not for.
    pub(in crate::mmu::shadow) fn longest_search(&self) -> usize {
        self.pool.longest_search()
    }

    /// Panics unless the invariants hold, as far as the entries that are known to be present go.
    pub(in crate::mmu::shadow) fn check(&self, memory: &dyn GuestMemory) {
        for table in self.used() {
            let page = &self.pool[table];
            assert!(self.is_used(table), "two of a kind");
            assert!(page.parents != 0 || page.key.is_root());
            assert!(!page.unsync || self.protects && page.key.level == Level::Pt);
        }
        for table in self.pool.all_retired() {
            let page = &self.pool[table];
            assert!(page.parents == 0 && !page.unsync);
        }
        let (mut entries, mut in_rings) = (0, 0);
        let mut references = 0;
        let mut parents = 0;
        for table in self.used().chain(self.pool.all_retired()) {
            let page = &self.pool[table];
            assert!(self.pool.has_entries(table));
            parents += u64::from(page.parents);
            for index in self.present(table) {
                let at = At { table, index };
                if self.protects || page.key.level != Level::Pt {
                    entries += 1;
                    in_rings += self.check_rmap(at, memory);
                }
                if page.key.level == Level::Pt {
                    self.check_page(at, memory);
                } else {
                    self.check_table(at);
                    references += 1;
                }
                if self.must_agree(table) {
                    self.check_source(at, memory);
                }
            }
        }
        assert_eq!(self.unsync_count(), self.pool.out_of_date_count());
        let roots = self.used().filter(|table| self.pool[*table].key.is_root());
        let roots = roots.filter(|table| *table != Self::PAE);
        assert_eq!(roots.count(), self.pool.root_count());
        assert_eq!(references, parents);
        assert_eq!(entries, in_rings);
        assert!(self.root.is_none_or(|root| self.is_used(root)));
    }

    /// Looks also at what should not be there.
    pub(in crate::mmu::shadow) fn check_closely(&self) {
        for (number, page) in self.pool.iter().enumerate() {
            let counted = self.present(TableNumber(number as u16)).count();
            let found = (0..Level::ENTRIES).filter(|index| page.entry(*index).is_some());
            assert_eq!(counted, found.count());
        }
        assert_eq!(self.used().count(), self.pool.in_use());
    }

    /// Does every entry of the table say what the guest's entry says?
    fn must_agree(&self, table: TableNumber) -> bool {
        let is_granted = self.grants.iter().next().is_some();
        self.protects && !self.pool[table].unsync && self.is_used(table) && !is_granted
    }

    /// It is found by its key; but the one for PAE paging, which is always in use, by none.
    fn is_used(&self, table: TableNumber) -> bool {
        table == Self::PAE || self.pool.find(&self.pool[table].key) == Some(table)
    }

    fn used(&self) -> impl Iterator<Item = TableNumber> + '_ {
        core::iter::once(Self::PAE).chain(self.pool.used())
    }

    fn present(&self, table: TableNumber) -> impl Iterator<Item = usize> + '_ {
        let page = &self.pool[table];
        core::iter::successors(page.next_present(0), |index| page.next_present(index + 1))
    }

    fn check_rmap(&self, at: At, memory: &dyn GuestMemory) -> u32 {
        let hpa = self.entry(at).hpa();
        let referrers = match self.pool.at_table(hpa) {
            Some(table) => &self.pool[table].referrers,
            None => {
                let frame = self.pool[at.table].mapped_frame(at.index);
                memory.referrers(Gpa::new(frame << 12)).unwrap()
            }
        };
        let behind = rmap::behind(&self.pool, at);
        assert_eq!(rmap::before(&self.pool, behind), at);
        assert_eq!(self.entry(behind).hpa(), hpa);
        // Those of a ring are counted once, at the first.
        match referrers.first(&self.pool, hpa).unwrap() {
            first if first == at => referrers.count(&self.pool, hpa),
            _ => 0,
        }
    }

    fn entry(&self, at: At) -> ShadowEntry {
        self.pool[at.table].entry(at.index).unwrap()
    }

    fn check_table(&self, at: At) {
        let below = self.pool.at_table(self.entry(at).hpa()).unwrap();
        assert!(self.is_used(below));
        let level = self.pool[at.table].key.level.below();
        assert_eq!(Some(self.pool[below].key.level), level);
    }

    /// Nothing maps a page to be written to that holds a table.
    fn check_page(&self, at: At, memory: &dyn GuestMemory) {
        let entry = self.entry(at);
        if !self.protects || !entry.is_writable() || self.grants.iter().any(|g| g.at == at) {
            return;
        }
        for table in self.used() {
            let page = &self.pool[table];
            if page.key.is_guest_table() && !page.unsync {
                let table = memory.page(Gpa::new(page.key.frame << 12));
                assert_ne!(table.map(|table| table.hpa), Some(entry.hpa()));
            }
        }
    }

    /// The guest's entry is what this one was made from, but for flags that were set meanwhile.
    fn check_source(&self, at: At, memory: &dyn GuestMemory) {
        let page = &self.pool[at.table];
        let Some(guest) = page.key.guest_entry(at.index) else {
            return;
        };
        let (now, source) = (guest.read(memory).unwrap(), page.source(at.index));
        let set = (now ^ source) & now & (ACCESSED | DIRTY);
        assert_eq!(now & !set, source, "{at:?} is out of date");
    }
}
