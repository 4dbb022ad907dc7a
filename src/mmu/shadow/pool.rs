// SPDX-License-Identifier: GPL-2.0

//! The shadow tables of a VM: found by key or by address, bounded in number.
//!
//! A table takes three pages of host memory. They come from the caller until the bound is reached,
//! and stay here to be used again.

use super::{
    key::Key,
    list::{
        self,
        Kind,
        List,
        TableNumber, //
    },
    page::{
        Frame,
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

/// Lists of tables with equal hash, a power of two.
const LISTS: usize = 512;

/// There are no pages to make a table of. The caller gets some, and tries again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OutOfPages;

/// The shadow tables of a VM.
pub(crate) struct Pool<P> {
    pages: KVVec<ShadowPage<P>>,
    limit: usize,
    by_key: KVVec<List>,
    by_table: KVVec<Option<TableNumber>>,
    in_use: List,
    free: List,
    free_count: usize,
    out_of_date: List,
    roots: List,
}

impl<P: Frame> Pool<P> {
    /// Without tables, with room for so many. May sleep.
    pub(super) fn new(limit: usize) -> Result<Self, AllocError> {
        Ok(Self {
            pages: KVVec::with_capacity(limit, GFP_KERNEL_ACCOUNT)?,
            limit,
            by_key: lists(List::EMPTY)?,
            by_table: lists(None)?,
            in_use: List::EMPTY,
            free: List::EMPTY,
            free_count: 0,
            out_of_date: List::EMPTY,
            roots: List::EMPTY,
        })
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
        let list = &mut self.by_table[list_of(page.hpa().frame())];
        page.next_by_table = *list;
        if self.pages.push_within_capacity(page).is_ok() {
            *list = Some(table);
            self.free.push(&mut self.pages, Kind::Use, table);
            self.free_count += 1;
        }
    }

    /// The table with this key.
    pub(super) fn find(&self, key: &Key) -> Option<TableNumber> {
        let mut next = self.by_key[list_of(key.frame)].first();
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
            None => self.by_key[list_of(frame)].first(),
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

    /// The table that a CPU finds at this address.
    pub(super) fn at_table(&self, hpa: Hpa) -> Option<TableNumber> {
        let mut next = self.by_table[list_of(hpa.frame())];
        while let Some(table) = next {
            if self[table].hpa() == hpa {
                return Some(table);
            }
            next = self[table].next_by_table;
        }
        None
    }

    /// Takes a table into use.
    pub(super) fn begin(&mut self, key: Key) -> Result<TableNumber, OutOfPages> {
        let table = self.free.first().ok_or(OutOfPages)?;
        let pages = &mut self.pages;
        self.free.remove(pages, Kind::Use, table);
        self.free_count -= 1;
        self.in_use.push(pages, Kind::Use, table);
        self.by_key[list_of(key.frame)].push(pages, Kind::Key, table);
        if key.is_root() {
            self.roots.push(pages, Kind::Roots, table);
        }
        self[table].begin(key);
        Ok(table)
    }

    /// The table, which has no entries, is not in use any more.
    pub(super) fn end(&mut self, table: TableNumber) {
        self.set_out_of_date(table, false);
        let key = self[table].key;
        let pages = &mut self.pages;
        if key.is_root() {
            self.roots.remove(pages, Kind::Roots, table);
        }
        self.by_key[list_of(key.frame)].remove(pages, Kind::Key, table);
        self.in_use.remove(pages, Kind::Use, table);
        self.free.push(pages, Kind::Use, table);
        self.free_count += 1;
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

    /// The table in use behind this one; `None` begins with the first.
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

fn lists<T: Copy>(empty: T) -> Result<KVVec<T>, AllocError> {
    let mut lists = KVVec::with_capacity(LISTS, GFP_KERNEL_ACCOUNT)?;
    for _ in 0..LISTS {
        lists.push(empty, GFP_KERNEL_ACCOUNT)?;
    }
    Ok(lists)
}

/// The tables for parts of large pages have frames that are multiples of 512.
fn list_of(frame: u64) -> usize {
    let mixed = frame ^ frame >> 9 ^ frame >> 18;
    // CAST: `LISTS` is small.
    (mixed % LISTS as u64) as usize
}
