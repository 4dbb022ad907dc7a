// SPDX-License-Identifier: GPL-2.0

//! A single table of a [`PageTable`](super::table::PageTable): its entries, read and changed while
//! CPUs read them and set flags in them.

use super::{
    address::{
        Hpa,
        Level, //
    },
    flush::Flush,
    format::{
        Entry,
        Format,
        Mapping, //
    }, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull,
    sync::atomic::{
        AtomicU64,
        Ordering, //
    }, //
};

/// The entries of a table.
pub(crate) type Entries = [AtomicU64; Level::ENTRIES];

/// A page that a table can be made of, owned.
///
/// # Safety
///
/// A value owns a page of 4 KiB, aligned to that, below 2^52, that exists until the value is
/// dropped. Its contents are zero (except after [`Self::from_hpa`]), and nobody else writes to it.
pub(crate) unsafe trait TablePage: Sized {
    /// Gives up ownership, and says where the page is.
    fn into_hpa(self) -> Hpa;

    /// Takes back a page that was given up by [`Self::into_hpa`], to be dropped.
    ///
    /// # Safety
    ///
    /// `hpa` comes from [`Self::into_hpa`], and was not taken back since.
    unsafe fn from_hpa(hpa: Hpa) -> Self;

    /// Contents of a page that was given up by [`Self::into_hpa`].
    ///
    /// # Safety
    ///
    /// `hpa` comes from [`Self::into_hpa`], and the page is not dropped during `'a`.
    unsafe fn entries_at<'a>(hpa: Hpa) -> &'a Entries;
}

/// Why a page was not mapped. Nothing that was mapped before has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MapError {
    /// An address is not a multiple of the size of the page, or the format has no page that large.
    Misaligned,
    /// An address is beyond what the format translates or can express.
    OutOfReach,
    /// A table was needed, and the caller had no page for it. Tables linked before that are empty.
    OutOfPages,
    /// The address is mapped in another way, or a smaller page near it is.
    Occupied,
}

/// A table of a [`PageTable`](super::table::PageTable), borrowed.
///
/// # Invariants
///
/// `entries` is what [`TablePage::entries_at`] gave for a table of level `level` that, unless
/// [`Self::unlink`] says otherwise, is owned by a `PageTable` during `'a`.
pub(super) struct Node<'a, F: Format, P: TablePage> {
    entries: NonNull<Entries>,
    level: Level,
    kind: PhantomData<(&'a Entries, F, P)>,
}

impl<F: Format, P: TablePage> Clone for Node<'_, F, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F: Format, P: TablePage> Copy for Node<'_, F, P> {}

impl<F: Format, P: TablePage> Node<'_, F, P> {
    /// # Safety
    ///
    /// `table` is a table of level `level` that is owned by a `PageTable` during the lifetime of
    /// the value.
    #[inline]
    pub(super) unsafe fn new(table: Hpa, level: Level) -> Self {
        // INVARIANT: The caller says so.
        Self {
            // SAFETY: The pages of a `PageTable` were given up by `into_hpa`, and the caller says
            // that this one is.
            entries: NonNull::from(unsafe { P::entries_at(table) }),
            level,
            kind: PhantomData,
        }
    }

    /// Level of the table.
    #[inline]
    pub(super) fn level(self) -> Level {
        self.level
    }

    /// The entries.
    #[inline]
    fn entries(&self) -> &Entries {
        // SAFETY: By the type invariant the table exists.
        unsafe { self.entries.as_ref() }
    }

    /// The entry on the way to `position`.
    #[inline]
    fn slot(&self, position: u64) -> &AtomicU64 {
        &self.entries()[self.level.index(position)]
    }

    /// The entry on the way to `position`, as it stands in the table.
    pub(super) fn raw(self, position: u64) -> u64 {
        self.slot(position).load(Ordering::Relaxed)
    }

    /// What the entry on the way to `position` says.
    // Always, for the same reason as `Format::decode`.
    #[inline(always)]
    pub(super) fn entry(self, position: u64) -> Entry<F::Attributes> {
        F::decode(self.level, self.slot(position).load(Ordering::Relaxed))
    }

    /// The table that the entry on the way to `position` refers to, if it refers to one.
    #[inline]
    pub(super) fn child(self, position: u64) -> Option<Self> {
        let Entry::Table(table) = self.entry(position) else {
            return None;
        };
        let level = self.level.below()?;
        // SAFETY: By the invariants of `PageTable` the entry points to a table of the next lower
        // level, which lives as long as the one that points there.
        Some(unsafe { Self::new(table, level) })
    }

    /// Whether the entry on the way to `position` is empty.
    #[inline]
    pub(super) fn is_vacant(self, position: u64) -> bool {
        matches!(self.entry(position), Entry::Empty)
    }

    /// Links a new table at the empty entry on the way to `position`.
    ///
    /// [`None`] if there is no page for it.
    pub(super) fn grow(self, position: u64, pages: &mut impl FnMut() -> Option<P>) -> Option<Self> {
        let level = self.level.below()?;
        let table = pages()?.into_hpa();
        // The table is empty, and its zeroes are visible before the entry is.
        self.slot(position)
            .store(F::table(table), Ordering::Release);
        // SAFETY: The entry makes the `PageTable` the owner of the page, which is an empty table.
        Some(unsafe { Self::new(table, level) })
    }

    /// Fills in the entry on the way to `position`, unless it is taken.
    pub(super) fn install(
        self,
        position: u64,
        new: Mapping<F::Attributes>,
    ) -> Result<(), MapError> {
        match self.entry(position) {
            Entry::Empty => {
                self.slot(position).store(F::leaf(new), Ordering::Release);
                Ok(())
            }
            Entry::Leaf(old)
                if old.at(position).hpa == new.hpa && old.attributes == new.attributes =>
            {
                Ok(())
            }
            _ => Err(MapError::Occupied),
        }
    }

    /// Removes the page of the entry on the way to `position`, if it maps one. Flags that the CPU
    /// sets at the same time go with it, or come too late.
    pub(super) fn remove(self, position: u64) -> Flush {
        if !matches!(self.entry(position), Entry::Leaf(_)) {
            return Flush::NotNeeded;
        }
        self.slot(position).store(0, Ordering::Release);
        Flush::Needed
    }

    /// Makes the large page of the entry on the way to `position` a table of smaller ones that say
    /// the same, flags included.
    ///
    /// Returns whether there was a page for the table. CPUs need no flush: what they remember of
    /// the large page holds for the smaller ones.
    pub(super) fn split(self, position: u64, pages: &mut impl FnMut() -> Option<P>) -> bool {
        let Some(table) = pages().map(P::into_hpa) else {
            return false;
        };
        let slot = self.slot(position);
        let mut raw = slot.load(Ordering::Relaxed);
        // Goes round again only if the CPU has set a flag meanwhile, of which there are two.
        while let Entry::Leaf(large) = F::decode(self.level, raw) {
            // SAFETY: The page is not linked yet, and was given up above.
            fill::<F>(unsafe { P::entries_at(table) }, large);
            let link = F::table(table);
            match slot.compare_exchange(raw, link, Ordering::Release, Ordering::Relaxed) {
                // The entry makes the `PageTable` the owner of the page.
                Ok(_) => return true,
                Err(now) => raw = now,
            }
        }
        // SAFETY: Given up above, and not linked.
        drop(unsafe { P::from_hpa(table) });
        true
    }

    /// Whether all entries are empty.
    pub(super) fn is_empty(self) -> bool {
        self.entries()
            .iter()
            .all(|entry| entry.load(Ordering::Relaxed) == 0)
    }

    /// Takes out the table that the entry on the way to `position` refers to, if it refers to one.
    ///
    /// # Safety
    ///
    /// From now on nobody uses a [`Node`] of that table, or of one below it. If there are any below
    /// it, they are lost.
    pub(super) unsafe fn unlink(self, position: u64) -> Option<P> {
        let Entry::Table(table) = self.entry(position) else {
            return None;
        };
        self.slot(position).store(0, Ordering::Release);
        // SAFETY: By the invariants of `PageTable` the page was given up by `into_hpa`, and no
        // entry but this one pointed there.
        Some(unsafe { P::from_hpa(table) })
    }
}

/// Fills a table that is not linked yet with the pages that a larger one consists of.
fn fill<F: Format>(entries: &Entries, large: Mapping<F::Attributes>) {
    for (index, entry) in entries.iter().enumerate() {
        let raw = large.part(index).map_or(0, F::leaf);
        entry.store(raw, Ordering::Relaxed);
    }
}
