// SPDX-License-Identifier: GPL-2.0

//! Entries of page tables as they are shown: the guest's, EPT's and the shadow's in one form.

use super::{
    format::Entry,
    guest_walk::{
        ACCESSED,
        DIRTY,
        NO_EXECUTE,
        PRESENT,
        USER,
        WRITE, //
    }, //
};
use core::cell::Cell;

/// Whose table an entry is in. The numbers are the interface's, as those of [`flag`].
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Tables {
    /// The guest's, in its own memory.
    #[default]
    Guest = 1,
    /// Extended page tables.
    Ept = 2,
    /// Shadow tables.
    Shadow = 3,
}

/// What an entry says, and of a shadow entry how it stands to the guest's.
pub(crate) mod flag {
    /// The entry means something.
    pub(crate) const PRESENT: u32 = 1 << 0;
    /// It allows reads.
    pub(crate) const READ: u32 = 1 << 1;
    /// It allows writes.
    pub(crate) const WRITE: u32 = 1 << 2;
    /// It allows instruction fetches.
    pub(crate) const EXECUTE: u32 = 1 << 3;
    /// It allows accesses by programs.
    pub(crate) const USER: u32 = 1 << 4;
    /// Its accessed flag is set.
    pub(crate) const ACCESSED: u32 = 1 << 5;
    /// Its dirty flag is set.
    pub(crate) const DIRTY: u32 = 1 << 6;
    /// It maps a page.
    pub(crate) const LEAF: u32 = 1 << 7;
    /// It says what no entry may say.
    pub(crate) const RESERVED: u32 = 1 << 8;
    /// The CPU has it in a PDPTE register.
    pub(crate) const REGISTER: u32 = 1 << 9;
    /// The guest's entry is not what this one was made from any more.
    pub(crate) const OUT_OF_DATE: u32 = 1 << 16;
    /// Not to be written to because the page holds a guest table.
    pub(crate) const HOLDS_TABLE: u32 = 1 << 17;
    /// Not to be written to because the guest's entry is not dirty.
    pub(crate) const NOT_DIRTY: u32 = 1 << 18;
    /// Not to be written to because the memory is read-only.
    pub(crate) const READ_ONLY_MEMORY: u32 = 1 << 19;

    /// All rights.
    pub(crate) const RIGHTS: u32 = READ | WRITE | EXECUTE | USER;
}

/// An entry of a table, as it was when it was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Pte {
    /// Whose it is.
    pub(crate) tables: Tables,
    /// Level of the table: 1 for the lowest.
    pub(crate) level: u32,
    /// Its place in the table.
    pub(crate) index: u32,
    /// Of [`flag`].
    pub(crate) flags: u32,
    /// The address that is translated by it: guest-physical for EPT, else guest-linear.
    pub(crate) input: u64,
    /// Where it is: guest-physical for the guest's, else host-physical; 0 for a register.
    pub(crate) address: u64,
    /// What is there.
    pub(crate) value: u64,
    /// The guest's entry that a shadow entry was made from, or 0.
    pub(crate) source: u64,
}

impl Pte {
    /// The rights that it has.
    pub(crate) fn rights(&self) -> u32 {
        self.flags & flag::RIGHTS
    }
}

/// What an entry of the CPU's own paging says.
pub(crate) fn paging_flags(value: u64, leaf: bool) -> u32 {
    if value & PRESENT == 0 {
        return 0;
    }
    let bit = |set: bool, flag: u32| if set { flag } else { 0 };
    flag::PRESENT
        | flag::READ
        | bit(value & WRITE != 0, flag::WRITE)
        | bit(value & NO_EXECUTE == 0, flag::EXECUTE)
        | bit(value & USER != 0, flag::USER)
        | bit(value & ACCESSED != 0, flag::ACCESSED)
        | bit(leaf && value & DIRTY != 0, flag::DIRTY)
        | bit(leaf, flag::LEAF)
}

/// What a PDPTE of PAE paging says: it leaves all rights to the entries below.
pub(crate) fn pdpte_flags(value: u64) -> u32 {
    match value & PRESENT {
        0 => 0,
        _ => flag::PRESENT | flag::RIGHTS,
    }
}

/// What a decoded entry is: whether it means something, maps a page, or cannot be.
pub(crate) fn shape_flags<A>(entry: &Entry<A>) -> u32 {
    match entry {
        Entry::Empty => 0,
        Entry::Table(_) => flag::PRESENT,
        Entry::Leaf(_) => flag::PRESENT | flag::LEAF,
        Entry::Malformed => flag::PRESENT | flag::RESERVED,
    }
}

/// The entries that a walk has met, in order.
pub(crate) struct Trail {
    ptes: [Cell<Pte>; Self::MOST],
    count: Cell<usize>,
}

impl Trail {
    /// Entries of a walk through four levels of tables, each of which is found by four levels of
    /// EPT.
    pub(crate) const MOST: usize = 24;

    /// No entries.
    pub(crate) fn new() -> Self {
        Self {
            ptes: [const { Cell::new(Pte::NONE) }; Self::MOST],
            count: Cell::new(0),
        }
    }

    /// Adds one. What would be more than [`Self::MOST`], which no walk meets, is left out.
    pub(crate) fn add(&self, pte: Pte) {
        if let Some(place) = self.ptes.get(self.count.get()) {
            place.set(pte);
            self.count.set(self.count.get().wrapping_add(1));
        }
    }

    /// Adds flags to the last one.
    pub(crate) fn mark_last(&self, flags: u32) {
        let last = self.count.get().checked_sub(1);
        if let Some(place) = last.and_then(|last| self.ptes.get(last)) {
            let pte = place.get();
            place.set(Pte {
                flags: pte.flags | flags,
                ..pte
            });
        }
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Pte> + '_ {
        self.ptes.iter().take(self.count.get()).map(Cell::get)
    }

    /// Those of the guest.
    pub(crate) fn guests(&self) -> impl Iterator<Item = Pte> + '_ {
        self.iter().filter(|pte| pte.tables == Tables::Guest)
    }
}

impl Pte {
    /// One that does not exist.
    const NONE: Self = Self {
        tables: Tables::Guest,
        level: 0,
        index: 0,
        flags: 0,
        input: 0,
        address: 0,
        value: 0,
        source: 0,
    };
}
