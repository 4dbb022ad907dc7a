// SPDX-License-Identifier: GPL-2.0

//! What the engine stands on in the tests: pages that are counted, and a CPU that walks tables.
//!
//! The walker goes by the bits as the SDM describes them, not by the engine's decoding.

use crate::mmu::{
    address::{Hpa, Input, Level, PageSize},
    ept::{self, Ept},
    format::Format,
    ia32e::{self, Ia32e},
    node::{Entries, TablePage},
    table::PageTable,
};
use kernel::num::Bounded;
use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
};

thread_local! {
    /// Addresses of the pages that exist.
    static LIVE: RefCell<BTreeSet<u64>> = const { RefCell::new(BTreeSet::new()) };
    /// Whether a page that is freed may have contents: only when its whole table goes.
    static TEARDOWN: Cell<bool> = const { Cell::new(false) };
}

#[repr(align(4096))]
struct Frame(Entries);

/// A page, known to be freed once, and only when it is empty.
pub(super) struct TestPage(Box<Frame>);

impl TestPage {
    pub(super) fn new() -> Self {
        let frame = Box::new(Frame([const { AtomicU64::new(0) }; Level::ENTRIES]));
        let address = &*frame as *const Frame as u64;
        assert!(LIVE.with_borrow_mut(|live| live.insert(address)));
        Self(frame)
    }
}

/// Pages that exist on this thread.
pub(super) fn live_pages() -> usize {
    LIVE.with_borrow(BTreeSet::len)
}

impl Drop for TestPage {
    fn drop(&mut self) {
        let address = &*self.0 as *const Frame as u64;
        let known = LIVE.with_borrow_mut(|live| live.remove(&address));
        let empty = self
            .0
             .0
            .iter()
            .all(|entry| entry.load(Ordering::Relaxed) == 0);
        if !std::thread::panicking() {
            assert!(known, "freed twice");
            assert!(
                empty || TEARDOWN.get(),
                "a CPU could still find a mapping in a freed table"
            );
        }
    }
}

// SAFETY: A `Box` owns its contents, which are aligned by `Frame`; userspace is below 2^47.
unsafe impl TablePage for TestPage {
    fn into_hpa(self) -> Hpa {
        let frame = std::mem::ManuallyDrop::new(self);
        // SAFETY: The box is moved out of a value that is not dropped.
        Hpa::new(Box::into_raw(unsafe { std::ptr::read(&frame.0) }) as u64)
    }

    unsafe fn from_hpa(hpa: Hpa) -> Self {
        assert!(
            LIVE.with_borrow(|live| live.contains(&hpa.get())),
            "freed twice"
        );
        // SAFETY: The caller says that it comes from `into_hpa`.
        Self(unsafe { Box::from_raw(hpa.get() as *mut Frame) })
    }

    unsafe fn entries_at<'a>(hpa: Hpa) -> &'a Entries {
        // SAFETY: The caller says that the page lives.
        unsafe { &(*(hpa.get() as *const Frame)).0 }
    }
}

/// A table under test, with teardown allowed for.
pub(super) struct TestTable<F: Machine>(pub(super) Option<PageTable<F, TestPage>>);

impl<F: Machine> TestTable<F> {
    pub(super) fn new() -> Self {
        Self(Some(PageTable::new(TestPage::new())))
    }

    pub(super) fn get(&mut self) -> &mut PageTable<F, TestPage> {
        self.0.as_mut().unwrap()
    }
}

impl<F: Machine> Drop for TestTable<F> {
    fn drop(&mut self) {
        TEARDOWN.set(true);
        self.0 = None;
        TEARDOWN.set(false);
    }
}

/// What the CPU knows about a format.
pub(super) trait Machine: Format<Attributes: std::fmt::Debug> + 'static {
    const ACCESSED: u64;
    const DIRTY: u64;

    fn present(raw: u64) -> bool;

    /// Fails if the CPU would refuse the entry.
    fn check(level: Level, raw: u64, leaf: bool);

    /// One of the attributes, for every number.
    fn attributes(choice: u8) -> Self::Attributes;
}

impl Machine for Ept {
    const ACCESSED: u64 = 1 << 8;
    const DIRTY: u64 = 1 << 9;

    fn present(raw: u64) -> bool {
        raw & 7 != 0
    }

    fn check(level: Level, raw: u64, leaf: bool) {
        assert!(raw & 3 != 2, "{raw:#x}: write without read");
        assert!(
            raw >> 52 == 0 && raw & 0xc00 == 0,
            "{raw:#x}: bits nobody asked for"
        );
        if leaf {
            assert!(
                matches!(raw >> 3 & 7, 0 | 1 | 4 | 5 | 6),
                "{raw:#x}: memory type"
            );
            assert!(raw & (level.span() - 1) & !0xfff == 0, "{raw:#x}: address");
        } else {
            assert!(raw & 0xf8 == 0 && raw & 7 == 7, "{raw:#x}: table");
        }
    }

    fn attributes(choice: u8) -> ept::Attributes {
        use ept::{Access::*, MemoryType::*};
        ept::Attributes {
            access: [Read, ReadWrite, ReadExecute, ReadWriteExecute, Execute][choice as usize % 5],
            memory_type: [WriteBack, Uncacheable][choice as usize / 5 % 2],
            ignore_pat: choice / 10 % 2 == 1,
        }
    }
}

impl Machine for Ia32e {
    const ACCESSED: u64 = 1 << 5;
    const DIRTY: u64 = 1 << 6;

    fn present(raw: u64) -> bool {
        raw & 1 != 0
    }

    fn check(level: Level, raw: u64, leaf: bool) {
        assert!(raw >> 52 & 0x7ff == 0, "{raw:#x}: bits nobody asked for");
        if leaf {
            assert!(raw & (level.span() - 1) & !0x1fff == 0, "{raw:#x}: address");
        } else {
            assert!(raw & 0xf80 == 0 && raw & 7 == 7, "{raw:#x}: table");
        }
    }

    fn attributes(choice: u8) -> ia32e::Attributes {
        let bit = |number: u8| choice >> number & 1 != 0;
        ia32e::Attributes {
            write: bit(0),
            user: bit(1),
            execute: bit(2),
            global: bit(3),
            write_through: false,
            cache_disable: bit(4),
            pat: bit(5),
            software: Bounded::<u64, 3>::try_new(u64::from(choice >> 6)).unwrap(),
        }
    }
}

/// Entries of the table at `hpa`.
pub(super) fn entries(hpa: u64) -> &'static Entries {
    // SAFETY: The tests ask only for tables that are linked, and drop the reference before they
    // change anything that unlinks one.
    unsafe { TestPage::entries_at(Hpa::new(hpa)) }
}

/// Where an entry that refers to a table points.
pub(super) fn frame(raw: u64) -> u64 {
    raw & 0x000f_ffff_ffff_f000
}

/// Whether a present entry maps a page.
pub(super) fn is_leaf(level: Level, raw: u64) -> bool {
    level == Level::Pt || raw & 0x80 != 0
}

/// What a walk of the CPU ended with.
pub(super) struct Walk {
    pub(super) slot: &'static AtomicU64,
    pub(super) size: PageSize,
}

/// Walks the tables as a CPU does, down to the entry that maps the page.
pub(super) fn walk<F: Machine>(root: Hpa, address: F::Input) -> Option<Walk> {
    let (mut table, mut level) = (root.get(), Level::Pml4);
    loop {
        let slot = &entries(table)[address.index(level)];
        let raw = slot.load(Ordering::Relaxed);
        if !F::present(raw) {
            return None;
        }
        if is_leaf(level, raw) {
            let size = level.page_size().unwrap();
            return Some(Walk { slot, size });
        }
        slot.fetch_or(F::ACCESSED, Ordering::Relaxed);
        (table, level) = (frame(raw), level.below().unwrap());
    }
}

/// What the tables consist of, found by looking at every entry.
#[derive(Default)]
pub(super) struct Census {
    /// Addresses of the tables, the root among them.
    pub(super) tables: BTreeSet<u64>,
    /// Ranges of positions of which the table has no entry.
    pub(super) empty: Vec<(u64, u64)>,
}

/// Counts the tables, and checks that all entries are well-formed.
pub(super) fn census<F: Machine>(root: Hpa) -> Census {
    let mut found = Census::default();
    visit::<F>(root.get(), Level::Pml4, 0, &mut found);
    found
}

/// Recursion is at most four deep.
fn visit<F: Machine>(table: u64, level: Level, base: u64, found: &mut Census) {
    assert!(found.tables.insert(table), "a table is linked twice");
    let mut empty = true;
    for (index, slot) in entries(table).iter().enumerate() {
        let raw = slot.load(Ordering::Relaxed);
        if raw == 0 {
            continue;
        }
        assert!(F::present(raw), "{raw:#x}: neither present nor empty");
        empty = false;
        let leaf = is_leaf(level, raw);
        F::check(level, raw, leaf);
        if !leaf {
            let start = base + index as u64 * level.span();
            visit::<F>(frame(raw), level.below().unwrap(), start, found);
        }
    }
    if empty {
        found
            .empty
            .push((base, base + Level::ENTRIES as u64 * level.span()));
    }
}
