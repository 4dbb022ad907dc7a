// SPDX-License-Identifier: GPL-2.0

//! Shadows compared with the guest's tables: an entry is as good as the guest's entry that it was
//! made from. What is not goes, and comes back by a page fault when it is used.

use super::{
    index_limit,
    Tables, //
};
use crate::mmu::{
    address::{
        Gpa,
        Gva,
        Level,
        PageSize, //
    },
    shadow::{
        guest_memory::GuestMemory,
        list::TableNumber,
        page::{
            At,
            Frame, //
        },
        work::{
            Unfinished,
            Work, //
        }, //
    }, //
};
use core::ops::RangeInclusive;

impl<P: Frame> Tables<P> {
    /// What is out of date is to be synchronised before there is another root.
    pub(in crate::mmu::shadow) fn need_resync(&mut self) {
        self.needs_resync = true;
    }

    /// Synchronises all guest tables that are writable, and protects them again, as far as that can
    /// be done now.
    pub(super) fn resync(&mut self, memory: &dyn GuestMemory) -> Result<(), Unfinished> {
        while let Some(table) = self.pool.out_of_date() {
            self.resync_table(table, memory)?;
        }
        Ok(())
    }

    /// As [`Self::resync`], for the shadows of the guest table in a frame.
    pub(super) fn resync_frame(
        &mut self,
        frame: u64,
        memory: &dyn GuestMemory,
    ) -> Result<(), Unfinished> {
        let mut next = self.pool.shadow_of(frame, None);
        while let Some(table) = next {
            if self.pool[table].unsync {
                self.resync_table(table, memory)?;
            }
            next = self.pool.shadow_of(frame, Some(table));
        }
        Ok(())
    }

    /// As [`Self::resync`], for one table, which is out of date. Its frame's mappings cannot be
    /// protected in pieces: half of what an operation may do is left for them.
    fn resync_table(
        &mut self,
        table: TableNumber,
        memory: &dyn GuestMemory,
    ) -> Result<(), Unfinished> {
        if self.work.is_enough() || self.sync_until(table, Work::is_enough, memory).is_err() {
            self.is_resyncing = true;
            return Err(Unfinished);
        }
        self.protect(self.pool[table].key.frame, memory);
        self.pool.set_out_of_date(table, false);
        Ok(())
    }

    /// Drops every entry of a frame's shadows that the guest's entry does not stand for any more.
    pub(super) fn sync_frame(&mut self, frame: u64, memory: &dyn GuestMemory) {
        self.for_each_shadow(frame, |tables, table| {
            // If it is too much, all tables are dropped.
            let _unfinished = tables.sync_until(table, Work::is_too_much, memory);
        });
    }

    /// As above, for the 8 bytes around an address that were written.
    pub(in crate::mmu::shadow) fn sync_word(&mut self, gpa: Gpa, memory: &dyn GuestMemory) {
        let offset = gpa.offset(PageSize::Size4K);
        self.sync_bytes(gpa.frame(), offset..=offset, memory);
    }

    /// As above, for what 8 bytes can lie in of which one is at this address. They may be in
    /// another page, too.
    pub(super) fn sync_around(&mut self, gpa: Gpa, memory: &dyn GuestMemory) {
        const BEFORE: u64 = 7;
        let offset = gpa.offset(PageSize::Size4K);
        let last = (offset + BEFORE).min(PageSize::Size4K.bytes() - 1);
        self.sync_bytes(gpa.frame(), offset.saturating_sub(BEFORE)..=last, memory);
    }

    /// As above, for bytes at these offsets.
    fn sync_bytes(&mut self, frame: u64, offsets: RangeInclusive<u64>, memory: &dyn GuestMemory) {
        let Some(contents) = memory.contents(Gpa::new(frame << 12)) else {
            return self.sync_frame(frame, memory);
        };
        let (first, last) = (offsets.start() / 8, offsets.end() / 8);
        self.for_each_shadow(frame, |tables, table| {
            for word in first..=last {
                for index in tables.pool[table].key.entries_at(word * 8) {
                    if tables.pool[table].is_stale(index, contents) {
                        tables.drop_entry(At { table, index }, memory);
                        tables.syncs = tables.syncs.wrapping_add(1);
                    }
                }
            }
        });
    }

    /// Drops entries of each shadow of a guest table, by `body`. A table that retires with them may
    /// be another shadow of the same frame, and is passed over then. As it is of a lower level it
    /// is never the one at hand, behind which the next is found.
    fn for_each_shadow(&mut self, frame: u64, mut body: impl FnMut(&mut Self, TableNumber)) {
        let mut next = self.pool.shadow_of(frame, None);
        while let Some(table) = next.filter(|_| !self.work.is_too_much()) {
            self.work.add(1);
            body(self, table);
            next = self.pool.shadow_of(frame, Some(table));
        }
    }

    /// As [`Self::sync_frame`], for one table, until it is time to stop.
    fn sync_until(
        &mut self,
        table: TableNumber,
        is_time: impl Fn(&Work) -> bool,
        memory: &dyn GuestMemory,
    ) -> Result<(), Unfinished> {
        let gpa = Gpa::new(self.pool[table].key.frame << 12);
        let Some(contents) = memory.contents(gpa) else {
            return self.drop_entries(table, is_time, memory);
        };
        self.work.add(Work::COMPARISON);
        let mut from = 0;
        while let Some(index) = self.pool[table].next_stale(from, contents) {
            self.drop_entry(At { table, index }, memory);
            self.syncs = self.syncs.wrapping_add(1);
            if is_time(&self.work) {
                return Err(Unfinished);
            }
            from = index + 1;
        }
        Ok(())
    }

    /// Drops an entry if the guest's entry is not what it was made from. Returns whether it did.
    pub(super) fn sync_entry(&mut self, at: At, memory: &dyn GuestMemory) -> bool {
        let page = &self.pool[at.table];
        let Some(guest) = page.key.guest_entry(at.index) else {
            return false;
        };
        let same = || guest.read(memory) == Some(page.source(at.index));
        if page.entry(at.index).is_none() || same() {
            return false;
        }
        self.drop_entry(at, memory);
        self.syncs = self.syncs.wrapping_add(1);
        true
    }

    /// As above, with the other half of a page of 4 MiB, which is invalidated as a whole.
    fn sync_pair(&mut self, at: At, memory: &dyn GuestMemory) -> bool {
        if let Some(index) = self.pool[at.table].key.twin(at.index) {
            self.sync_entry(At { index, ..at }, memory);
        }
        self.sync_entry(at, memory)
    }

    /// Drops what stands for an address and is not what the guest's tables say.
    pub(in crate::mmu::shadow) fn sync_address(&mut self, address: Gva, memory: &dyn GuestMemory) {
        match self.shortcut(address) {
            Some(at) if self.protects => {
                self.sync_entry(at, memory);
            }
            // The guest may have changed the way there, which the entry says nothing of. With 32
            // bits it may be one of the two to a page of 4 MiB, and the other one has to go, too.
            Some(at) if self.pool[at.table].key.is_word_for_word() => self.drop_entry(at, memory),
            _ => self.sync_way(address, memory),
        }
    }

    /// As above, from the root down.
    fn sync_way(&mut self, address: Gva, memory: &dyn GuestMemory) {
        let mut table = match self.root {
            Some(table) => table,
            None => return,
        };
        loop {
            let level = self.pool[table].key.level;
            let index = level.index(address.get()) % index_limit(table == Self::PAE);
            // Where tables are protected, only those of the lowest level may differ.
            let may_differ = !self.protects || level == Level::Pt;
            if may_differ && self.sync_pair(At { table, index }, memory) {
                return;
            }
            let page = &self.pool[table];
            let below = match page.entry(index) {
                Some(entry) if page.key.level != Level::Pt => self.pool.at_table(entry.hpa()),
                _ => None,
            };
            match below {
                Some(below) => table = below,
                None => return,
            }
        }
    }
}
