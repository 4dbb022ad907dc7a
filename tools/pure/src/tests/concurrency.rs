// SPDX-License-Identifier: GPL-2.0

//! A CPU that sets a flag at the worst moment: after the engine has read an entry, and before it
//! writes the new one.
//!
//! The format here lends itself to that: whenever the engine asks it for a new entry, a CPU writes
//! to the page first.

use super::machine::{walk, Machine, TestPage, TestTable};
use crate::mmu::{
    address::{Gpa, GpaRange, Hpa, Level, PageSize},
    ept::{Access, Attributes, Ept},
    flush::Flush,
    format::{Entry, Format, Mapping},
    table::Reaper,
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

/// Maps the large page at 0.
fn mapped() -> TestTable<Raced> {
    let mut table = TestTable::<Raced>::new();
    let (zero, attributes) = (Gpa::new(0), Attributes::memory(Access::ReadWrite));
    let mut pages = || Some(TestPage::new());
    let result = table.get().map(
        zero,
        PageSize::Size2M,
        Hpa::new(0),
        attributes,
        &mut pages, //
    );
    assert_eq!(result, Ok(()));
    table
}

/// Unmaps the first 4 KiB while a CPU writes to `at`.
fn unmap_while_writing(table: &mut TestTable<Raced>, at: Gpa) {
    ABOUT_TO_WRITE.set(Some((table.get().root(), at)));
    let first = GpaRange::page(Gpa::new(0), PageSize::Size4K).unwrap();
    let (mut pages, mut reaper) = (|| Some(TestPage::new()), Reaper::<_, 1>::new());
    let progress = table.get().unmap(first, &mut pages, &mut reaper);
    assert_eq!(ABOUT_TO_WRITE.get(), None, "the CPU did not get in between");
    assert_eq!((progress.flush, progress.rest), (Flush::Needed, None));
}

// Which of the small pages was written to is not known: all of them were.
#[test]
fn splitting_keeps_a_flag_set_meanwhile() {
    let mut table = mapped();
    unmap_while_writing(&mut table, Gpa::new(0x5000));
    assert_eq!(table.get().translate(Gpa::new(0)), None);
    for at in [0x1000, 0x5000, 0x1f_f000] {
        let page = table.get().translate(Gpa::new(at)).unwrap();
        assert!(page.accessed && page.dirty, "{at:#x}");
        assert_eq!(page.size, PageSize::Size4K);
    }
}
