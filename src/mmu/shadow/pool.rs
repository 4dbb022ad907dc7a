// SPDX-License-Identifier: GPL-2.0

//! The shadow tables of a vCPU: found by key or by address, bounded in number.
//!
//! A table takes three pages of host memory. They come from the caller until the bound is reached,
//! and stay here to be used again.
//!
//! Taking a table into use, ending its use and finding it take the same time however many there
//! are: there are lists by hash, one for keys and one for the frames of guest tables. The second
//! has nothing in it where nobody asks for a frame's shadows; there a frame could have one for each
//! address, and who looks for another of the same hash would step over all of them. A table whose
//! use ends is *retired*: it stands for nothing any more, and its entries, of which there may be
//! many, go when the table is needed. Ending the use of all at once takes the same time, too: that
//! begins another *epoch*, and what is of an earlier one is cleared when it is used again.

use super::{
    hash::Hash,
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
    },
    work::Unfinished, //
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

/// The shadow tables of a vCPU.
pub(crate) struct Pool<P> {
    pages: KVVec<ShadowPage<P>>,
    limit: usize,
    /// Are shadows looked for by the frames of guest tables, too?
    by_frame: bool,
    /// Rises when the use of all tables ends. It lasts for centuries.
    epoch: u64,
    hash: Hash,
    buckets: KVVec<Bucket>,
    by_table: KVVec<Option<TableNumber>>,
    /// Tables from this number on have not been in use in this epoch.
    fresh: usize,
    retired: List,
    retired_count: usize,
    /// Those that have been, and can be again.
    free: List,
    free_count: usize,
    out_of_date: List,
    roots: List,
}

/// What of the tables in use has the same hash, if it is of this epoch.
#[derive(Clone, Copy)]
struct Bucket {
    epoch: u64,
    /// Tables, by their keys.
    keys: List,
    /// Shadows of guest tables, by the frames of those.
    frames: List,
}

impl Bucket {
    /// With nothing in it.
    const fn empty(epoch: u64) -> Self {
        Self {
            epoch,
            keys: List::EMPTY,
            frames: List::EMPTY,
        }
    }

    /// If it is of this epoch: else nothing is in it.
    #[inline]
    fn at(&self, epoch: u64) -> Option<&Self> {
        (self.epoch == epoch).then_some(self)
    }

    /// As it is in this epoch.
    #[inline]
    fn at_mut(&mut self, epoch: u64) -> &mut Self {
        if self.epoch != epoch {
            *self = Self::empty(epoch);
        }
        self
    }
}

impl<P: Frame> Pool<P> {
    /// The table that is always in use, and in no list.
    pub(super) const FIRST: TableNumber = TableNumber(0);

    /// With room for so many tables, found by frame or not, and with one that is always in use. May
    /// sleep.
    pub(super) fn new(
        limit: usize,
        by_frame: bool,
        random: [u64; 2],
        key: Key,
        pages: [P; PAGES_PER_TABLE],
    ) -> Result<Self, AllocError> {
        let lists = limit.next_power_of_two();
        let mut pool = Self {
            pages: KVVec::with_capacity(limit, GFP_KERNEL_ACCOUNT)?,
            limit,
            by_frame,
            epoch: 1,
            hash: Hash::new(lists, random),
            buckets: filled(lists, Bucket::empty(0))?,
            by_table: filled(lists, None)?,
            fresh: 1,
            retired: List::EMPTY,
            retired_count: 0,
            free: List::EMPTY,
            free_count: 0,
            out_of_date: List::EMPTY,
            roots: List::EMPTY,
        };
        pool.grow(pages, key);
        let epoch = pool.epoch;
        pool[Self::FIRST].begin(key, epoch);
        Ok(pool)
    }

    /// Tables that are in use.
    pub(super) fn in_use(&self) -> usize {
        let others = self.free_count + self.retired_count;
        self.fresh.saturating_sub(others)
    }

    /// Pages of host memory that the tables take.
    pub(super) fn host_pages(&self) -> usize {
        self.pages.len().saturating_mul(PAGES_PER_TABLE)
    }

    /// Tables that can be taken into use.
    pub(super) fn free_count(&self) -> usize {
        self.free_count + self.pages.len().saturating_sub(self.fresh)
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
        let hash = self.hash.list(page.hpa().frame(), 0);
        page.next_by_table = self.by_table[hash];
        if self.pages.push_within_capacity(page).is_ok() {
            self.by_table[hash] = Some(table);
        }
    }

    /// Is the table in use, or retired?
    #[cfg(any(test, fuzzing))]
    pub(super) fn has_entries(&self, table: TableNumber) -> bool {
        self[table].epoch == self.epoch
    }

    /// An entry of a table that is in use or retired, if it is present.
    #[inline]
    pub(super) fn entry(&self, at: At) -> Option<ShadowEntry> {
        let page = self.pages.get(at.table.index())?;
        let entry = page.entry(at.index)?;
        (page.epoch == self.epoch).then_some(entry)
    }

    /// The table with this key.
    pub(super) fn find(&self, key: &Key) -> Option<TableNumber> {
        let mut next = self.bucket(key.frame, key.linear)?.keys.first();
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
            None => self.bucket(frame, 0)?.frames.first(),
            Some(table) => list::behind(self, Kind::Frame, table),
        };
        while let Some(table) = next {
            if self[table].key.frame == frame {
                return Some(table);
            }
            next = list::behind(self, Kind::Frame, table);
        }
        None
    }

    fn is_found_by_frame(&self, key: &Key) -> bool {
        self.by_frame && key.is_guest_table()
    }

    /// What is there for a frame, and an address where that makes a difference.
    #[inline]
    fn bucket(&self, frame: u64, linear: u64) -> Option<&Bucket> {
        self.buckets[self.hash.list(frame, linear >> 12)].at(self.epoch)
    }

    /// The same, to be changed, with the tables that the lists go through.
    fn bucket_mut(&mut self, frame: u64, linear: u64) -> (&mut Bucket, &mut [ShadowPage<P>]) {
        let bucket = &mut self.buckets[self.hash.list(frame, linear >> 12)];
        (bucket.at_mut(self.epoch), &mut self.pages)
    }

    /// The table that a CPU finds at this address.
    pub(super) fn at_table(&self, hpa: Hpa) -> Option<TableNumber> {
        let mut next = self.by_table[self.hash.list(hpa.frame(), 0)];
        while let Some(table) = next {
            if self[table].hpa() == hpa {
                return Some(table);
            }
            next = self[table].next_by_table;
        }
        None
    }

    /// Takes a table into use, empty.
    pub(super) fn begin(&mut self, key: &Key) -> Result<TableNumber, Unfinished> {
        let table = self.take_free().ok_or(Unfinished)?;
        let (bucket, pages) = self.bucket_mut(key.frame, key.linear);
        bucket.keys.push(pages, Kind::Key, table);
        if self.is_found_by_frame(key) {
            let (bucket, pages) = self.bucket_mut(key.frame, 0);
            bucket.frames.push(pages, Kind::Frame, table);
        }
        if key.is_root() {
            self.roots.push(&mut self.pages, Kind::Roots, table);
        }
        let epoch = self.epoch;
        self[table].begin(*key, epoch);
        Ok(table)
    }

    /// A table that can be taken into use.
    fn take_free(&mut self) -> Option<TableNumber> {
        if let Some(table) = self.free.first() {
            self.free.remove(&mut self.pages, Kind::Ended, table);
            self.free_count -= 1;
            return Some(table);
        }
        let is_there = self.fresh < self.pages.len();
        // CAST: The limit is far less.
        let table = is_there.then_some(TableNumber(self.fresh as u16))?;
        self.fresh += 1;
        Some(table)
    }

    /// The table, which no entry refers to, stands for nothing any more.
    pub(super) fn retire(&mut self, table: TableNumber) {
        self.set_out_of_date(table, false);
        let key = self[table].key;
        if key.is_root() {
            self.roots.remove(&mut self.pages, Kind::Roots, table);
        }
        let (bucket, pages) = self.bucket_mut(key.frame, key.linear);
        bucket.keys.remove(pages, Kind::Key, table);
        if self.is_found_by_frame(&key) {
            let (bucket, pages) = self.bucket_mut(key.frame, 0);
            bucket.frames.remove(pages, Kind::Frame, table);
        }
        self.retired.push(&mut self.pages, Kind::Ended, table);
        self.retired_count += 1;
    }

    /// A retired table, if there is one.
    pub(super) fn retired(&self) -> Option<TableNumber> {
        self.retired.first()
    }

    /// The retired table, which has no entries any more, can be taken into use.
    pub(super) fn end(&mut self, table: TableNumber) {
        self.retired.remove(&mut self.pages, Kind::Ended, table);
        self.retired_count -= 1;
        self.free.push(&mut self.pages, Kind::Ended, table);
        self.free_count += 1;
        self[table].end();
    }

    /// No table is in use or retired any more but the first, which is empty.
    pub(super) fn end_all(&mut self) {
        self.epoch += 1;
        let epoch = self.epoch;
        let key = self[Self::FIRST].key;
        self[Self::FIRST].begin(key, epoch);
        self.fresh = 1;
        self.retired = List::EMPTY;
        self.retired_count = 0;
        self.free = List::EMPTY;
        self.free_count = 0;
        self.out_of_date = List::EMPTY;
        self.roots = List::EMPTY;
    }

    /// Says whether the guest table may differ.
    pub(super) fn set_out_of_date(&mut self, table: TableNumber, unsync: bool) {
        let pages = &mut self.pages;
        let old = core::mem::replace(&mut pages[table.index()].unsync, unsync);
        match (old, unsync) {
            (false, true) => self.out_of_date.push(pages, Kind::OutOfDate, table),
            (true, false) => self.out_of_date.remove(pages, Kind::OutOfDate, table),
            _ => {}
        }
    }

    /// The table whose guest table may differ for longest, if there is one. If the newest came
    /// first, one that is written to again and again would keep the others from being synchronised.
    #[inline]
    pub(super) fn out_of_date(&self) -> Option<TableNumber> {
        self.out_of_date.last()
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

    /// Tables whose guest table may differ.
    #[cfg(any(test, fuzzing))]
    pub(super) fn out_of_date_count(&self) -> usize {
        let first = self.out_of_date.first();
        self.all(Kind::OutOfDate, first).count()
    }

    /// Tables that translation can begin with.
    #[cfg(any(test, fuzzing))]
    pub(super) fn root_count(&self) -> usize {
        self.all(Kind::Roots, self.roots.first()).count()
    }

    /// Tables that a search looks at, at most, and is not for.
    #[cfg(any(test, fuzzing))]
    pub(super) fn longest_search(&self) -> usize {
        let buckets = || self.buckets.iter().flat_map(|bucket| bucket.at(self.epoch));
        let keys = buckets().map(|bucket| self.all(Kind::Key, bucket.keys.first()).count());
        // Most frames that shadows are looked for hold no table.
        let frames = buckets().map(|bucket| self.all(Kind::Frame, bucket.frames.first()).count());
        let by_table = self.by_table.iter().map(|first| {
            let behind = |table: &TableNumber| self[*table].next_by_table;
            core::iter::successors(*first, behind).count()
        });
        let longest = keys.chain(frames).chain(by_table).max();
        longest.map_or(0, |longest| longest.saturating_sub(1))
    }

    /// The tables of a list.
    #[cfg(any(test, fuzzing))]
    fn all(
        &self,
        kind: Kind,
        first: Option<TableNumber>,
    ) -> impl Iterator<Item = TableNumber> + '_ {
        core::iter::successors(first, move |table| list::behind(self, kind, *table))
    }

    /// All tables in use but the first.
    #[cfg(any(test, fuzzing))]
    pub(super) fn used(&self) -> impl Iterator<Item = TableNumber> + '_ {
        let retired: Vec<_> = self.all_retired().collect();
        // CAST: The limit is far less.
        let tables = (1..self.fresh).map(|number| TableNumber(number as u16));
        tables.filter(move |table| self.has_entries(*table) && !retired.contains(table))
    }

    /// All retired tables.
    #[cfg(any(test, fuzzing))]
    pub(super) fn all_retired(&self) -> impl Iterator<Item = TableNumber> + '_ {
        self.all(Kind::Ended, self.retired.first())
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
