// SPDX-License-Identifier: GPL-2.0

//! The reverse map: which shadow entries refer to a frame of host memory.
//!
//! It serves for pages of the guest, whose mappings must become read-only when they turn out to hold
//! a page table and disappear when the memory is taken away, and for shadow tables, whose parents
//! must let go of them before they are used for something else.
//!
//! Entries whose frames have the same hash form a doubly linked list. The links lie beside the shadow
//! tables, a word for each entry, so that nothing is allocated when an entry is added.

use super::{
    list::TableNumber,
    page::{
        At,
        Frame,
        ShadowPage, //
    }, //
};
use crate::mmu::address::Hpa;
use core::sync::atomic::Ordering;
use kernel::{
    alloc::AllocError,
    prelude::*, //
};

/// Lists, a power of two.
const LISTS: usize = 2048;

/// What precedes or follows an entry in its list, as 32 bits: an entry, a list, or nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Link(u32);

impl Link {
    const NONE: Self = Self(u32::MAX);
    const LIST: u32 = 1 << 31;

    fn entry(at: At) -> Self {
        // CAST: 9 bits.
        Self(u32::from(at.table.0) << 9 | at.index as u32)
    }

    fn at(self) -> Option<At> {
        (self.0 & Self::LIST == 0).then_some(At {
            // CAST: 16 bits, 9 bits.
            table: TableNumber((self.0 >> 9) as u16),
            index: (self.0 & 511) as usize,
        })
    }

    fn list(list: usize) -> Self {
        // CAST: Less than `LISTS`.
        Self(list as u32 | Self::LIST)
    }
}

/// What follows and what precedes, in one word.
fn pack(next: Link, previous: Link) -> u64 {
    u64::from(previous.0) << 32 | u64::from(next.0)
}

fn unpack(word: u64) -> (Link, Link) {
    // CAST: The two halves are taken apart on purpose.
    (Link(word as u32), Link((word >> 32) as u32))
}

/// The heads of the lists. Every present entry of a shadow table in use is in one of them.
pub(super) struct Rmap(KVVec<Link>);

impl Rmap {
    /// Without entries. May sleep.
    pub(super) fn new() -> Result<Self, AllocError> {
        let mut lists = KVVec::with_capacity(LISTS, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..LISTS {
            lists.push(Link::NONE, GFP_KERNEL_ACCOUNT)?;
        }
        Ok(Self(lists))
    }

    /// Adds an entry that is about to refer to a frame.
    pub(super) fn insert<P: Frame>(&mut self, pages: &[ShadowPage<P>], at: At, frame: Hpa) {
        let list = list_of(frame);
        let first = self.0[list];
        set(pages, at, first, Link::list(list));
        if let Some(first) = first.at() {
            let (next, _) = get(pages, first);
            set(pages, first, next, Link::entry(at));
        }
        self.0[list] = Link::entry(at);
    }

    /// Takes an entry out.
    pub(super) fn remove<P: Frame>(&mut self, pages: &[ShadowPage<P>], at: At) {
        let (next, previous) = get(pages, at);
        if let Some(next) = next.at() {
            let (after, _) = get(pages, next);
            set(pages, next, after, previous);
        }
        match previous.at() {
            Some(previous) => {
                let (_, before) = get(pages, previous);
                set(pages, previous, next, before);
            }
            // CAST: Less than `LISTS`.
            None => self.0[(previous.0 & !Link::LIST) as usize] = next,
        }
    }

    /// The first entry that refers to a frame.
    pub(super) fn first<P: Frame>(&self, pages: &[ShadowPage<P>], frame: Hpa) -> Option<At> {
        find(pages, self.0[list_of(frame)], frame)
    }

    /// The next entry after this one that refers to the same frame.
    pub(super) fn next<P: Frame>(pages: &[ShadowPage<P>], at: At, frame: Hpa) -> Option<At> {
        find(pages, get(pages, at).0, frame)
    }

    /// Entries in all lists.
    #[cfg(any(test, fuzzing))]
    pub(super) fn count<P: Frame>(&self, pages: &[ShadowPage<P>]) -> usize {
        let following = |link: &Link| Some(get(pages, link.at()?).0);
        self.0
            .iter()
            .flat_map(|first| core::iter::successors(Some(*first), following))
            .filter(|link| link.at().is_some())
            .count()
    }

    /// Forgets all entries of the list that this frame is in; to be used when all lists go.
    pub(super) fn forget(&mut self, frame: Hpa) {
        self.0[list_of(frame)] = Link::NONE;
    }
}

fn list_of(frame: Hpa) -> usize {
    // CAST: `LISTS` is small.
    (frame.frame() % LISTS as u64) as usize
}

fn get<P: Frame>(pages: &[ShadowPage<P>], at: At) -> (Link, Link) {
    unpack(
        pages[at.table.index()]
            .link(at.index)
            .load(Ordering::Relaxed),
    )
}

fn set<P: Frame>(pages: &[ShadowPage<P>], at: At, next: Link, previous: Link) {
    let word = pages[at.table.index()].link(at.index);
    word.store(pack(next, previous), Ordering::Relaxed);
}

/// The first entry in a list, from this one on, that refers to a frame.
fn find<P: Frame>(pages: &[ShadowPage<P>], mut link: Link, frame: Hpa) -> Option<At> {
    loop {
        let at = link.at()?;
        let page = &pages[at.table.index()];
        if page
            .entry(at.index)
            .is_some_and(|entry| entry.hpa() == frame)
        {
            return Some(at);
        }
        link = get(pages, at).0;
    }
}
