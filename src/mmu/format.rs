// SPDX-License-Identifier: GPL-2.0

//! What a paging format has to say about an entry, so that one engine serves all formats.
//!
//! An entry is 64 bits that the CPU reads, and in which it sets accessed and dirty flags. A
//! [`Format`] translates between these bits and [`Entry`]; it knows one entry at a time, and
//! nothing of tables. A format's own files are [`super::ept`] and [`super::ia32e`].

use super::address::{
    Hpa,
    Input,
    Level,
    PageSize, //
};
use kernel::num::Bounded;

/// Physical addresses have at most this many bits (SDM Vol. 3A, "Enumeration of Paging Features by
/// CPUID": MAXPHYADDR).
pub(crate) const PHYSICAL_ADDRESS_BITS: u32 = 52;

/// A page and the way to it: what an entry that maps a page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mapping<A> {
    /// Where the page is in the host's memory.
    pub(crate) hpa: Hpa,
    /// Its size, which is also the level of the entry.
    pub(crate) size: PageSize,
    /// What may be done with it, as the format puts it.
    pub(crate) attributes: A,
    /// The CPU has used the entry, as far as it keeps count of that.
    pub(crate) accessed: bool,
    /// The CPU has written to the page, as far as it keeps count of that.
    pub(crate) dirty: bool,
}

impl<A: Copy + PartialEq> Mapping<A> {
    /// The same for a byte further on in the page: only [`Self::hpa`] differs.
    #[inline]
    pub(crate) fn at(self, offset: u64) -> Self {
        // The page is aligned to its size, so that the offset takes bits that are clear.
        let hpa = Hpa::new(self.hpa.get() | (offset % self.size.bytes()));
        Self { hpa, ..self }
    }

    /// One of the 512 smaller pages that the page consists of, if it does.
    #[inline]
    pub(crate) fn part(self, index: usize) -> Option<Self> {
        let size = self.size.smaller()?;
        // CAST: `usize` is 64 bits wide.
        let offset = (index as u64).checked_mul(size.bytes())?;
        Some(Self {
            size,
            ..self.at(offset)
        })
    }
}

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry<A> {
    /// Nothing: the CPU stops here.
    Empty,
    /// The table of the next lower level is at this address.
    Table(Hpa),
    /// The page is here.
    Leaf(Mapping<A>),
    /// What the format forbids: the CPU reports an EPT misconfiguration, or a page fault for a
    /// reserved bit.
    Malformed,
}

/// A paging format with four levels of 512 entries.
pub(crate) trait Format {
    /// Addresses that the tables translate.
    type Input: Input;

    /// What may be done with a page. Every value has an encoding, and none of them is empty.
    type Attributes: Copy + PartialEq;

    /// The level of the table that the CPU starts with.
    const ROOT: Level;

    /// The largest page that an entry can map.
    const LARGEST_PAGE: PageSize;

    /// What the entry `raw` of a table at `level` says.
    ///
    /// Bits that are reserved on some CPUs only (above MAXPHYADDR, or for want of a feature) count
    /// as allowed.
    fn decode(level: Level, raw: u64) -> Entry<Self::Attributes>;

    /// The entry that refers to a table and leaves all rights to what is below it.
    ///
    /// Inverse of [`Self::decode`] for [`Entry::Table`].
    fn table(hpa: Hpa) -> u64;

    /// The entry that maps a page of at most [`Self::LARGEST_PAGE`].
    ///
    /// Inverse of [`Self::decode`] for [`Entry::Leaf`].
    fn leaf(mapping: Mapping<Self::Attributes>) -> u64;
}

/// The field of an entry that holds a physical address, bits 51:12.
#[inline]
pub(crate) fn frame_field(hpa: Hpa) -> Bounded<u64, 40> {
    // Bits above 51 go off the top on the way: they do not exist in a physical address.
    let top = Bounded::<u64, 64>::from(hpa.get() << (u64::BITS - PHYSICAL_ADDRESS_BITS));
    top.shr::<24, 40>()
}

/// The address that [`frame_field`] holds.
#[inline]
pub(crate) fn frame_address(field: Bounded<u64, 40>) -> Hpa {
    Hpa::new(field.get() << 12)
}
