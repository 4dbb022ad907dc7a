// SPDX-License-Identifier: GPL-2.0

//! What a shadow table stands for: the key that it is found by.
//!
//! The same guest table can have several shadows: one for each way in which it is read (as a table
//! of another level, with 32-bit entries, with XD reserved), and one for each set of rights that
//! the levels above it leave over, because a shadow entry that maps a page has the rights of the
//! whole way, and those that refer to tables have all. Where shadows may be out of date for long,
//! there is one for each address, too.

use crate::mmu::{
    address::{
        Gva,
        Level, //
    },
    guest_walk::{
        self,
        GuestEntry,
        Mode,
        Paging,
        Rights,
        Walked, //
    },
    node::Entries, //
};
use core::ops::Range;

/// How the entries of a guest table are to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Syntax {
    mode: Mode,
    /// IA32_EFER.NXE.
    no_execute: bool,
}

impl Syntax {
    /// That of a guest that translates like this.
    pub(crate) fn of(paging: &Paging) -> Self {
        Self {
            mode: paging.mode,
            no_execute: paging.no_execute,
        }
    }
}

/// What a shadow table has its entries from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    /// A guest table.
    Table {
        /// How to read it.
        syntax: Syntax,
        /// Which part: a table of 1024 entries of 32 bits takes two shadows, or four of those
        /// that cover half as much with each entry.
        part: u8,
    },
    /// Contiguous memory: a part of a large page, or of all where there is no paging.
    Direct,
    /// The four entries that the CPU starts with where there are not four levels.
    Pae,
}

/// What a shadow table stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Key {
    /// Number of the guest frame that the table is in; for [`Origin::Direct`], of the first frame
    /// that it maps.
    pub(crate) frame: u64,
    /// Its level.
    pub(crate) level: Level,
    /// What its entries come from.
    pub(crate) origin: Origin,
    /// What the levels above leave over.
    pub(crate) rights: Rights,
    /// Where tables are not shared between addresses, the first address that it translates; else 0.
    pub(crate) linear: u64,
}

impl Key {
    /// The table that translation begins with.
    pub(crate) fn root(paging: &Paging) -> Self {
        let frame = guest_walk::root(paging.mode, paging.cr3) >> 12;
        let (level, origin) = match paging.mode {
            Mode::FourLevels => (
                Level::Pml4,
                Origin::Table {
                    syntax: Syntax::of(paging),
                    part: 0,
                },
            ),
            _ => (Level::Pdpt, Origin::Pae),
        };
        Self {
            frame,
            level,
            origin,
            rights: Rights::ALL,
            linear: 0,
        }
    }

    /// The table below this one on the way to an address, and the guest's entry that leads there:
    /// 0 if none does. [`None`] if this one is of the lowest level.
    pub(crate) fn below(
        self,
        paging: &Paging,
        address: Gva,
        walked: &Walked,
    ) -> Option<(Self, u64)> {
        let level = self.level.below()?;
        // CAST: 1 to 4.
        let number = self.level as u32;
        if number > walked.leaf && walked.leaf != 0 {
            return Some(self.table_below(level, paging, address, walked));
        }
        let (rights, source) = match walked.entry(number) {
            Some(leaf) if number == walked.leaf => (walked.shadow_rights(self.rights), leaf.entry),
            _ => (self.rights, 0),
        };
        let frames = self.level.span() >> 12;
        let key = Self {
            frame: walked.gpa.frame() & !(frames - 1),
            level,
            origin: Origin::Direct,
            rights,
            linear: 0,
        };
        Some((key, source))
    }

    fn table_below(
        self,
        level: Level,
        paging: &Paging,
        address: Gva,
        walked: &Walked,
    ) -> (Self, u64) {
        let syntax = Syntax::of(paging);
        // CAST: 2 to 4.
        let entry = walked.entry(self.level as u32);
        // Two levels of 32-bit entries: the four entries at the top have no counterpart.
        let (frame, rights, source) = entry.map_or((self.frame, self.rights, 0), |visited| {
            let rights = self.rights.and(visited.rights(paging.mode));
            (visited.table().frame(), rights, visited.entry)
        });
        let part = match paging.mode {
            // CAST: 0 to 3.
            Mode::Bits32 { .. } if level == Level::Pd => (address.get() >> 30 & 3) as u8,
            // CAST: 0 or 1.
            Mode::Bits32 { .. } => (address.get() >> 21 & 1) as u8,
            _ => 0,
        };
        let key = Self {
            frame,
            level,
            origin: Origin::Table { syntax, part },
            rights,
            linear: 0,
        };
        (key, source)
    }

    /// The same for this address only. The table above is of this level.
    pub(crate) fn only_for(self, address: Gva, above: Level) -> Self {
        Self {
            linear: address.get() & !(above.span() - 1),
            ..self
        }
    }

    /// Does the frame hold a guest table, so that writes to it matter?
    pub(crate) fn is_guest_table(self) -> bool {
        matches!(self.origin, Origin::Table { .. })
    }

    /// Is the table kept although no other refers to it?
    pub(crate) fn is_root(self) -> bool {
        match self.origin {
            Origin::Pae => true,
            Origin::Direct => false,
            Origin::Table { syntax, .. } => match syntax.mode {
                Mode::FourLevels => self.level == Level::Pml4,
                _ => self.level == Level::Pd,
            },
        }
    }

    /// The entries that come from the 8 bytes of the guest table at this offset.
    pub(crate) fn entries_at(&self, offset: u64) -> Range<usize> {
        let Origin::Table { syntax, part } = self.origin else {
            return 0..0;
        };
        // CAST: Less than 512.
        let word = (offset % 4096 / 8) as usize;
        // CAST: Widens.
        let part = part as usize;
        match (syntax.mode, self.level) {
            // Two entries in a word, four of the table for them.
            (Mode::Bits32 { .. }, Level::Pd) => part_of(word * 4, 4, part),
            (Mode::Bits32 { .. }, _) => part_of(word * 2, 2, part),
            _ => word..word + 1,
        }
    }

    /// The other entry of this table that the same guest's entry stands behind, if there are two.
    pub(crate) fn twin(self, index: usize) -> Option<usize> {
        let Origin::Table { syntax, .. } = self.origin else {
            return None;
        };
        // 4 MiB take two entries.
        let two = matches!(syntax.mode, Mode::Bits32 { .. }) && self.level == Level::Pd;
        two.then_some(index ^ 1)
    }

    /// Does each entry of the table come from the word of the guest table at the same place?
    pub(super) fn is_word_for_word(&self) -> bool {
        match self.origin {
            Origin::Table { syntax, .. } => !matches!(syntax.mode, Mode::Bits32 { .. }),
            _ => false,
        }
    }

    /// What the guest's entry for an entry of this table says, in the contents of the guest table.
    pub(super) fn guest_value(&self, index: usize, contents: &Entries) -> u64 {
        self.guest_entry(index)
            .map_or(0, |entry| entry.read_from(contents))
    }

    /// The guest's entry that stands behind an entry of this table, if one does.
    pub(crate) fn guest_entry(self, index: usize) -> Option<GuestEntry> {
        let Origin::Table { syntax, part } = self.origin else {
            return None;
        };
        // CAST: Less than 512, 1 to 4.
        let (index, level) = (index as u64, self.level as u32);
        let index = match (syntax.mode, self.level) {
            // A guest's entry covers as much as two of this table.
            (Mode::Bits32 { .. }, Level::Pd) => u64::from(part) * 256 + index / 2,
            (Mode::Bits32 { .. }, _) => u64::from(part) * 512 + index,
            _ => index,
        };
        Some(GuestEntry::at(syntax.mode, level, self.frame << 12, index))
    }
}

/// The `count` entries from `first` on, counted from the beginning of this part of 512, if they are
/// in it.
fn part_of(first: usize, count: usize, part: usize) -> Range<usize> {
    if first / Level::ENTRIES != part {
        return 0..0;
    }
    let first = first % Level::ENTRIES;
    first..first + count
}

impl Walked {
    /// Rights of the shadow entry for the page: what the levels above leave over and the guest's
    /// entry allows, but no writes before its dirty flag is set.
    pub(crate) fn shadow_rights(&self, above: Rights) -> Rights {
        let rights = above.and(self.rights);
        Rights {
            write: rights.write && self.dirty(),
            ..rights
        }
    }
}
