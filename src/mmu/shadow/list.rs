// SPDX-License-Identifier: GPL-2.0

//! Lists of shadow tables, linked through the tables, so that one is put in and taken out at once.

/// A shadow table by its place in the pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TableNumber(pub(super) u16);

impl TableNumber {
    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// What lists are for. A table is in one list of each kind at most.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Tables in use with keys of the same hash.
    Key,
    /// Shadows in use of guest tables in frames of the same hash.
    Frame,
    /// Tables whose use has ended: retired ones, or those that can be taken into use again.
    Ended,
    /// Tables whose guest table may differ.
    OutOfDate,
    /// Tables that translation can begin with, the one used last first.
    Roots,
}

/// The tables before and behind one, by [`Kind`].
pub(super) type AllNeighbours = [Neighbours; 5];

/// The tables before and behind one.
#[derive(Clone, Copy, Default)]
pub(super) struct Neighbours {
    before: Option<TableNumber>,
    behind: Option<TableNumber>,
}

/// What can be in lists.
pub(super) trait Linked {
    /// Its places in them.
    fn neighbours(&self) -> &AllNeighbours;

    /// As above, to be changed.
    fn neighbours_mut(&mut self) -> &mut AllNeighbours;
}

/// A list, by its ends.
#[derive(Clone, Copy, Default)]
pub(super) struct List {
    first: Option<TableNumber>,
    last: Option<TableNumber>,
}

impl List {
    /// Nothing.
    pub(super) const EMPTY: Self = Self {
        first: None,
        last: None,
    };

    /// The first table.
    #[inline]
    pub(super) fn first(&self) -> Option<TableNumber> {
        self.first
    }

    /// The last table.
    pub(super) fn last(&self) -> Option<TableNumber> {
        self.last
    }

    /// Makes a table that is in no list of this kind the first.
    pub(super) fn push<T: Linked>(&mut self, pages: &mut [T], kind: Kind, table: TableNumber) {
        *neighbours(pages, kind, table) = Neighbours {
            before: None,
            behind: self.first,
        };
        match self.first.replace(table) {
            Some(second) => neighbours(pages, kind, second).before = Some(table),
            None => self.last = Some(table),
        }
    }

    /// Takes a table out, which is in this list.
    pub(super) fn remove<T: Linked>(&mut self, pages: &mut [T], kind: Kind, table: TableNumber) {
        let Neighbours { before, behind } = *neighbours(pages, kind, table);
        match before {
            Some(before) => neighbours(pages, kind, before).behind = behind,
            None => self.first = behind,
        }
        match behind {
            Some(behind) => neighbours(pages, kind, behind).before = before,
            None => self.last = before,
        }
    }
}

/// The table behind this one.
#[inline]
pub(super) fn behind<T: Linked>(
    pages: &[T],
    kind: Kind,
    table: TableNumber,
) -> Option<TableNumber> {
    pages[table.index()].neighbours()[kind as usize].behind
}

/// The table before this one.
pub(super) fn before<T: Linked>(
    pages: &[T],
    kind: Kind,
    table: TableNumber,
) -> Option<TableNumber> {
    pages[table.index()].neighbours()[kind as usize].before
}

fn neighbours<T: Linked>(pages: &mut [T], kind: Kind, table: TableNumber) -> &mut Neighbours {
    &mut pages[table.index()].neighbours_mut()[kind as usize]
}
