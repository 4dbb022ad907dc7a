// SPDX-License-Identifier: GPL-2.0

//! Bits of 4-level paging entries (SDM Vol. 3A, "4-Level Paging and 5-Level Paging").

use crate::mmu::{
    address::{Hpa, Level, PageSize},
    format::{Entry, Format, Mapping},
    ia32e::{Attributes, Ia32e},
};
use kernel::num::Bounded;
use proptest::prelude::*;

const PLAIN: Attributes = Attributes {
    write: false,
    user: false,
    execute: true,
    global: false,
    write_through: false,
    cache_disable: false,
    pat: false,
    software: Bounded::<u64, 3>::new::<0>(),
};

fn leaf(size: PageSize, hpa: u64, attributes: Attributes) -> u64 {
    Ia32e::leaf(Mapping {
        hpa: Hpa::new(hpa),
        size,
        attributes,
        accessed: false,
        dirty: false,
    })
}

// Each attribute is one bit of an entry that maps a page of 4 KiB.
#[test]
fn bits_of_a_4k_page() {
    let cases = [
        (PLAIN, 1 << 0),
        (
            Attributes {
                write: true,
                ..PLAIN
            },
            0b11,
        ),
        (
            Attributes {
                user: true,
                ..PLAIN
            },
            0b101,
        ),
        (
            Attributes {
                write_through: true,
                ..PLAIN
            },
            1 | 1 << 3,
        ),
        (
            Attributes {
                cache_disable: true,
                ..PLAIN
            },
            1 | 1 << 4,
        ),
        (Attributes { pat: true, ..PLAIN }, 1 | 1 << 7),
        (
            Attributes {
                global: true,
                ..PLAIN
            },
            1 | 1 << 8,
        ),
        (
            Attributes {
                software: Bounded::<u64, 3>::new::<5>(),
                ..PLAIN
            },
            1 | 5 << 9,
        ),
        (
            Attributes {
                execute: false,
                ..PLAIN
            },
            1 | 1 << 63,
        ),
    ];
    for (attributes, bits) in cases {
        assert_eq!(leaf(PageSize::Size4K, 0x5000, attributes), 0x5000 | bits);
    }
}

// A larger page has PS in bit 7, and PAT in bit 12.
#[test]
fn bits_of_a_large_page() {
    let pat = Attributes { pat: true, ..PLAIN };
    assert_eq!(leaf(PageSize::Size2M, 0x20_0000, PLAIN), 0x20_0081);
    assert_eq!(leaf(PageSize::Size2M, 0x20_0000, pat), 0x20_1081);
    assert_eq!(leaf(PageSize::Size1G, 0x4000_0000, pat), 0x4000_1081);
}

#[test]
fn accessed_and_dirty_are_bits_5_and_6() {
    let flags = Mapping {
        hpa: Hpa::new(0),
        size: PageSize::Size4K,
        attributes: PLAIN,
        accessed: true,
        dirty: true,
    };
    assert_eq!(Ia32e::leaf(flags), 0x61);
}

#[test]
fn a_table_leaves_all_rights_to_its_entries() {
    assert_eq!(Ia32e::table(Hpa::new(0x7000)), 0x7007);
}

#[test]
fn reserved_bits_are_malformed() {
    assert_eq!(Ia32e::decode(Level::Pd, 0x2081), Entry::Malformed);
    assert_eq!(Ia32e::decode(Level::Pd, 0x10_0081), Entry::Malformed);
    assert_eq!(Ia32e::decode(Level::Pdpt, 0x20_0081), Entry::Malformed);
    assert_eq!(Ia32e::decode(Level::Pml4, 0x81), Entry::Malformed);
}

#[test]
fn an_entry_that_is_not_present_is_empty() {
    assert_eq!(Ia32e::decode(Level::Pt, !1), Entry::Empty);
}

proptest! {
    // What decodes to a page encodes to the same bits, less those that are ignored.
    #[test]
    fn encoding_is_the_inverse_of_decoding(raw: u64, level in 0usize..4) {
        let level = [Level::Pt, Level::Pd, Level::Pdpt, Level::Pml4][level];
        match Ia32e::decode(level, raw) {
            Entry::Leaf(leaf) => {
                let ignored: u64 = 0x7ff << 52;
                prop_assert_eq!(Ia32e::leaf(leaf), raw & !ignored);
            }
            Entry::Table(hpa) => {
                prop_assert_eq!(hpa.get(), raw & 0x000f_ffff_ffff_f000);
                prop_assert_eq!(Ia32e::decode(level, Ia32e::table(hpa)), Entry::Table(hpa));
            }
            Entry::Empty => prop_assert_eq!(raw & 1, 0),
            Entry::Malformed => prop_assert_ne!(raw & 0x81, 0),
        }
    }
}
