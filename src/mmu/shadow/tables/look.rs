// SPDX-License-Identifier: GPL-2.0

//! Entries shown to somebody who only looks, with how they stand to the guest's.

use super::{
    index_limit,
    Tables, //
};
use crate::mmu::{
    address::{
        Gpa,
        Gva,
        Input,
        Level, //
    },
    guest_walk::{
        ACCESSED,
        DIRTY,
        PRESENT,
        WRITE, //
    },
    pte::{
        self,
        flag,
        Pte, //
    },
    shadow::{
        guest_memory::GuestMemory,
        key::Origin,
        list::TableNumber,
        page::{
            At,
            Frame, //
        }, //
    }, //
};

impl<P: Frame> Tables<P> {
    /// Shows the entries on the way to an address, as the CPU meets them.
    pub(in crate::mmu::shadow) fn walk(
        &self,
        address: Gva,
        memory: &dyn GuestMemory,
        mut see: impl FnMut(Pte),
    ) {
        let mut next = self.root;
        while let Some(table) = next {
            let at = self.at(table, address);
            see(self.pte(at, address, memory));
            next = self.below(at);
        }
    }

    /// Does the CPU come to the tables with such an address? Outside IA-32e mode they have 32 bits.
    pub(in crate::mmu::shadow) fn takes(&self, address: Gva) -> bool {
        self.root != Some(Self::PAE) || address.get() >> 32 == 0
    }

    /// Shows present entries of one table: that of this level on the way to an address, or the
    /// root, if there is one. They begin at an index, and if there are more than are shown at once,
    /// it says where to go on. [`None`] if there is no such table.
    pub(in crate::mmu::shadow) fn list(
        &self,
        address: Gva,
        level: Option<Level>,
        from: usize,
        memory: &dyn GuestMemory,
        mut see: impl FnMut(Pte),
    ) -> Option<Option<usize>> {
        let Some(mut table) = self.root else {
            return level.is_none().then_some(None);
        };
        let level = level.unwrap_or(self.pool[table].key.level);
        while self.pool[table].key.level > level {
            table = self.below(self.at(table, address))?;
        }
        let page = &self.pool[table];
        if page.key.level != level {
            return None;
        }
        let mut next = page.next_present(from);
        for _ in 0..SHARE {
            let Some(index) = next else {
                break;
            };
            // CAST: Less than 512.
            let first = address.get() & !(span(level) - 1) | index as u64 * level.span();
            see(self.pte(At { table, index }, Gva::from_position(first), memory));
            next = page.next_present(index + 1);
        }
        Some(next)
    }

    /// The entry of a table on the way to an address.
    pub(super) fn at(&self, table: TableNumber, address: Gva) -> At {
        let level = self.pool[table].key.level;
        At {
            table,
            index: level.index(address.get()) % index_limit(table == Self::PAE),
        }
    }

    /// The table that an entry refers to.
    pub(super) fn below(&self, at: At) -> Option<TableNumber> {
        let page = &self.pool[at.table];
        let entry = page
            .entry(at.index)
            .filter(|_| page.key.level != Level::Pt)?;
        self.pool.at_table(entry.hpa())
    }

    fn pte(&self, at: At, address: Gva, memory: &dyn GuestMemory) -> Pte {
        let page = &self.pool[at.table];
        let present = page.entry(at.index);
        let value = present.map_or(0, |entry| entry.raw());
        // CAST: Less than 512.
        let index = at.index as u32;
        Pte {
            tables: pte::Tables::Shadow,
            // CAST: 1 to 4.
            level: page.key.level as u32,
            index,
            flags: self.flags(at, value) | self.difference(at, value, memory),
            input: address.get(),
            address: page.hpa().get() | u64::from(index) * 8,
            value,
            source: present.map_or(0, |_| page.source(at.index)),
        }
    }

    /// What the entry says to the CPU.
    fn flags(&self, at: At, value: u64) -> u32 {
        if at.table == Self::PAE {
            return pte::pdpte_flags(value) | flag::REGISTER;
        }
        pte::paging_flags(value, self.pool[at.table].key.level == Level::Pt)
    }

    /// How a present entry stands to the guest's.
    fn difference(&self, at: At, value: u64, memory: &dyn GuestMemory) -> u32 {
        if value & PRESENT == 0 {
            return 0;
        }
        let mut flags = 0;
        if self.is_out_of_date(at, memory) {
            flags |= flag::OUT_OF_DATE;
        }
        if self.waits_for_dirty(at) {
            flags |= flag::NOT_DIRTY;
        }
        let page = &self.pool[at.table];
        if page.key.level == Level::Pt && value & WRITE == 0 && self.may_be_written(at) {
            let frame = page.mapped_frame(at.index);
            if self.is_protected(frame) {
                flags |= flag::HOLDS_TABLE;
            }
            let mapped = memory.page(Gpa::new(frame << 12));
            if mapped.is_some_and(|mapped| !mapped.writable) {
                flags |= flag::READ_ONLY_MEMORY;
            }
        }
        flags
    }

    /// Do the guest's entries allow writes, this one and those above?
    fn may_be_written(&self, at: At) -> bool {
        let key = &self.pool[at.table].key;
        let allows = !key.is_guest_table() || self.pool[at.table].source(at.index) & WRITE != 0;
        key.rights.write && allows
    }

    /// Has the guest changed its entry since, but for flags that were set?
    fn is_out_of_date(&self, at: At, memory: &dyn GuestMemory) -> bool {
        let page = &self.pool[at.table];
        let Some(guest) = page.key.guest_entry(at.index) else {
            return false;
        };
        let (now, source) = (guest.read(memory).unwrap_or(0), page.source(at.index));
        let set = now & !source & (ACCESSED | DIRTY);
        now & !set != source
    }

    /// Does the entry stand for a page that the guest's entry allows writes to, but is not dirty?
    fn waits_for_dirty(&self, at: At) -> bool {
        let page = &self.pool[at.table];
        let is_leaf = match self.below(at) {
            None => page.key.is_guest_table(),
            Some(below) => self.pool[below].key.origin == Origin::Direct,
        };
        let source = page.source(at.index);
        is_leaf && page.key.rights.write && source & (WRITE | DIRTY) == WRITE
    }
}

/// Entries that are shown at once: all tables are held still meanwhile, and a guest may have to
/// wait.
const SHARE: usize = 64;

/// What a table of this level translates, in bytes.
fn span(level: Level) -> u64 {
    // CAST: 512.
    level.span() * Level::ENTRIES as u64
}
