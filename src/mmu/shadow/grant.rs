// SPDX-License-Identifier: GPL-2.0

//! What is granted for one instruction only.
//!
//! A write to a protected guest table, and a write of the supervisor to a read-only page while
//! CR0.WP is 0, are allowed, but no entry can stay that allows them: the first must be seen, and
//! the second is more than a program in the guest may do. So the entry is made for the one
//! instruction, which is single-stepped.

use super::{
    guest_memory::GuestPage,
    page::At, //
};
use crate::mmu::{
    address::Gpa,
    guest_walk::Rights, //
};

/// What the instruction may have written in the pages that it was granted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Written {
    /// At most 8 bytes, and each address that it was granted for is one of theirs.
    Once,
    /// Anything.
    Anything,
}

/// What an instruction is allowed.
pub(super) struct Granted<'a> {
    /// The page.
    pub(super) page: GuestPage<'a>,
    /// What it may do there.
    pub(super) rights: Rights,
    /// All but the right to write may stay.
    pub(super) read_only: bool,
}

/// An entry that allows more, until the instruction has been carried out.
#[derive(Clone, Copy)]
pub(super) struct Grant {
    /// The entry.
    pub(super) at: At,
    /// Where the access is that it was made for.
    pub(super) gpa: Gpa,
    /// It stays, read-only.
    pub(super) read_only: bool,
}

/// All grants of the instruction.
#[derive(Default)]
pub(super) struct Grants {
    granted: [Option<Grant>; Self::ROOM],
    count: usize,
}

impl Grants {
    /// Grants that one instruction can need at most: each of two operands, or an event's stack
    /// frame and the tables for it, can lie across a page boundary; a scattered write has 16
    /// elements.
    pub(super) const ROOM: usize = 32;

    /// Is there no room for another?
    pub(super) fn is_full(&self) -> bool {
        self.count == Self::ROOM
    }

    /// Adds one, if there is room.
    pub(super) fn add(&mut self, grant: Grant) {
        if let Some(room) = self.granted.get_mut(self.count) {
            *room = Some(grant);
            self.count += 1;
        }
    }

    /// One of them, counted from 0.
    pub(super) fn get(&self, number: usize) -> Option<Grant> {
        *self.granted.get(..self.count)?.get(number)?
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = Grant> + '_ {
        (0..self.count).filter_map(|number| self.get(number))
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.count = 0;
    }
}
