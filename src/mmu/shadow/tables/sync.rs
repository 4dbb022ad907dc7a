// SPDX-License-Identifier: GPL-2.0

//! Shadows compared with the guest's tables: an entry is as good as the guest's entry that it was made
//! from. What is not goes, and comes back by a page fault when it is used.

use super::{
    index_limit,
    Tables, //
};
use crate::mmu::{
    address::{
        Gpa,
        Gva,
        Level, //
    },
    shadow::{
        page::{
            At,
            Frame,
            Slot, //
        },
        GuestMemory, //
    }, //
};

impl<P: Frame> Tables<P> {
    /// Synchronises all guest tables that are writable, and protects them again.
    pub(in crate::mmu::shadow) fn resync(&mut self, memory: &dyn GuestMemory) {
        let mut next = self.pool.next_used(None);
        while self.unsync != 0 {
            let Some(slot) = next else { break };
            let page = &self.pool[slot];
            if page.unsync {
                let frame = page.key.frame;
                self.resync_frame(frame, memory);
                self.write_protect(frame, memory);
            }
            next = self.pool.next_used(next);
        }
    }

    pub(super) fn resync_frame(&mut self, frame: u64, memory: &dyn GuestMemory) {
        let mut next = self.pool.shadow_of(frame, None);
        while let Some(slot) = next {
            if core::mem::replace(&mut self.pool[slot].unsync, false) {
                self.unsync -= 1;
                self.sync(slot, memory);
            }
            next = self.pool.shadow_of(frame, Some(slot));
        }
    }

    /// Drops every entry of a frame's shadows that the guest's entry does not stand for any more.
    pub(in crate::mmu::shadow) fn sync_frame(&mut self, frame: u64, memory: &dyn GuestMemory) {
        let mut next = self.pool.shadow_of(frame, None);
        while let Some(slot) = next {
            // What goes below a table may be another shadow of the same frame.
            if self.sync(slot, memory) {
                next = self.pool.shadow_of(frame, None);
            } else {
                next = self.pool.shadow_of(frame, Some(slot));
            }
        }
    }

    /// As above, for 8 bytes that were written.
    pub(in crate::mmu::shadow) fn sync_word(&mut self, gpa: Gpa, memory: &dyn GuestMemory) {
        let frame = gpa.frame();
        let mut next = self.pool.shadow_of(frame, None);
        while let Some(slot) = next {
            let entries = self.pool[slot].key.entries_at(gpa.get());
            let mut changed = false;
            for index in entries {
                changed |= self.sync_entry(At { slot, index }, memory);
            }
            let after = if changed { None } else { Some(slot) };
            next = self.pool.shadow_of(frame, after);
        }
    }

    /// As above, for one table. Returns whether anything went.
    pub(super) fn sync(&mut self, slot: Slot, memory: &dyn GuestMemory) -> bool {
        let before = self.syncs;
        let table = Gpa::new(self.pool[slot].key.frame << 12);
        let Some(contents) = memory.contents(table) else {
            self.drop_entries(slot);
            return true;
        };
        while let Some(index) = self.pool[slot].next_stale(contents) {
            self.drop_entry(At { slot, index });
            self.syncs = self.syncs.wrapping_add(1);
        }
        self.syncs != before
    }

    /// Drops an entry if the guest's entry is not what it was made from. Returns whether it did.
    pub(super) fn sync_entry(&mut self, at: At, memory: &dyn GuestMemory) -> bool {
        let page = &self.pool[at.slot];
        let Some(guest) = page.key.guest_entry(at.index) else {
            return false;
        };
        let same = || guest.read(memory) == Some(page.source(at.index));
        if page.entry(at.index).is_none() || same() {
            return false;
        }
        self.drop_entry(at);
        self.syncs = self.syncs.wrapping_add(1);
        true
    }

    /// Drops what stands for an address and is not what the guest's tables say.
    pub(in crate::mmu::shadow) fn sync_address(&mut self, address: Gva, memory: &dyn GuestMemory) {
        let mut slot = match self.root {
            Some(slot) => slot,
            None => return,
        };
        loop {
            let index =
                self.pool[slot].key.level.index(address.get()) % index_limit(slot == Self::PAE);
            // A page of 4 MiB is invalidated as a whole.
            if let Some(index) = self.pool[slot].key.twin(index) {
                self.sync_entry(At { slot, index }, memory);
            }
            if self.sync_entry(At { slot, index }, memory) {
                return;
            }
            let page = &self.pool[slot];
            let below = match page.entry(index) {
                Some(entry) if page.key.level != Level::Pt => self.pool.at_table(entry.hpa()),
                _ => None,
            };
            match below {
                Some(below) => slot = below,
                None => return,
            }
        }
    }

    /// Synchronises a table and those below it that are not: a way that leads there from now on was
    /// never used before, so that nobody has to invalidate anything before its first use. The depth of
    /// this recursion is that of the tables.
    pub(super) fn sync_below(&mut self, slot: Slot, memory: &dyn GuestMemory) {
        if self.unsync == 0 {
            return;
        }
        if self.pool[slot].key.level == Level::Pt {
            if self.pool[slot].unsync {
                self.sync(slot, memory);
            }
            return;
        }
        let mut next = self.pool[slot].next_present(0);
        while let Some(index) = next {
            let entry = self.pool[slot].entry(index);
            if let Some(below) = entry.and_then(|entry| self.pool.at_table(entry.hpa())) {
                self.sync_below(below, memory);
            }
            next = self.pool[slot].next_present(index + 1);
        }
    }
}
