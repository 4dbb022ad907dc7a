// SPDX-License-Identifier: GPL-2.0

//! Addresses and ranges.

use crate::mmu::address::{
    AddressRange, Gpa, GpaRange, Gva, Hpa, Input, Level,
    PageSize::{self, Size1G, Size2M, Size4K},
};
use proptest::prelude::*;

// SDM Vol. 3A, "4-Level Paging": bits 47:39, 38:30, 29:21 and 20:12 are the indices.
#[test]
fn indices_are_the_bits_of_the_sdm() {
    let address = Gva::new((1 << 39) | (2 << 30) | (3 << 21) | (4 << 12) | 5);
    let levels = [Level::Pml4, Level::Pdpt, Level::Pd, Level::Pt];
    assert_eq!(levels.map(|level| address.index(level)), [1, 2, 3, 4]);
    let highest = Gpa::new((1 << 48) - 1);
    assert_eq!(levels.map(|level| highest.index(level)), [511; 4]);
}

#[test]
fn pages_have_the_sizes_of_the_sdm() {
    let bytes = [Size4K, Size2M, Size1G].map(PageSize::bytes);
    assert_eq!(bytes, [0x1000, 0x20_0000, 0x4000_0000]);
    assert_eq!(Level::Pml4.span(), 512 << 30);
}

#[test]
fn an_address_comes_to_pieces() {
    let address = Hpa::new(0x1234_5678);
    assert_eq!(address.page_base(Size2M), Hpa::new(0x1220_0000));
    assert_eq!(address.offset(Size2M), 0x14_5678);
    assert_eq!(address.frame(), 0x12345);
    assert!(!address.is_aligned(Size4K));
    assert!(address.page_base(Size4K).is_aligned(Size4K));
}

#[test]
fn adding_does_not_wrap() {
    assert_eq!(Gpa::new(u64::MAX).checked_add(1), None);
    assert_eq!(Gpa::new(1).checked_add(2), Some(Gpa::new(3)));
}

#[test]
fn only_canonical_addresses_have_a_position() {
    let half = 1 << 47;
    assert_eq!(Gva::new(half - 1).position(), Some(half - 1));
    assert_eq!(Gva::new(half).position(), None);
    assert_eq!(Gva::new(0xffff_7fff_ffff_ffff).position(), None);
    assert_eq!(Gva::new(0xffff_8000_0000_0000).position(), Some(half));
    assert_eq!(Gva::new(u64::MAX).position(), Some((1 << 48) - 1));
    assert_eq!(Gpa::new(1 << 48).position(), None);
}

#[test]
fn the_last_linear_page_is_a_range() {
    let last = Gva::new(u64::MAX);
    let range = AddressRange::page(last, Size4K).unwrap();
    assert_eq!(range.start(), Gva::new(0xffff_ffff_ffff_f000));
    assert!(range.contains(last));
}

#[test]
fn a_range_is_aligned_in_order_and_within_reach() {
    let range = |start, end| GpaRange::new(Gpa::new(start), Gpa::new(end));
    assert!(range(0, 1 << 48).is_some());
    assert!(range(0, (1 << 48) + 0x1000).is_none());
    assert!(range(0x1000, 0x1000).is_none());
    assert!(range(0x2000, 0x1000).is_none());
    assert!(range(0x800, 0x1000).is_none());
    assert!(range(0, 0x1001).is_none());
    assert!(GpaRange::from_len(Gpa::new(0x1000), u64::MAX).is_none());
    assert_eq!(
        GpaRange::from_len(Gpa::new(0x1000), 0x1000),
        range(0x1000, 0x2000)
    );
}

proptest! {
    // The pages of a range are in it, follow each other, and leave less than a page at either end.
    #[test]
    fn pages_fill_a_range(start in 0u64..2000, pages in 1u64..2000, large: bool) {
        let size = if large { Size2M } else { Size4K };
        let range = GpaRange::from_len(Gpa::new(start << 12), pages << 12).unwrap();
        let found: Vec<_> = range.pages(size).map(Gpa::get).collect();
        for page in &found {
            prop_assert!(page % size.bytes() == 0);
            prop_assert!(*page >= range.start().get());
            prop_assert!(page + size.bytes() <= range.end().get());
        }
        prop_assert!(found.windows(2).all(|pair| pair[0] + size.bytes() == pair[1]));
        let covered = found.len() as u64 * size.bytes();
        prop_assert!(range.len() - covered < 2 * size.bytes());
    }

    // Ranges overlap if and only if some page is in both.
    #[test]
    fn overlap_is_having_a_page_in_common(
        a in 0u64..20, la in 1u64..20, b in 0u64..20, lb in 1u64..20,
    ) {
        let range = |start, pages| GpaRange::from_len(Gpa::new(start << 12), pages << 12).unwrap();
        let (first, second) = (range(a, la), range(b, lb));
        let common = first.pages(Size4K).any(|page| second.contains(page));
        prop_assert_eq!(first.overlaps(second), common);
    }
}
