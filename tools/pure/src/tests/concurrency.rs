// SPDX-License-Identifier: GPL-2.0

//! A CPU that sets a flag at the worst moment: after the engine has read an entry, and before it
//! writes the new one.
//!
//! The format here lends itself to that: whenever the engine asks it for a new entry, a CPU writes to
//! the page first.

use super::machine::{walk, Machine, TestPage, TestTable};
use crate::mmu::{
    address::{Gpa, GpaRange, Hpa, Level, PageSize},
    ept::{Access, Attributes, Ept},
    flush::Flush,
    format::{Entry, Format, Mapping},
};
use std::{cell::Cell, sync::atomic::Ordering};

thread_local! {
    /// Root of the tables, and address that the CPU is about to write to.
    static ABOUT_TO_WRITE: Cell<Option<(Hpa, Gpa)>> = const { Cell::new(None) };
}

/// EPT, with a CPU that comes in between.
struct Raced;

impl Format for Raced {
    type Input = Gpa;
    type Attributes = Attributes;

    const ROOT: Level = Ept::ROOT;
    const LARGEST_PAGE: PageSize = Ept::LARGEST_PAGE;

    fn decode(level: Level, raw: u64) -> Entry<Attributes> {
        Ept::decode(level, raw)
    }

    fn table(hpa: Hpa) -> u64 {
        Ept::table(hpa)
    }

    fn leaf(mapping: Mapping<Attributes>) -> u64 {
        let raw = Ept::leaf(mapping);
        if let Some((root, at)) = ABOUT_TO_WRITE.take() {
            let walk = walk::<Raced>(root, at).expect("the page is mapped");
            let flags = Ept::ACCESSED | Ept::DIRTY;
            walk.slot.fetch_or(flags, Ordering::Relaxed);
        }
        raw
    }

    fn narrows(old: Attributes, new: Attributes) -> bool {
        Ept::narrows(old, new)
    }
}

impl Machine for Raced {
    const ACCESSED: u64 = Ept::ACCESSED;
    const DIRTY: u64 = Ept::DIRTY;

    fn present(raw: u64) -> bool {
        Ept::present(raw)
    }

    fn check(level: Level, raw: u64, leaf: bool) {
        Ept::check(level, raw, leaf);
    }

    fn attributes(choice: u8) -> Attributes {
        Ept::attributes(choice)
    }
}

/// Maps the page of this size at 0.
fn mapped(size: PageSize) -> TestTable<Raced> {
    let mut table = TestTable::<Raced>::new();
    let (zero, attributes) = (Gpa::new(0), Attributes::memory(Access::ReadWrite));
    let mut pages = || Some(TestPage::new());
    let result = table
        .get()
        .map(zero, size, Hpa::new(0), attributes, &mut pages);
    assert_eq!(result, Ok(()));
    table
}

/// Makes the first 4 KiB read-only while a CPU writes to `at`.
fn protect_while_writing(table: &mut TestTable<Raced>, at: Gpa) {
    ABOUT_TO_WRITE.set(Some((table.get().root(), at)));
    let first = GpaRange::page(Gpa::new(0), PageSize::Size4K).unwrap();
    let attributes = Attributes::memory(Access::Read);
    let mut pages = || Some(TestPage::new());
    let progress = table.get().protect(first, attributes, &mut pages);
    assert_eq!(ABOUT_TO_WRITE.get(), None, "the CPU did not get in between");
    assert_eq!((progress.flush, progress.rest), (Flush::Needed, None));
}

#[test]
fn protecting_keeps_a_flag_set_meanwhile() {
    let mut table = mapped(PageSize::Size4K);
    protect_while_writing(&mut table, Gpa::new(0));
    let page = table.get().translate(Gpa::new(0)).unwrap();
    assert!(page.accessed && page.dirty);
    assert_eq!(page.attributes.access, Access::Read);
}

// Which of the small pages was written to is not known: all of them were.
#[test]
fn splitting_keeps_a_flag_set_meanwhile() {
    let mut table = mapped(PageSize::Size2M);
    protect_while_writing(&mut table, Gpa::new(0x5000));
    for at in [0, 0x5000, 0x1f_f000] {
        let page = table.get().translate(Gpa::new(at)).unwrap();
        assert!(page.accessed && page.dirty, "{at:#x}");
        assert_eq!(page.size, PageSize::Size4K);
    }
}
