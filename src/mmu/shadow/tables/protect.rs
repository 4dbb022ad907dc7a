// SPDX-License-Identifier: GPL-2.0

//! Which guest tables are write-protected, and when that ends.

use super::{
    Tables,
    WRITES_OF_DATA, //
};
use crate::mmu::{
    address::{
        Gpa,
        Level, //
    },
    shadow::{
        guest_memory::GuestMemory,
        list::TableNumber,
        page::{
            At,
            Frame, //
        },
        rmap,
    }, //
};

impl<P: Frame> Tables<P> {
    /// Does a frame hold a guest table whose shadow agrees with it, so that nobody may write there?
    pub(in crate::mmu::shadow) fn is_protected(&self, frame: u64) -> bool {
        self.protects && self.any_shadow(frame, |tables, table| !tables.pool[table].unsync)
    }

    pub(super) fn any_shadow(&self, frame: u64, test: impl Fn(&Self, TableNumber) -> bool) -> bool {
        let mut next = self.pool.shadow_of(frame, None);
        while let Some(table) = next {
            if test(self, table) {
                return true;
            }
            next = self.pool.shadow_of(frame, Some(table));
        }
        false
    }

    /// Is a step granted a write to a protected table that takes long to be compared?
    pub(in crate::mmu::shadow) fn has_granted_dense_tables(&self) -> bool {
        let is_dense = |tables: &Self, table| tables.pool[table].is_dense();
        let mut grants = self.grants.iter().filter(|_| self.protects);
        grants.any(|grant| self.any_shadow(grant.gpa.frame(), is_dense))
    }

    /// Nobody may write to the guest table in a frame any more.
    pub(super) fn protect(&mut self, frame: u64, memory: &dyn GuestMemory) {
        if !self.is_protected(frame) {
            self.write_protect(frame, memory);
        }
    }

    /// Makes all entries that map a frame read-only.
    fn write_protect(&mut self, frame: u64, memory: &dyn GuestMemory) {
        let Some(page) = memory.page(Gpa::new(frame << 12)) else {
            return;
        };
        let first = page.referrers.first(&self.pool, page.hpa);
        let mut next = first;
        while let Some(at) = next.filter(|_| !self.work.is_too_much()) {
            self.work.add(1);
            self.make_read_only(at);
            next = Some(rmap::behind(&self.pool, at)).filter(|at| Some(*at) != first);
        }
    }

    pub(super) fn make_read_only(&mut self, at: At) {
        match self.pool.entry(at) {
            Some(entry) if entry.is_writable() => {
                let page = &mut self.pool[at.table];
                let source = page.source(at.index);
                page.set(at.index, entry.read_only(), source);
                self.flush.need();
            }
            _ => {}
        }
    }

    /// Counts a write to the guest table in a frame. Is it written like data?
    pub(in crate::mmu::shadow) fn note_write(&mut self, frame: u64) -> bool {
        let mut data = false;
        let mut next = self.pool.shadow_of(frame, None);
        while let Some(table) = next {
            let page = &mut self.pool[table];
            page.writes = page.writes.saturating_add(1);
            data |= page.writes > WRITES_OF_DATA;
            next = self.pool.shadow_of(frame, Some(table));
        }
        data
    }

    /// Lets go of a frame: it holds no table any more, as far as the shadows are concerned.
    pub(in crate::mmu::shadow) fn release(&mut self, frame: u64, memory: &dyn GuestMemory) {
        while let Some(table) = self.pool.shadow_of(frame, None) {
            if self.work.is_too_much() {
                return;
            }
            self.retire(table, memory);
        }
    }

    /// Lets the guest write to the table in a frame, if only shadows of the lowest level would have
    /// to be synchronised for it, and that is not going on. Returns whether it does.
    pub(in crate::mmu::shadow) fn allow_unsync(&mut self, frame: u64) -> bool {
        let is_higher = |tables: &Self, table| tables.pool[table].key.level != Level::Pt;
        self.is_resyncing &= self.pool.out_of_date().is_some();
        if self.is_resyncing || self.any_shadow(frame, is_higher) {
            return false;
        }
        let mut next = self.pool.shadow_of(frame, None);
        while let Some(table) = next {
            self.pool.set_out_of_date(table, true);
            next = self.pool.shadow_of(frame, Some(table));
        }
        true
    }
}
