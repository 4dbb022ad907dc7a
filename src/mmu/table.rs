// SPDX-License-Identifier: GPL-2.0

//! Page tables of any [`Format`]: they own their pages, and change while CPUs walk them.
//!
//! # How a live table changes
//!
//! CPUs read the entries at any time, hold copies of them until they are told to flush, and set
//! accessed and dirty flags in them. Therefore:
//!
//! - an entry appears by one store, after what it refers to is complete: the lowest level first;
//! - a large page becomes a table by compare-and-exchange, so that no flag is lost;
//! - a table is unlinked when all its entries are empty, and stays so: a CPU that still goes by a
//!   cached reference to it finds nothing there. Its page goes to a [`Reaper`], for the caller to
//!   free when all CPUs have flushed.
//!
//! # What a call costs
//!
//! No call allocates: pages for tables come from the caller, who may be in a place where nothing
//! can be allocated. [`PageTable::unmap`] does a bounded share of its work per call, and says where
//! to go on.
//!
//! [`node`](super::node) has the tables one by one.

use super::{
    address::{
        AddressRange,
        Hpa,
        Input,
        Level,
        PageSize, //
    },
    flush::Flush,
    format::{
        Entry,
        Format,
        Mapping,
        PHYSICAL_ADDRESS_BITS, //
    },
    node::{
        MapError,
        Node,
        TablePage, //
    },
    walk::Cursor, //
};
use core::{
    convert::Infallible,
    marker::PhantomData, //
};

/// Entries that [`PageTable::unmap`] looks at in one call.
const SHARE: usize = 4096;

/// Why a call stopped before the end of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    /// The [`Reaper`] is full: flush, empty it, go on.
    ReaperFull,
    /// A large page must be split, and the caller had no page for the table: get one, go on.
    OutOfPages,
    /// The call has done its share of work: let others have their turn, go on.
    Share,
}

/// How far a call came.
#[must_use = "a flush may be needed, and part of the range may be left"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress<A> {
    /// Whether CPUs have to flush. Needed before anything that was mapped or unlinked is freed,
    /// also if part of the range is left.
    pub(crate) flush: Flush,
    /// What is left of the range, to call again with, and why; [`None`] at the end.
    pub(crate) rest: Option<(AddressRange<A>, Pause)>,
}

/// Collects up to `N` tables that were unlinked and that CPUs may still have references to.
///
/// To be emptied or dropped, either of which frees the pages, only after all CPUs have flushed.
pub(crate) struct Reaper<P, const N: usize> {
    tables: [Option<P>; N],
    len: usize,
}

impl<P, const N: usize> Reaper<P, N> {
    /// An empty collector.
    pub(crate) const fn new() -> Self {
        const { assert!(N > 0, "without room no table can ever be unlinked") };
        Self {
            tables: [const { None }; N],
            len: 0,
        }
    }

    /// How many tables there are to free.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Frees the pages; all CPUs have flushed since the last one came in.
    pub(crate) fn clear(&mut self) {
        self.tables = [const { None }; N];
        self.len = 0;
    }

    /// Room for one more.
    fn vacancy(&mut self) -> Option<&mut Option<P>> {
        let vacancy = self.tables.get_mut(self.len)?;
        self.len += 1;
        Some(vacancy)
    }
}

/// An entry as it was when somebody looked.
pub(crate) struct Seen<A> {
    /// The level of its table.
    pub(crate) level: Level,
    /// A position that it is on the way to.
    pub(crate) position: u64,
    /// Where it is.
    pub(crate) hpa: Hpa,
    /// What is there.
    pub(crate) raw: u64,
    /// What that says.
    pub(crate) entry: Entry<A>,
}

impl<A> Seen<A> {
    /// The entry on the way to a position, of the table that is at this address.
    fn new<F: Format<Attributes = A>, P: TablePage>(
        node: Node<'_, F, P>,
        table: Hpa,
        position: u64,
    ) -> Self {
        let (level, raw) = (node.level(), node.raw(position));
        // CAST: Less than 512.
        let offset = 8 * level.index(position) as u64;
        Self {
            level,
            position,
            hpa: Hpa::new(table.get() | offset),
            raw,
            entry: F::decode(level, raw),
        }
    }
}

/// Four levels of tables, from the root down.
///
/// Changing them takes `&mut self`; CPUs read them all the same, from the moment on when they are
/// told of [`Self::root`].
///
/// # Invariants
///
/// - `root` is a page of which this value has ownership, as a table of level `F::ROOT`.
/// - Every entry of a table that says [`Entry::Table`] points to a page of which this value has
///   ownership, as a table of the next lower level, and no two of them to the same page.
pub(crate) struct PageTable<F: Format, P: TablePage> {
    root: Hpa,
    kind: PhantomData<(F, P)>,
}

impl<F: Format, P: TablePage> PageTable<F, P> {
    /// A table that maps nothing.
    pub(crate) fn new(root: P) -> Self {
        // An address range spans four levels, not more, not less.
        const { assert!(matches!(F::ROOT, Level::Pml4)) };
        // INVARIANT: The page was ours to give, and has no entries.
        Self {
            root: root.into_hpa(),
            kind: PhantomData,
        }
    }

    /// Where the root is: what the CPU is told.
    pub(crate) fn root(&self) -> Hpa {
        self.root
    }

    /// What `at` is mapped to, with [`Mapping::hpa`] the address of that very byte.
    pub(crate) fn translate(&self, at: F::Input) -> Option<Mapping<F::Attributes>> {
        match self.walk(at, |_| ())? {
            Entry::Leaf(mapping) => Some(mapping),
            _ => None,
        }
    }

    /// As above, and shows each entry on the way, as the CPU meets them. Returns what the last one
    /// says; [`None`] for an address that the tables do not reach.
    pub(crate) fn walk(
        &self,
        at: F::Input,
        mut see: impl FnMut(&Seen<F::Attributes>),
    ) -> Option<Entry<F::Attributes>> {
        let position = at.position()?;
        let (mut node, mut table) = (self.node(), self.root);
        loop {
            let seen = Seen::new(node, table, position);
            see(&seen);
            match seen.entry {
                Entry::Table(below) => (node, table) = (node.child(position)?, below),
                Entry::Leaf(mapping) => return Some(Entry::Leaf(mapping.at(position))),
                last => return Some(last),
            }
        }
    }

    /// Shows each entry of one table that is not empty: the table of this level on the way to `at`,
    /// or the root. [`None`] if there is no such table.
    pub(crate) fn list(
        &self,
        at: F::Input,
        level: Option<Level>,
        mut see: impl FnMut(&Seen<F::Attributes>),
    ) -> Option<()> {
        let position = at.position()?;
        let level = level.unwrap_or(F::ROOT);
        let (mut node, mut table) = (self.node(), self.root);
        while node.level() > level {
            let Entry::Table(below) = node.entry(position) else {
                return None;
            };
            (node, table) = (node.child(position)?, below);
        }
        if node.level() != level {
            return None;
        }
        let first = position & !(level.span() * Level::ENTRIES as u64 - 1);
        for index in 0..Level::ENTRIES as u64 {
            let seen = Seen::new(node, table, first | index * level.span());
            if seen.raw != 0 {
                see(&seen);
            }
        }
        Some(())
    }

    /// Maps the page of this size at `at` to the one at `hpa`.
    ///
    /// `pages` gives a page each time when a table is missing, at most three times. No flush is
    /// needed: CPUs do not remember that there was nothing. It is no error if the same is mapped
    /// already, be it as part of a larger page.
    pub(crate) fn map(
        &mut self,
        at: F::Input,
        size: PageSize,
        hpa: Hpa,
        attributes: F::Attributes,
        pages: &mut impl FnMut() -> Option<P>,
    ) -> Result<(), MapError> {
        let position = Self::checked(at, size, hpa)?;
        let mapping = Mapping {
            hpa,
            size,
            attributes,
            accessed: false,
            dirty: false,
        };
        let mut node = self.node();
        while node.level() > size.level() {
            node = match node.child(position) {
                Some(child) => child,
                None if node.is_vacant(position) => {
                    node.grow(position, pages).ok_or(MapError::OutOfPages)?
                }
                None => break,
            };
        }
        node.install(position, mapping)
    }

    /// The position of `at`, if a page of this size can be mapped there to `hpa`.
    fn checked(at: F::Input, size: PageSize, hpa: Hpa) -> Result<u64, MapError> {
        let position = at.position().ok_or(MapError::OutOfReach)?;
        if hpa.get() >> PHYSICAL_ADDRESS_BITS != 0 {
            return Err(MapError::OutOfReach);
        }
        let aligned = position % size.bytes() == 0 && hpa.is_aligned(size);
        if !aligned || size > F::LARGEST_PAGE {
            return Err(MapError::Misaligned);
        }
        Ok(position)
    }

    /// Removes what is mapped in `range`.
    ///
    /// A large page that is partly in the range is split, which takes a page from `pages`.
    /// Tables that become empty go to `reaper`.
    pub(crate) fn unmap<const N: usize>(
        &mut self,
        range: AddressRange<F::Input>,
        pages: &mut impl FnMut() -> Option<P>,
        reaper: &mut Reaper<P, N>,
    ) -> Progress<F::Input> {
        let mut flush = Flush::NotNeeded;
        let mut cursor = Cursor::new(self.node(), range);
        let rest = match cursor.unmap_share(pages, reaper, &mut flush) {
            Ok(()) => None,
            Err(pause) => cursor.rest().map(|rest| (rest, pause)),
        };
        Progress { flush, rest }
    }

    /// The root.
    fn node(&self) -> Node<'_, F, P> {
        // SAFETY: By the type invariants the page was given up by `into_hpa`, is a table of this
        // level, and lives for as long as `self`.
        unsafe { Node::new(self.root, F::ROOT) }
    }
}

/// Frees all tables. No CPU uses them any more.
///
/// Visits every entry of every table: where that is too much at once, [`PageTable::unmap`]
/// everything before, which has breaks.
impl<F: Format, P: TablePage> Drop for PageTable<F, P> {
    fn drop(&mut self) {
        let mut cursor = Cursor::new(self.node(), AddressRange::all());
        loop {
            if cursor.step_down() {
                continue;
            }
            let over = cursor.step_over(|cursor| {
                // SAFETY: The walk has left the table, and does not come back.
                drop(unsafe { cursor.node().unlink(cursor.position()) });
                Ok::<_, Infallible>(())
            });
            if matches!(over, Ok(false)) {
                break;
            }
        }
        // SAFETY: By the type invariant the page is ours; all below it is gone.
        drop(unsafe { P::from_hpa(self.root) });
    }
}

impl<F: Format, P: TablePage> Cursor<'_, F, P> {
    /// Does a share of [`PageTable::unmap`], from the current entry on.
    ///
    /// Returns why it stopped before the end, if it did.
    fn unmap_share<const N: usize>(
        &mut self,
        pages: &mut impl FnMut() -> Option<P>,
        reaper: &mut Reaper<P, N>,
        flush: &mut Flush,
    ) -> Result<(), Pause> {
        for _ in 0..SHARE {
            if self.step_down() || self.split_partial(pages)? {
                continue;
            }
            *flush = flush.or(self.node().remove(self.position()));
            let more = self.step_over(|cursor| {
                *flush = flush.or(cursor.prune(reaper)?);
                Ok(())
            })?;
            if !more {
                return Ok(());
            }
        }
        Err(Pause::Share)
    }

    /// Splits the page of the current entry if it is only partly in the range; returns whether it
    /// was.
    fn split_partial(&self, pages: &mut impl FnMut() -> Option<P>) -> Result<bool, Pause> {
        if !matches!(self.entry(), Entry::Leaf(_)) || self.covers_entry() {
            return Ok(false);
        }
        match self.node().split(self.position(), pages) {
            true => Ok(true),
            false => Err(Pause::OutOfPages),
        }
    }

    /// Moves the table of the current entry to `reaper` if it is empty.
    fn prune<const N: usize>(&self, reaper: &mut Reaper<P, N>) -> Result<Flush, Pause> {
        let node = self.node();
        if !node.child(self.position()).is_some_and(Node::is_empty) {
            return Ok(Flush::NotNeeded);
        }
        let vacancy = reaper.vacancy().ok_or(Pause::ReaperFull)?;
        // SAFETY: The walk has left the table, and does not come back. It is empty.
        *vacancy = unsafe { node.unlink(self.position()) };
        // CPUs keep references to tables, too.
        Ok(Flush::Needed)
    }
}
