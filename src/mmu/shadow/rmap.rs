// SPDX-License-Identifier: GPL-2.0

//! The reverse map: which shadow entries refer to a page of host memory.
//!
//! It serves for pages of the guest, whose mappings must become read-only when they turn out to
//! hold a page table and disappear when the memory is taken away (where guest tables are not
//! protected, neither is so, and those are not in it), and for shadow tables, whose
//! parents must let go of them before they are used for something else.
//!
//! The entries that refer to a page form a ring, the newest first. Their links lie beside the
//! shadow tables, a word for each entry; where the ring begins lies with the page itself, another
//! word. So nothing is allocated when an entry is added, nobody meets entries that refer to other
//! pages, and adding, finding the first and taking one out take the same time however many there
//! are. The links are one of the three pages of a shadow table; the words with the pages of the
//! guest are 0.2 % of its memory.
//!
//! # Invariants
//!
//! A page's ring begins with the entry that its [`Referrers`] name, if that entry is present, of a
//! table that is in use or retired, and refers to the page; else the ring is empty. So an entry
//! that was the only one goes without a word to its page, and all entries of all tables go at once
//! when the tables are not in use any more.

use super::{
    list::TableNumber,
    page::{
        At,
        Frame, //
    },
    pool::Pool,
    referrers::Referrers, //
};
use crate::mmu::address::Hpa;
use core::sync::atomic::{
    AtomicU64,
    Ordering, //
};

/// Two numbers of 32 bits, the entries before and behind one, or the first of a ring and how many
/// there are.
#[derive(Clone, Copy)]
struct Pair(u32, u32);

impl Pair {
    fn load(word: &AtomicU64) -> Self {
        let word = word.load(Ordering::Relaxed);
        // CAST: The two halves are taken apart on purpose.
        Self((word >> 32) as u32, word as u32)
    }

    fn store(self, word: &AtomicU64) {
        word.store(
            u64::from(self.0) << 32 | u64::from(self.1),
            Ordering::Relaxed,
        );
    }
}

/// An entry as a number.
fn code(at: At) -> u32 {
    // CAST: 9 bits.
    u32::from(at.table.0) << 9 | at.index as u32
}

/// Inverse of [`code`].
fn decode(code: u32) -> At {
    At {
        // CAST: 16 bits, 9 bits.
        table: TableNumber((code >> 9) as u16),
        index: (code & 511) as usize,
    }
}

impl Referrers {
    /// The newest entry that refers to the page, which is this one.
    pub(super) fn first<P: Frame>(&self, pool: &Pool<P>, page: Hpa) -> Option<At> {
        let first = decode(Pair::load(&self.0).0);
        let entry = pool.entry(first)?;
        (entry.hpa() == page).then_some(first)
    }

    /// Number of entries that refer to the page.
    #[cfg(any(test, fuzzing))]
    pub(super) fn count<P: Frame>(&self, pool: &Pool<P>, page: Hpa) -> u32 {
        match self.first(pool, page) {
            Some(_) => Pair::load(&self.0).1,
            None => 0,
        }
    }

    /// Adds an entry that is not present and about to refer to the page.
    pub(super) fn insert<P: Frame>(&self, pool: &Pool<P>, at: At, page: Hpa) {
        let count = match self.first(pool, page) {
            Some(first) => {
                let last = before(pool, first);
                join(pool, last, at);
                join(pool, at, first);
                Pair::load(&self.0).1
            }
            None => {
                Pair(code(at), code(at)).store(pool[at.table].link(at.index));
                0
            }
        };
        Pair(code(at), count.wrapping_add(1)).store(&self.0);
    }

    /// Takes an entry out, which is not the only one.
    fn remove<P: Frame>(&self, pool: &Pool<P>, at: At) {
        let behind = behind(pool, at);
        join(pool, before(pool, at), behind);
        let Pair(first, count) = Pair::load(&self.0);
        let first = if first == code(at) {
            code(behind)
        } else {
            first
        };
        Pair(first, count.wrapping_sub(1)).store(&self.0);
    }
}

/// Takes an entry out that is about to be not present. `referrers` are those of its page, which are
/// asked for only if there are more. Returns whether there are.
pub(super) fn remove<'a, P: Frame>(
    pool: &Pool<P>,
    at: At,
    referrers: impl FnOnce() -> Option<&'a Referrers>,
) -> bool {
    let one_of_many = behind(pool, at) != at;
    if one_of_many {
        if let Some(referrers) = referrers() {
            referrers.remove(pool, at);
        }
    }
    one_of_many
}

/// The entry before this one in its ring: before the first comes the last.
pub(super) fn before<P: Frame>(pool: &Pool<P>, at: At) -> At {
    decode(Pair::load(pool[at.table].link(at.index)).0)
}

/// The entry behind this one in its ring: behind the last comes the first.
pub(super) fn behind<P: Frame>(pool: &Pool<P>, at: At) -> At {
    decode(Pair::load(pool[at.table].link(at.index)).1)
}

/// Lets an entry be followed by another.
fn join<P: Frame>(pool: &Pool<P>, before: At, behind: At) {
    let (first, second) = (
        pool[before.table].link(before.index),
        pool[behind.table].link(behind.index),
    );
    Pair(Pair::load(first).0, code(behind)).store(first);
    Pair(code(before), Pair::load(second).1).store(second);
}
