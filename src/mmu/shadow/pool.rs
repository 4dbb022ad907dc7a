// SPDX-License-Identifier: GPL-2.0

//! The shadow tables of a VM: found by key or by address, bounded in number.
//!
//! A table takes three pages of host memory. They come from the caller until the bound is reached,
//! and stay here to be used again.

use super::{
    key::Key,
    page::{
        Frame,
        ShadowPage,
        TableNumber, //
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
    by_key: KVVec<Option<TableNumber>>,
    by_table: KVVec<Option<TableNumber>>,
    free: Option<TableNumber>,
    free_count: usize,
}

impl<P: Frame> Pool<P> {
    /// Without tables, with room for so many. May sleep.
    pub(super) fn new(limit: usize) -> Result<Self, AllocError> {
        Ok(Self {
            pages: KVVec::with_capacity(limit, GFP_KERNEL_ACCOUNT)?,
            limit,
            by_key: lists()?,
            by_table: lists()?,
            free: None,
            free_count: 0,
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
        page.next_by_table = list.replace(table);
        page.next = self.free;
        if self.pages.push_within_capacity(page).is_ok() {
            self.free = Some(table);
            self.free_count += 1;
        }
    }

    /// The table with this key.
    pub(super) fn find(&self, key: &Key) -> Option<TableNumber> {
        let mut next = self.by_key[list_of(key.frame)];
        while let Some(table) = next {
            if self[table].key == *key {
                return Some(table);
            }
            next = self[table].next;
        }
        None
    }

    /// The first shadow of a guest table in this frame, after `after` if that is given.
    pub(super) fn shadow_of(&self, frame: u64, after: Option<TableNumber>) -> Option<TableNumber> {
        let mut next = match after {
            None => self.by_key[list_of(frame)],
            Some(table) => self[table].next,
        };
        while let Some(table) = next {
            let page = &self[table];
            if page.key.frame == frame && page.key.is_guest_table() {
                return Some(table);
            }
            next = page.next;
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
        let table = self.free.ok_or(OutOfPages)?;
        self.free = self[table].next;
        self.free_count -= 1;
        self[table].begin(key);
        let list = &mut self.by_key[list_of(key.frame)];
        let next = list.replace(table);
        self[table].next = next;
        Ok(table)
    }

    /// The table, which has no entries, is not in use any more.
    pub(super) fn end(&mut self, table: TableNumber) {
        self.unlist(table);
        self[table].used = false;
        self[table].next = self.free;
        self.free = Some(table);
        self.free_count += 1;
    }

    /// Takes a table out of the list of its key.
    fn unlist(&mut self, table: TableNumber) {
        let list = list_of(self[table].key.frame);
        let after = self[table].next;
        let Some(first) = self.by_key[list] else {
            return;
        };
        if first == table {
            self.by_key[list] = after;
            return;
        }
        let mut before = first;
        while let Some(next) = self[before].next {
            if next == table {
                self[before].next = after;
                return;
            }
            before = next;
        }
    }

    /// The table behind this one, by place, that is in use; `None` begins with the first.
    pub(super) fn next_used(&self, after: Option<TableNumber>) -> Option<TableNumber> {
        let first = after.map_or(0, |table| table.index().saturating_add(1));
        let rest = self.pages.get(first..)?;
        let offset = rest.iter().position(|page| page.used)?;
        // CAST: Less than the limit.
        Some(TableNumber((first + offset) as u16))
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

fn lists() -> Result<KVVec<Option<TableNumber>>, AllocError> {
    let mut lists = KVVec::with_capacity(LISTS, GFP_KERNEL_ACCOUNT)?;
    for _ in 0..LISTS {
        lists.push(None, GFP_KERNEL_ACCOUNT)?;
    }
    Ok(lists)
}

fn list_of(frame: u64) -> usize {
    // CAST: `LISTS` is small.
    (frame % LISTS as u64) as usize
}
