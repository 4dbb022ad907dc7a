// SPDX-License-Identifier: GPL-2.0

//! A shadow table, with what must be known of each of its entries.

use super::{
    key::Key,
    list::{
        AllNeighbours,
        Linked,
        TableNumber, //
    },
    referrers::Referrers, //
};
use crate::mmu::{
    address::{
        Hpa,
        Level,
        PageSize, //
    },
    format::{
        Format,
        Mapping, //
    },
    guest_walk::Rights,
    ia32e::{
        Attributes,
        Ia32e, //
    },
    node::Entries, //
};
use core::sync::atomic::{
    AtomicU64,
    Ordering, //
};
use kernel::num::Bounded;

/// A page of host memory that belongs to the shadow tables, zeroed when it comes.
pub(crate) trait Frame {
    /// Where it is.
    fn hpa(&self) -> Hpa;
    /// What is in it.
    fn words(&self) -> &[AtomicU64; Level::ENTRIES];
}

/// An entry of a shadow table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct At {
    pub(super) table: TableNumber,
    pub(super) index: usize,
}

/// A present entry, as the CPU reads it. Accessed and dirty flags are always set: those that matter
/// are in the guest's tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ShadowEntry(u64);

/// P.
const PRESENT: u64 = 1 << 0;
/// R/W.
const WRITE: u64 = 1 << 1;
/// A.
const ACCESSED: u64 = 1 << 5;
/// Bits 51:12.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

impl ShadowEntry {
    /// Refers to a table, and leaves all rights to it.
    pub(super) fn table(hpa: Hpa) -> Self {
        Self(Ia32e::table(hpa) | ACCESSED)
    }

    /// Refers to a page directory from the highest level of PAE paging, where rights are reserved.
    pub(super) fn pdpte(hpa: Hpa) -> Self {
        Self(hpa.get() | PRESENT)
    }

    /// Maps a page of 4 KiB. It is cached as all memory of guests is.
    pub(super) fn leaf(hpa: Hpa, rights: Rights) -> Self {
        Self(Ia32e::leaf(Mapping {
            hpa,
            size: PageSize::Size4K,
            attributes: Attributes {
                write: rights.write,
                user: rights.user,
                execute: rights.execute,
                global: false,
                write_through: false,
                cache_disable: false,
                pat: false,
                software: Bounded::<u64, 3>::new::<0>(),
            },
            accessed: true,
            dirty: true,
        }))
    }

    /// As it stands in the table.
    pub(super) fn raw(self) -> u64 {
        self.0
    }

    /// The table or page that it refers to.
    pub(super) fn hpa(self) -> Hpa {
        Hpa::new(self.0 & ADDRESS)
    }

    pub(super) fn is_writable(self) -> bool {
        self.0 & WRITE != 0
    }

    /// The same without the right to write.
    pub(super) fn read_only(self) -> Self {
        Self(self.0 & !WRITE)
    }
}

/// A shadow table. While it is in use or retired, [`Self::key`] says what for.
pub(crate) struct ShadowPage<P> {
    /// What it stands for.
    pub(super) key: Key,
    /// Its places in lists.
    neighbours: AllNeighbours,
    /// The next whose own address has the same hash.
    pub(super) next_by_table: Option<TableNumber>,
    /// The epoch of the pool in which it is in use or retired.
    pub(super) epoch: u64,
    /// Entries that refer to it.
    pub(super) referrers: Referrers,
    /// Their number.
    pub(super) parents: u32,
    /// Trapped writes to the guest table since the shadow was used last.
    pub(super) writes: u8,
    /// The guest table is writable, and may differ.
    pub(super) unsync: bool,
    /// Which entries are present.
    present: [u64; Level::ENTRIES / 64],
    table: P,
    links: P,
    sources: P,
}

impl<P: Frame> ShadowPage<P> {
    /// One that is not in use yet.
    pub(super) fn new(key: Key, [table, links, sources]: [P; 3]) -> Self {
        Self {
            key,
            neighbours: AllNeighbours::default(),
            next_by_table: None,
            epoch: 0,
            referrers: Referrers::new(),
            parents: 0,
            writes: 0,
            unsync: false,
            present: [0; Level::ENTRIES / 64],
            table,
            links,
            sources,
        }
    }

    /// Begins to be used, empty: it may have been in use when the use of all tables ended.
    pub(super) fn begin(&mut self, key: Key, epoch: u64) {
        self.clear_all();
        self.epoch = epoch;
        self.key = key;
        self.parents = 0;
        self.writes = 0;
        self.unsync = false;
    }

    /// Makes all entries not present, whatever the epoch.
    pub(super) fn clear_all(&mut self) {
        while let Some(index) = self.next_present(0) {
            self.clear(index);
        }
    }

    /// Ends to be used, empty.
    pub(super) fn end(&mut self) {
        self.epoch = 0;
    }

    /// Number of the guest frame that an entry of the lowest level maps.
    pub(super) fn mapped_frame(&self, index: usize) -> u64 {
        if self.key.is_guest_table() {
            (self.source(index) & ADDRESS) >> 12
        } else {
            // CAST: 9 bits.
            self.key.frame | index as u64
        }
    }

    /// Where the CPU finds it.
    pub(super) fn hpa(&self) -> Hpa {
        self.table.hpa()
    }

    /// The entry, if it is present.
    pub(super) fn entry(&self, index: usize) -> Option<ShadowEntry> {
        let raw = self.table.words()[index].load(Ordering::Relaxed);
        (raw != 0).then_some(ShadowEntry(raw))
    }

    /// The guest's entry that it was made from; 0 if none was.
    pub(super) fn source(&self, index: usize) -> u64 {
        self.sources.words()[index].load(Ordering::Relaxed)
    }

    /// Makes an entry present, or changes a present one.
    pub(super) fn set(&mut self, index: usize, entry: ShadowEntry, source: u64) {
        self.present[index / 64] |= 1 << (index % 64);
        self.sources.words()[index].store(source, Ordering::Relaxed);
        self.table.words()[index].store(entry.0, Ordering::Release);
    }

    /// Makes an entry not present.
    pub(super) fn clear(&mut self, index: usize) {
        self.present[index / 64] &= !(1 << (index % 64));
        self.table.words()[index].store(0, Ordering::Release);
    }

    /// The first present entry from this one on.
    pub(super) fn next_present(&self, from: usize) -> Option<usize> {
        let mut word = from / 64;
        let mut bits = self.present.get(word)? & u64::MAX << (from % 64);
        while bits == 0 {
            word += 1;
            bits = *self.present.get(word)?;
        }
        // CAST: Less than 64.
        Some(word * 64 + bits.trailing_zeros() as usize)
    }

    /// The first present entry from this one on that was made from something else than what the
    /// guest table has now.
    pub(super) fn next_stale(&self, from: usize, contents: &Entries) -> Option<usize> {
        if self.key.is_word_for_word() {
            self.find_present(
                from,
                |block| self.is_block_fresh(block, contents),
                |index| contents[index].load(Ordering::Relaxed) != self.source(index),
            )
        } else {
            self.find_present(
                from,
                |_| false,
                |index| self.key.guest_value(index, contents) != self.source(index),
            )
        }
    }

    /// Is an entry present that was made from something else than what the guest table has now?
    pub(super) fn is_stale(&self, index: usize, contents: &Entries) -> bool {
        self.entry(index).is_some() && self.key.guest_value(index, contents) != self.source(index)
    }

    /// Would it take longer to compare all entries than to look at an instruction? Those present in
    /// a row decide.
    pub(super) fn is_dense(&self) -> bool {
        let full = self.present.iter().filter(|block| **block == u64::MAX);
        full.count() > 1
    }

    /// Are 64 entries what the guest table has at the same places now? Faster than one by one.
    #[inline]
    fn is_block_fresh(&self, block: usize, contents: &Entries) -> bool {
        let block = block * 64..block * 64 + 64;
        let sources = self.sources.words().get(block.clone());
        let (Some(sources), Some(contents)) = (sources, contents.get(block)) else {
            return false;
        };
        let pairs = sources.iter().zip(contents);
        let difference = pairs.fold(0, |difference, (source, now)| {
            difference | source.load(Ordering::Relaxed) ^ now.load(Ordering::Relaxed)
        });
        difference == 0
    }

    /// The first present entry from this one on that passes a test; where 64 are present, `none`
    /// may say that none of them does.
    #[inline]
    fn find_present(
        &self,
        from: usize,
        none: impl Fn(usize) -> bool,
        test: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        for (word, present) in self.present.iter().enumerate().skip(from / 64) {
            if *present == u64::MAX && none(word) {
                continue;
            }
            let mut bits = *present;
            if word == from / 64 {
                bits &= u64::MAX << (from % 64);
            }
            while bits != 0 {
                // CAST: Less than 64.
                let index = (word * 64 + bits.trailing_zeros() as usize) % Level::ENTRIES;
                if test(index) {
                    return Some(index);
                }
                bits &= bits - 1;
            }
        }
        None
    }

    /// The word that the reverse map has for an entry.
    pub(super) fn link(&self, index: usize) -> &AtomicU64 {
        &self.links.words()[index]
    }
}

impl<P> Linked for ShadowPage<P> {
    fn neighbours(&self) -> &AllNeighbours {
        &self.neighbours
    }

    fn neighbours_mut(&mut self) -> &mut AllNeighbours {
        &mut self.neighbours
    }
}
