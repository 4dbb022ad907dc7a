// SPDX-License-Identifier: GPL-2.0

//! The shadow tables of a VM: found by key or by address, bounded in number.
//!
//! A table takes three pages of host memory. They come from the caller until the bound is reached,
//! and stay here to be used again.
//!
//! Taking a table into use, ending its use and finding it take the same time however many there are: there
//! is a list for each, by hash. (All shadows of a guest frame have the same.) So does ending the use of all at
//! once: that begins another *epoch*, and what is of an earlier one is cleared when it is used again.

use super::{
    key::Key,
    list::{
        self,
        Kind,
        List,
        TableNumber, //
    },
    page::{
        At,
        Frame,
        ShadowEntry,
        ShadowPage, //
    }, //
};
use crate::mmu::address::Hpa;
use core::ops::{
    Deref,
    DerefMut, //
};
use kernel::{
    alloc::AllocError,
    prelude::*, //
};

/// Pages of host memory that a shadow table takes.
pub(crate) const PAGES_PER_TABLE: usize = 3;

/// There are no pages to make a table of. The caller gets some, and tries again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OutOfPages;

/// The shadow tables of a VM.
pub(crate) struct Pool<P> {
    pages: KVVec<ShadowPage<P>>,
    limit: usize,
    /// Rises when the use of all tables ends. It lasts for centuries.
    epoch: u64,
    by_key: KVVec<Bucket>,
    by_table: KVVec<Option<TableNumber>>,
    in_use: List,
    free: List,
    free_count: usize,
    out_of_date: List,
    roots: List,
}

/// Tables in use whose keys have the same hash, if it is of this epoch.
#[derive(Clone, Copy)]
struct Bucket {
    epoch: u64,
    list: List,
}

impl Bucket {
    const NONE: Self = Self {
        epoch: 0,
        list: List::EMPTY,
    };

    /// The first table, in this epoch.
    #[inline]
    fn first(&self, epoch: u64) -> Option<TableNumber> {
        (self.epoch == epoch).then(|| self.list.first())?
    }

    /// The list, in this epoch.
    fn list(&mut self, epoch: u64) -> &mut List {
        if self.epoch != epoch {
            *self = Self {
                epoch,
                list: List::EMPTY,
            };
        }
        &mut self.list
    }
}

impl<P: Frame> Pool<P> {
    /// The table that is always in use, and in no list.
    pub(super) const FIRST: TableNumber = TableNumber(0);

    /// With room for so many tables, and with one that is always in use. May sleep.
    pub(super) fn new(
        limit: usize,
        key: Key,
        pages: [P; PAGES_PER_TABLE],
    ) -> Result<Self, AllocError> {
        let lists = limit.next_power_of_two();
        let mut pool = Self {
            pages: KVVec::with_capacity(limit, GFP_KERNEL_ACCOUNT)?,
            limit,
            epoch: 1,
            by_key: filled(lists, Bucket::NONE)?,
            by_table: filled(lists, None)?,
            in_use: List::EMPTY,
            free: List::EMPTY,
            free_count: 0,
            out_of_date: List::EMPTY,
            roots: List::EMPTY,
        };
        pool.grow(pages, key);
        pool.free = List::EMPTY;
        pool.free_count = 0;
        let epoch = pool.epoch;
        pool[Self::FIRST].begin(key, epoch);
        Ok(pool)
    }

    /// Tables that are in use.
    pub(super) fn in_use(&self) -> usize {
        self.pages.len().saturating_sub(self.free_count)
    }

    /// Pages of host memory that the tables take.
    pub(super) fn host_pages(&self) -> usize {
        self.pages.len().saturating_mul(PAGES_PER_TABLE)
    }

    /// Tables that are not in use.
    pub(super) fn free_count(&self) -> usize {
        self.free_count
    }

    /// Can there be more tables?
    pub(super) fn may_grow(&self) -> bool {
        self.pages.len() < self.limit
    }

    /// Adds a table that is not in use, if there is room.
    pub(super) fn grow(&mut self, pages: [P; PAGES_PER_TABLE], key: Key) {
        // CAST: The limit is far less.
        let table = TableNumber(self.pages.len() as u16);
        let mut page = ShadowPage::new(key, pages);
        let hash = self.hash(page.hpa().frame());
        page.next_by_table = self.by_table[hash];
        if self.pages.push_within_capacity(page).is_ok() {
            self.by_table[hash] = Some(table);
            self.free.push(&mut self.pages, Kind::Use, table);
            self.free_count += 1;
        }
    }

    /// Is the table in use?
    #[cfg(any(test, fuzzing))]
    pub(super) fn is_in_use(&self, table: TableNumber) -> bool {
        self[table].epoch == self.epoch
    }

    /// An entry of a table in use, if it is present.
    #[inline]
    pub(super) fn entry(&self, at: At) -> Option<ShadowEntry> {
        let page = self.pages.get(at.table.index())?;
        let entry = page.entry(at.index)?;
        (page.epoch == self.epoch).then_some(entry)
    }

    /// The table with this key.
    pub(super) fn find(&self, key: &Key) -> Option<TableNumber> {
        let mut next = self.by_key[self.hash(key.frame)].first(self.epoch);
        while let Some(table) = next {
            if self[table].key == *key {
                return Some(table);
            }
            next = list::behind(self, Kind::Key, table);
        }
        None
    }

    /// The first shadow of a guest table in this frame, after `after` if that is given.
    pub(super) fn shadow_of(&self, frame: u64, after: Option<TableNumber>) -> Option<TableNumber> {
        let mut next = match after {
            None => self.by_key[self.hash(frame)].first(self.epoch),
            Some(table) => list::behind(self, Kind::Key, table),
        };
        while let Some(table) = next {
            let page = &self[table];
            if page.key.frame == frame && page.key.is_guest_table() {
                return Some(table);
            }
            next = list::behind(self, Kind::Key, table);
        }
        None
    }

    /// The list for a frame. Page tables tend to lie close together, and tables for parts of large pages have
    /// frames that are multiples of 512: bits from all over the product are good enough for both.
    fn hash(&self, frame: u64) -> usize {
        /// 2^64 divided by the golden ratio.
        const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
        let mixed = frame.wrapping_mul(MULTIPLIER) >> 32;
        // CAST: 32 bits.
        mixed as usize & (self.by_key.len() - 1)
    }

    /// The table that a CPU finds at this address.
    pub(super) fn at_table(&self, hpa: Hpa) -> Option<TableNumber> {
        let mut next = self.by_table[self.hash(hpa.frame())];
        while let Some(table) = next {
            if self[table].hpa() == hpa {
                return Some(table);
            }
            next = self[table].next_by_table;
        }
        None
    }

    /// Takes a table into use, empty.
    pub(super) fn begin(&mut self, key: Key) -> Result<TableNumber, OutOfPages> {
        let table = self.free.first().ok_or(OutOfPages)?;
        self.free.remove(&mut self.pages, Kind::Use, table);
        self.free_count -= 1;
        self.in_use.push(&mut self.pages, Kind::Use, table);
        let (hash, epoch) = (self.hash(key.frame), self.epoch);
        let list = self.by_key[hash].list(epoch);
        list.push(&mut self.pages, Kind::Key, table);
        if key.is_root() {
            self.roots.push(&mut self.pages, Kind::Roots, table);
        }
        self[table].begin(key, epoch);
        Ok(table)
    }

    /// The table, which has no entries, is not in use any more.
    pub(super) fn end(&mut self, table: TableNumber) {
        self.set_out_of_date(table, false);
        let key = self[table].key;
        if key.is_root() {
            self.roots.remove(&mut self.pages, Kind::Roots, table);
        }
        let (hash, epoch) = (self.hash(key.frame), self.epoch);
        let list = self.by_key[hash].list(epoch);
        list.remove(&mut self.pages, Kind::Key, table);
        self.in_use.remove(&mut self.pages, Kind::Use, table);
        self.free.push(&mut self.pages, Kind::Use, table);
        self.free_count += 1;
        self[table].end();
    }

    /// No table is in use any more but the first, which is empty.
    pub(super) fn end_all(&mut self) {
        self.epoch += 1;
        let epoch = self.epoch;
        let key = self[Self::FIRST].key;
        self[Self::FIRST].begin(key, epoch);
        self.free.put_first(
            &mut self.pages,
            Kind::Use,
            core::mem::take(&mut self.in_use),
        );
        self.free_count = self.pages.len() - 1;
        self.out_of_date = List::EMPTY;
        self.roots = List::EMPTY;
    }

    /// Says whether the guest table may differ. Returns whether that is new.
    pub(super) fn set_out_of_date(&mut self, table: TableNumber, unsync: bool) -> bool {
        let pages = &mut self.pages;
        let old = core::mem::replace(&mut pages[table.index()].unsync, unsync);
        match (old, unsync) {
            (false, true) => self.out_of_date.push(pages, Kind::OutOfDate, table),
            (true, false) => self.out_of_date.remove(pages, Kind::OutOfDate, table),
            _ => {}
        }
        old != unsync
    }

    /// A table whose guest table may differ, if there is one.
    #[inline]
    pub(super) fn out_of_date(&self) -> Option<TableNumber> {
        self.out_of_date.first()
    }

    /// The table is used now, which matters if translation can begin with it.
    pub(super) fn touch(&mut self, table: TableNumber) {
        if self.roots.first() != Some(table) && self[table].key.is_root() {
            self.roots.remove(&mut self.pages, Kind::Roots, table);
            self.roots.push(&mut self.pages, Kind::Roots, table);
        }
    }

    /// The root that was used least recently of those that pass a test.
    pub(super) fn oldest_root(
        &self,
        test: impl Fn(TableNumber, &ShadowPage<P>) -> bool,
    ) -> Option<TableNumber> {
        let mut next = self.roots.last();
        while let Some(table) = next {
            if test(table, &self[table]) {
                return Some(table);
            }
            next = list::before(self, Kind::Roots, table);
        }
        None
    }

    /// Tables in a list of this kind.
    #[cfg(any(test, fuzzing))]
    pub(super) fn count(&self, kind: Kind) -> usize {
        let first = match kind {
            Kind::OutOfDate => self.out_of_date.first(),
            Kind::Roots => self.roots.first(),
            _ => self.in_use.first(),
        };
        core::iter::successors(first, |table| list::behind(self, kind, *table)).count()
    }

    /// Tables that [`Self::find`] and [`Self::at_table`] look at, at most.
    #[cfg(any(test, fuzzing))]
    pub(super) fn longest_search(&self) -> usize {
        let by_key = self.by_key.iter().map(|bucket| {
            let behind = |table: &TableNumber| list::behind(self, Kind::Key, *table);
            core::iter::successors(bucket.first(self.epoch), behind).count()
        });
        let by_table = self.by_table.iter().map(|first| {
            let behind = |table: &TableNumber| self[*table].next_by_table;
            core::iter::successors(*first, behind).count()
        });
        by_key.chain(by_table).max().unwrap_or(0)
    }

    /// The table in use behind this one; `None` begins with the first.
    #[cfg(any(test, fuzzing))]
    pub(super) fn next_used(&self, after: Option<TableNumber>) -> Option<TableNumber> {
        match after {
            None => self.in_use.first(),
            Some(table) => list::behind(self, Kind::Use, table),
        }
    }
}

impl<P> Deref for Pool<P> {
    type Target = [ShadowPage<P>];

    fn deref(&self) -> &[ShadowPage<P>] {
        &self.pages
    }
}

impl<P> DerefMut for Pool<P> {
    fn deref_mut(&mut self) -> &mut [ShadowPage<P>] {
        &mut self.pages
    }
}

impl<P> core::ops::Index<TableNumber> for Pool<P> {
    type Output = ShadowPage<P>;

    fn index(&self, table: TableNumber) -> &ShadowPage<P> {
        &self.pages[table.index()]
    }
}

impl<P> core::ops::IndexMut<TableNumber> for Pool<P> {
    fn index_mut(&mut self, table: TableNumber) -> &mut ShadowPage<P> {
        &mut self.pages[table.index()]
    }
}

/// So many values. May sleep.
fn filled<T: Copy>(count: usize, value: T) -> Result<KVVec<T>, AllocError> {
    let mut all = KVVec::with_capacity(count, GFP_KERNEL_ACCOUNT)?;
    for _ in 0..count {
        all.push(value, GFP_KERNEL_ACCOUNT)?;
    }
    Ok(all)
}
