// SPDX-License-Identifier: GPL-2.0

//! 4-level paging of the x86-64 itself: the format of guests' tables and of shadow tables.
//!
//! Source: Intel SDM Vol. 3A, "4-Level Paging and 5-Level Paging", "Access Rights", "Accessed and
//! Dirty Flags"; for PWT, PCD and PAT "Paging and Memory Typing".
//!
//! IA32_EFER.NXE is taken to be 1, and CR4.PKE and CR4.PKS to be 0.

use super::{
    address::{
        Gva,
        Hpa,
        Level,
        PageSize, //
    },
    format::{
        frame_address,
        frame_field,
        Entry,
        Format,
        Mapping, //
    }, //
};
use kernel::{
    bitfield,
    num::Bounded, //
};

bitfield! {
    /// Entry of any level. Which fields mean something depends on whether it maps a page.
    struct Bits(u64) {
        /// XD: instructions cannot be fetched.
        63:63   execute_disable => bool;
        /// Frame number of the page, or of the table of the next lower level.
        51:12   frame;
        /// PAT of a page larger than 4 KiB.
        12:12   pat_large => bool;
        /// Bits that the CPU leaves to software.
        11:9    software;
        /// G: the translation outlives a load of CR3.
        8:8     global => bool;
        /// PS: the entry maps a page. Not in the lowest level, whose entries always do.
        7:7     large => bool;
        /// PAT of a page of 4 KiB.
        7:7     pat => bool;
        /// D: the CPU has written to the page.
        6:6     dirty => bool;
        /// A: the CPU has used the entry.
        5:5     accessed => bool;
        /// PCD.
        4:4     cache_disable => bool;
        /// PWT.
        3:3     write_through => bool;
        /// U/S: programs at CPL 3 may use it.
        2:2     user => bool;
        /// R/W: it may be written to.
        1:1     write => bool;
        /// P: the entry means something.
        0:0     present => bool;
    }
}

/// What an entry says of a page besides where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    /// R/W: it may be written to.
    pub(crate) write: bool,
    /// U/S: programs at CPL 3 may use it.
    pub(crate) user: bool,
    /// XD is clear: instructions may be fetched.
    pub(crate) execute: bool,
    /// G: the translation outlives a load of CR3.
    pub(crate) global: bool,
    /// PWT, bit 0 of the index into the PAT.
    pub(crate) write_through: bool,
    /// PCD, bit 1 of the index into the PAT.
    pub(crate) cache_disable: bool,
    /// PAT, bit 2 of the index into the PAT.
    pub(crate) pat: bool,
    /// Bits 11:9, which the CPU leaves to software.
    pub(crate) software: Bounded<u64, 3>,
}

/// The format.
pub(crate) struct Ia32e;

impl Format for Ia32e {
    type Input = Gva;
    type Attributes = Attributes;

    const ROOT: Level = Level::Pml4;
    const LARGEST_PAGE: PageSize = PageSize::Size1G;

    // Always: as in the format of EPT.
    #[inline(always)]
    fn decode(level: Level, raw: u64) -> Entry<Attributes> {
        let bits = Bits::from_raw(raw);
        if !bits.present() {
            Entry::Empty
        } else if level == Level::Pt || bits.large() {
            decode_leaf(level, bits).unwrap_or(Entry::Malformed)
        } else {
            Entry::Table(frame_address(bits.frame()))
        }
    }

    #[inline]
    fn table(hpa: Hpa) -> u64 {
        Bits::from_raw(0)
            .with_frame(frame_field(hpa))
            .with_user(true)
            .with_write(true)
            .with_present(true)
            .into_raw()
    }

    #[inline]
    fn leaf(mapping: Mapping<Attributes>) -> u64 {
        let attributes = mapping.attributes;
        let bits = Bits::from_raw(0)
            .with_execute_disable(!attributes.execute)
            .with_frame(frame_field(mapping.hpa))
            .with_software(attributes.software)
            .with_global(attributes.global)
            .with_dirty(mapping.dirty)
            .with_accessed(mapping.accessed)
            .with_cache_disable(attributes.cache_disable)
            .with_write_through(attributes.write_through)
            .with_user(attributes.user)
            .with_write(attributes.write)
            .with_present(true);
        match mapping.size {
            PageSize::Size4K => bits.with_pat(attributes.pat).into_raw(),
            _ => bits
                .with_large(true)
                .with_pat_large(attributes.pat)
                .into_raw(),
        }
    }
}

/// An entry that maps a page.
#[inline]
fn decode_leaf(level: Level, bits: Bits) -> Option<Entry<Attributes>> {
    let size = level.page_size()?;
    let (pat, frame) = match size {
        PageSize::Size4K => (bits.pat(), bits.frame()),
        _ => (bits.pat_large(), bits.with_pat_large(false).frame()),
    };
    let hpa = frame_address(frame);
    let mapping = Mapping {
        hpa,
        size,
        attributes: attributes(bits, pat),
        accessed: bits.accessed(),
        dirty: bits.dirty(),
    };
    // The bits of the address that a larger page does not need are reserved.
    hpa.is_aligned(size).then_some(Entry::Leaf(mapping))
}

/// Attributes in an entry that maps a page; where PAT is depends on its size.
#[inline]
fn attributes(bits: Bits, pat: bool) -> Attributes {
    Attributes {
        write: bits.write(),
        user: bits.user(),
        execute: !bits.execute_disable(),
        global: bits.global(),
        write_through: bits.write_through(),
        cache_disable: bits.cache_disable(),
        pat,
        software: bits.software(),
    }
}
