// SPDX-License-Identifier: GPL-2.0

//! A cursor that visits the entries of a page table in address order.
//!
//! It knows three moves. *Down* goes to the table that the current entry refers to, *side* to the
//! next entry of the same table, *up* back to the entry that refers to the current table. A walk
//! that goes down where it can, else sideways, else up until it can go sideways again, sees every
//! table before what is below it, leaves it after that, and passes over an empty entry in one step
//! whatever it spans.

use super::{
    address::{
        AddressRange,
        Level, //
    },
    format::{
        Entry,
        Format, //
    },
    node::{
        Node,
        TablePage, //
    }, //
};

/// Levels of tables on the way to an entry.
const DEPTH: usize = 4;

/// A position in a page table: an entry on the way to an address.
///
/// # Invariants
///
/// `path[0]` is the root and `path[depth]` the current table; each table between is the one that
/// the entry for `position` of the table before it referred to when the cursor went down.
pub(super) struct Cursor<'a, F: Format, P: TablePage> {
    path: [Node<'a, F, P>; DEPTH],
    depth: usize,
    position: u64,
    range: AddressRange<F::Input>,
}

impl<'a, F: Format, P: TablePage> Cursor<'a, F, P> {
    /// Starts with the entry of `root` on the way to the start of `range`.
    pub(super) fn new(root: Node<'a, F, P>, range: AddressRange<F::Input>) -> Self {
        // INVARIANT: The path consists of the root only.
        Self {
            path: [root; DEPTH],
            depth: 0,
            position: range.start_position(),
            range,
        }
    }

    /// The current table.
    pub(super) fn node(&self) -> Node<'a, F, P> {
        self.path[self.depth]
    }

    /// What the current entry says.
    pub(super) fn entry(&self) -> Entry<F::Attributes> {
        self.node().entry(self.position)
    }

    /// An address that the current entry is on the way to, and that is in the range.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// First address that the current entry is on the way to.
    fn base(&self) -> u64 {
        self.position & !(self.node().level().span() - 1)
    }

    /// First address that the current entry is not on the way to.
    fn after(&self) -> u64 {
        // Positions are below 2^48, so that this is at most 2^48.
        self.base() + self.node().level().span()
    }

    /// Whether all that the current entry covers is in the range.
    pub(super) fn covers_entry(&self) -> bool {
        self.range.start_position() <= self.base() && self.after() <= self.range.end_position()
    }

    /// What of the range is left: a walk of that goes on where this one is.
    ///
    /// After a step up, that includes the end of the table that was left, so that it is left again.
    pub(super) fn rest(&self) -> Option<AddressRange<F::Input>> {
        self.range.from(self.position)
    }

    /// Goes to the table that the current entry refers to, if it refers to one.
    pub(super) fn step_down(&mut self) -> bool {
        let Some(child) = self.node().child(self.position) else {
            return false;
        };
        // INVARIANT: The entry for `position` refers to `child`. There are four levels of tables,
        // and a lowest one has no children.
        self.depth += 1;
        self.path[self.depth] = child;
        true
    }

    /// Goes to the next entry of the current table, if there is one in the range.
    pub(super) fn step_side(&mut self) -> bool {
        let next = self.after();
        let last = self.node().level().index(self.position) == Level::ENTRIES - 1;
        if last || next >= self.range.end_position() {
            return false;
        }
        // INVARIANT: The position stays below the same entries of the tables above.
        self.position = next;
        true
    }

    /// Goes back to the entry that refers to the current table, unless that is the root.
    pub(super) fn step_up(&mut self) -> bool {
        let above = self.depth.checked_sub(1);
        // INVARIANT: The path becomes shorter.
        self.depth = above.unwrap_or(0);
        above.is_some()
    }

    /// Leaves the current entry in the order of the walk: sideways, else up and sideways.
    ///
    /// Calls `leave` on the way up, with the cursor on the entry that refers to the table left.
    /// Returns whether there is more to visit, or what `leave` failed with.
    pub(super) fn step_over<E>(
        &mut self,
        mut leave: impl FnMut(&Self) -> Result<(), E>,
    ) -> Result<bool, E> {
        while !self.step_side() {
            if !self.step_up() {
                return Ok(false);
            }
            leave(self)?;
        }
        Ok(true)
    }
}
