// SPDX-License-Identifier: GPL-2.0

//! Random calls on the engine against the model.

use super::{
    machine::{census, live_pages, walk, Census, Machine, TestPage, TestTable},
    model::{host, range, Model, PAGE},
};
use crate::mmu::{
    address::{AddressRange, Gpa, GpaRange, Hpa, Input, PageSize},
    ept::{Access, Attributes, Ept},
    flush::Flush,
    ia32e::Ia32e,
    node::MapError,
    table::{Pause, Progress, Reaper},
};
use proptest::prelude::*;

/// Windows of 8 MiB where the calls take place: at the ends, and across the borders of tables.
const WINDOWS: [u64; 4] = [
    0,
    (1 << 30) - (4 << 20),
    (1 << 39) - (4 << 20),
    (1 << 48) - (8 << 20),
];

/// Pages in a window.
const PAGES: u64 = 2048;

/// A position in a window.
#[derive(Clone, Copy, Debug)]
struct Spot {
    window: usize,
    page: u64,
}

impl Spot {
    fn position(self) -> u64 {
        WINDOWS[self.window] + self.page * PAGE
    }

    /// Up to `pages` from here on, within the window.
    fn range(self, pages: u64) -> (u64, u64) {
        let end = (self.page + pages).min(PAGES);
        (self.position(), WINDOWS[self.window] + end * PAGE)
    }
}

/// A call.
#[derive(Clone, Debug)]
enum Step {
    /// Map a page, with so many pages for tables.
    Map {
        at: Spot,
        large: bool,
        copy: u8,
        attributes: u8,
        budget: usize,
    },
    /// Unmap a range, with so many pages for tables to begin with.
    Unmap {
        at: Spot,
        pages: u64,
        budget: usize,
        roomy: bool,
    },
    /// Unmap everything, the holes between the windows included.
    UnmapAll { roomy: bool },
    /// A CPU uses an address.
    Touch { at: Spot, write: bool },
}

fn spot() -> impl Strategy<Value = Spot> {
    // Borders are where things go wrong.
    let page = prop_oneof![
        0..PAGES,
        (0u64..4, 0u64..4).prop_map(|(large, page)| large * 512 + page),
        (1u64..5, 1u64..4).prop_map(|(large, page)| large * 512 - page),
    ];
    (0..WINDOWS.len(), page).prop_map(|(window, page)| Spot { window, page })
}

fn step() -> impl Strategy<Value = Step> {
    let pages = || prop_oneof![1..8u64, 1..PAGES, Just(512)];
    let budget = || prop_oneof![Just(8usize), 0..4usize];
    prop_oneof![
        5 => (spot(), any::<bool>(), 0..2u8, 0..3u8, budget()).prop_map(
            |(at, large, copy, attributes, budget)| Step::Map { at, large, copy, attributes, budget }
        ),
        3 => (spot(), pages(), budget(), any::<bool>())
            .prop_map(|(at, pages, budget, roomy)| Step::Unmap { at, pages, budget, roomy }),
        1 => any::<bool>().prop_map(|roomy| Step::UnmapAll { roomy }),
        3 => (spot(), any::<bool>()).prop_map(|(at, write)| Step::Touch { at, write }),
    ]
}

/// A source of that many pages.
fn source(mut budget: usize) -> impl FnMut() -> Option<TestPage> {
    move || {
        budget = budget.checked_sub(1)?;
        Some(TestPage::new())
    }
}

/// Engine and model side by side.
struct Pair<F: Machine> {
    table: TestTable<F>,
    model: Model<F>,
}

impl<F: Machine> Pair<F> {
    fn new() -> Self {
        Self {
            table: TestTable::new(),
            model: Model::new(),
        }
    }

    fn root(&mut self) -> Hpa {
        self.table.get().root()
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Map {
                at,
                large,
                copy,
                attributes,
                budget,
            } => {
                self.map(at, large, copy, F::attributes(attributes), budget);
            }
            Step::Unmap {
                at,
                pages,
                budget,
                roomy,
            } => {
                let (start, end) = at.range(pages);
                self.unmap(start, end, budget, roomy);
            }
            Step::UnmapAll { roomy } => self.unmap(0, 1 << 48, 0, roomy),
            Step::Touch { at, write } => {
                let root = self.root();
                self.model.touch(root, at.position(), write);
            }
        }
        self.check(step);
    }

    fn map(&mut self, at: Spot, large: bool, copy: u8, attributes: F::Attributes, budget: usize) {
        let size = if large {
            PageSize::Size2M
        } else {
            PageSize::Size4K
        };
        let position = at.position() & !(size.bytes() - 1);
        let (input, hpa) = (F::Input::from_position(position), host(position, copy));
        let root = self.root();
        let found = walk::<F>(root, input).map(|walk| walk.size);
        let expected = self.model.map(position, size, hpa, attributes, found);
        let mut pages = source(budget);
        let result = self
            .table
            .get()
            .map(input, size, Hpa::new(hpa), attributes, &mut pages);
        if result == Err(MapError::OutOfPages) {
            assert!(expected.is_ok() && budget < 3);
            return;
        }
        assert_eq!(result, expected);
        if result.is_ok() {
            self.model.mapped(position, size, hpa, attributes);
        }
    }

    fn unmap(&mut self, start: u64, end: u64, budget: usize, roomy: bool) {
        let (root, before) = (self.root(), live_pages());
        let removed = self.model.unmap(start, end);
        let flushed = if roomy {
            self.unmap_by::<4>(range(start, end), budget)
        } else {
            self.unmap_by::<1>(range(start, end), budget)
        };
        assert!(flushed || !removed);
        assert!(
            !flushed || removed || live_pages() < before,
            "a flush for nothing"
        );
        let Census { empty, .. } = census::<F>(root);
        let left = empty.iter().find(|table| {
            table.1 - table.0 < 1 << 48 && table.0 < end && start < table.1 //
        });
        assert_eq!(left, None, "an empty table is left");
    }

    /// Unmaps with a small reaper to the end; returns whether a flush was asked for.
    fn unmap_by<const N: usize>(&mut self, all: AddressRange<F::Input>, mut budget: usize) -> bool {
        let mut reaper = Reaper::<TestPage, N>::new();
        let (mut todo, mut flushed) = (all, false);
        loop {
            let mut pages = source(budget);
            let progress = self.table.get().unmap(todo, &mut pages, &mut reaper);
            flushed |= self.flush(progress.flush);
            assert!(progress.flush.is_needed() || reaper.len() == 0);
            reaper.clear();
            budget = refill(&progress);
            match progress.rest {
                Some((rest, _)) => todo = rest,
                None => return flushed,
            }
        }
    }

    fn flush(&mut self, flush: Flush) -> bool {
        if flush.is_needed() {
            self.model.flush();
        }
        flush.is_needed()
    }

    fn check(&mut self, step: &Step) {
        self.model.check_tlb();
        let root = self.root();
        assert_eq!(
            census::<F>(root).tables.len(),
            live_pages(),
            "a table leaked"
        );
        let at = match *step {
            Step::Map { at, .. } | Step::Unmap { at, .. } | Step::Touch { at, .. } => at,
            Step::UnmapAll { .. } => Spot { window: 0, page: 0 },
        };
        let base = WINDOWS[at.window];
        let near = (0..5).map(|page| (at.page + page).saturating_sub(2) % PAGES);
        let spread = (0..64).map(|number| (number * 509 + at.page) % PAGES);
        let positions = near.chain(spread).map(|page| base + page * PAGE);
        self.model.check(self.table.get(), positions);
    }

    /// Compares every page.
    fn check_all(&mut self) {
        self.model.check(self.table.get(), self.model.positions());
        for window in WINDOWS {
            let positions = (0..PAGES).map(|page| window + page * PAGE);
            self.model.check(self.table.get(), positions);
        }
    }
}

/// Pages that the next call gets: what it asked for.
fn refill<A>(progress: &Progress<A>) -> usize {
    match progress.rest {
        Some((_, Pause::OutOfPages)) => 1,
        _ => 0,
    }
}

fn run<F: Machine>(steps: &[Step]) {
    assert_eq!(live_pages(), 0);
    let mut pair = Pair::<F>::new();
    for step in steps {
        pair.step(step);
    }
    pair.check_all();
    drop(pair);
    assert_eq!(live_pages(), 0, "pages are left");
}

proptest! {
    #[test]
    fn ept_does_what_the_model_does(steps in prop::collection::vec(step(), 1..40)) {
        run::<Ept>(&steps);
    }

    #[test]
    fn ia32e_does_what_the_model_does(steps in prop::collection::vec(step(), 1..40)) {
        run::<Ia32e>(&steps);
    }
}

const MEMORY: Attributes = Attributes::memory(Access::ReadWriteExecute);

fn map(table: &mut TestTable<Ept>, at: u64, size: PageSize) -> Result<(), MapError> {
    let mut pages = source(3);
    table
        .get()
        .map(Gpa::new(at), size, Hpa::new(at), MEMORY, &mut pages)
}

#[test]
fn what_cannot_be_mapped_is_refused() {
    let mut table = TestTable::<Ept>::new();
    let mut try_map = |at, size, hpa| {
        table
            .get()
            .map(Gpa::new(at), size, Hpa::new(hpa), MEMORY, &mut source(3)) //
    };
    use PageSize::{Size2M, Size4K};
    assert_eq!(try_map(0x800, Size4K, 0), Err(MapError::Misaligned));
    assert_eq!(try_map(0x1000, Size2M, 0), Err(MapError::Misaligned));
    assert_eq!(try_map(0, Size2M, 0x1000), Err(MapError::Misaligned));
    assert_eq!(try_map(1 << 48, Size4K, 0), Err(MapError::OutOfReach));
    assert_eq!(try_map(0, Size4K, 1 << 52), Err(MapError::OutOfReach));
    assert_eq!(live_pages(), 1);
}

// A page of 1 GiB comes apart twice when 4 KiB of it go.
#[test]
fn a_1g_page_is_split_twice() {
    let mut table = TestTable::<Ept>::new();
    map(&mut table, 1 << 30, PageSize::Size1G).unwrap();
    let hole = (1 << 30) + (5 << 21) + (7 << 12);
    let mut reaper = Reaper::<_, 1>::new();
    let gone = range(hole, hole + PAGE);
    let progress = table.get().unmap(gone, &mut source(2), &mut reaper);
    assert_eq!(progress.rest, None);
    assert!(progress.flush.is_needed());
    let mut found = |at: u64| table.get().translate(Gpa::new(at));
    assert_eq!(found(hole), None);
    assert_eq!(found(hole - 1).unwrap().size, PageSize::Size4K);
    assert_eq!(found(hole + PAGE).unwrap().hpa, Hpa::new(hole + PAGE));
    assert_eq!(found((1 << 30) + 123).unwrap().size, PageSize::Size2M);
    assert_eq!(found((1 << 31) - 1).unwrap().hpa, Hpa::new((1 << 31) - 1));
}

// Two pages for tables are needed at the ends of a range; without them nothing before is lost.
#[test]
fn a_call_without_pages_says_where_to_go_on() {
    let mut table = TestTable::<Ept>::new();
    map(&mut table, 0, PageSize::Size2M).unwrap();
    map(&mut table, 2 << 20, PageSize::Size2M).unwrap();
    let mut reaper = Reaper::<_, 1>::new();
    let all = range(0, (2 << 20) + PAGE);
    let progress = table.get().unmap(all, &mut source(0), &mut reaper);
    assert!(progress.flush.is_needed());
    let (rest, pause) = progress.rest.unwrap();
    assert_eq!((rest.start_position(), pause), (2 << 20, Pause::OutOfPages));
    assert_eq!(table.get().translate(Gpa::new(0)), None);
    assert!(table.get().translate(Gpa::new(2 << 20)).is_some());
}

// A walk passes over what is empty: one step per entry of the root for all of 256 TiB.
#[test]
fn holes_cost_nothing() {
    let mut table = TestTable::<Ept>::new();
    let mut reaper = Reaper::<_, 1>::new();
    let progress = table
        .get()
        .unmap(GpaRange::all(), &mut source(0), &mut reaper);
    assert_eq!((progress.flush, progress.rest), (Flush::NotNeeded, None));
}

// A call on a large range that is full stops after its share, and the rest gets done.
#[test]
fn work_comes_in_shares() {
    let mut table = TestTable::<Ept>::new();
    let pages = 20_000;
    for page in 0..pages {
        map(&mut table, page * PAGE, PageSize::Size4K).unwrap();
    }
    let mut reaper = Reaper::<_, 64>::new();
    let (mut todo, mut calls) = (range(0, pages * PAGE), 1);
    loop {
        let progress = table.get().unmap(todo, &mut source(0), &mut reaper);
        let Some((rest, pause)) = progress.rest else {
            break;
        };
        assert_eq!(pause, Pause::Share);
        assert!(rest.len() < todo.len());
        (todo, calls) = (rest, calls + 1);
    }
    assert!((4..8).contains(&calls), "{calls} calls");
    reaper.clear();
    assert_eq!(live_pages(), 1);
}
