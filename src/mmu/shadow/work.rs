// SPDX-License-Identifier: GPL-2.0

//! How much one operation may do: interrupts are off meanwhile, and a guest can make tables as
//! awkward as it likes.
//!
//! Most operations do what they have to for a few entries. Some depend on what the guest made, so
//! they count, and there are two ways to end them:
//!
//!  - What can be left half-done stops when it is enough, and goes on after interrupts were let in:
//!    emptying tables that stand for nothing any more, to have them for others, and synchronising
//!    those that are out of date before translation depends on it.
//!  - What cannot stops when it is too much, and all tables are dropped instead, which takes no
//!    time ([`Pool::end_all`](super::pool::Pool::end_all)): a page or a table goes that very many
//!    entries refer to, or a page that very many map becomes a table. What was dropped for nothing
//!    comes back by page faults; those cost the guest more time than the work that led to it, and
//!    nobody else.

/// There are no pages to make a table of, or the rest would take long. The caller gets pages, lets
/// interrupts in, and tries again: what was done need not be done once more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Unfinished;

/// What an operation has done so far.
pub(super) struct Work {
    /// Entries that were changed, or as much in other work.
    done: u32,
    most: u32,
    #[cfg(any(test, fuzzing))]
    pub(super) last: u32,
}

impl Work {
    /// Entries that an operation changes at most. One takes up to about 100 instructions.
    const MOST: u32 = 640;

    /// What an entry counts that is taken out of a ring of more: where the ring begins has to be
    /// looked up.
    const ONE_OF_MANY: u32 = 4;

    /// What a comparison of a whole table counts.
    pub(super) const COMPARISON: u32 = 25;

    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self {
            done: 0,
            most: Self::MOST,
            #[cfg(any(test, fuzzing))]
            last: 0,
        }
    }

    /// Counts so many entries.
    #[inline]
    pub(super) fn add(&mut self, entries: u32) {
        self.done = self.done.saturating_add(entries);
    }

    /// Counts an entry that was taken out of the reverse map.
    #[inline]
    pub(super) fn count_removal(&mut self, one_of_many: bool) {
        self.add(if one_of_many { Self::ONE_OF_MANY } else { 1 });
    }

    /// Is it time to leave the rest for later? What the operation does besides has room then.
    #[inline]
    pub(super) fn is_enough(&self) -> bool {
        self.done > self.most / 2
    }

    /// Is it time to drop everything?
    #[inline]
    pub(super) fn is_too_much(&self) -> bool {
        self.done > self.most
    }

    /// The operation is at its end.
    #[inline]
    pub(super) fn end(&mut self) {
        #[cfg(any(test, fuzzing))]
        {
            self.last = self.done;
        }
        self.done = 0;
    }

    /// Another limit from now on.
    #[cfg(any(test, fuzzing))]
    pub(super) fn limit(&mut self, most: u32) {
        self.most = most;
    }
}
