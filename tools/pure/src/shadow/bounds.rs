// SPDX-License-Identifier: GPL-2.0

//! How much operations do, counted in entries: it depends on what they are for, and not on what
//! else there is.

use super::{
    host::{Host, TablePage, RANDOM},
    ram::Ram,
};
use crate::mmu::{
    address::{Gpa, Gva},
    guest_walk::{Access, Mode, Paging, PhysicalMemory},
    shadow::{
        policy::{Unsync, Vtlb, Wp},
        Fault, GuestMemory, Renewal, Shadow, ShadowPolicy, Unfinished, Written, PAGES_PER_TABLE,
    },
};
use std::rc::Rc;

/// Frames of the tables: one of each level, and page tables from here on.
const ROOT: u64 = 1;
const POINTERS: u64 = 2;
const DIRECTORY: u64 = 3;
const PAGE_TABLES: u64 = 4;
/// Page tables.
const TABLES: u64 = 20;
/// Pages that are mapped.
const DATA: u64 = 30;
/// What a comparison of a table counts.
const COMPARISON: u32 = 25;
/// What an entry counts that is taken out of more.
const ONE_OF_MANY: u32 = 4;
/// A, D, U/S, R/W and P.
const OPEN: u64 = 0x67;
/// PS.
const LARGE: u64 = 1 << 7;
/// A bit that is the guest's own.
const AVAILABLE: u64 = 1 << 9;

/// A guest with four levels of tables, which maps pages at addresses from 0 on.
struct Guest {
    host: Rc<Host>,
    ram: Ram,
    shadow: Shadow<TablePage>,
    paging: Paging,
}

impl Guest {
    fn new(policy: &'static dyn ShadowPolicy<TablePage>) -> Self {
        Self::with_tables(policy, 2000)
    }

    /// The driver has so many tables at most.
    fn with_tables(policy: &'static dyn ShadowPolicy<TablePage>, tables: usize) -> Self {
        let host = Rc::new(Host::default());
        let mut ram = Ram::new(host.clone());
        for frame in 0..40 {
            ram.populate(frame);
        }
        let pae = [(); PAGES_PER_TABLE].map(|()| host.allocate_table());
        let mut guest = Self {
            shadow: Shadow::new(policy, tables, RANDOM, pae).unwrap(),
            host,
            ram,
            paging: Paging {
                mode: Mode::FourLevels,
                cr3: ROOT << 12,
                pdptes: None,
                write_protect: true,
                no_execute: true,
                smep: false,
                smap: false,
                physical_bits: 40,
                pages_1g: true,
            },
        };
        guest.shadow.limit_work(u32::MAX);
        guest.write(ROOT, 0, POINTERS);
        guest.write(POINTERS, 0, DIRECTORY);
        for table in 0..TABLES {
            guest.write(DIRECTORY, table, PAGE_TABLES + table);
        }
        guest
    }

    /// Writes an entry that refers to a frame, behind the driver's back.
    fn write(&self, table: u64, index: u64, frame: u64) {
        self.ram
            .store(table << 12 | index << 3, frame << 12 | OPEN, u64::MAX);
    }

    /// Maps a frame at pages from this one on.
    fn map(&mut self, first: u64, count: u64, frame: u64) {
        for page in first..first + count {
            self.write(PAGE_TABLES + page / 512, page % 512, frame);
            self.touch(page << 12, false);
        }
    }

    /// An access. Returns what the driver did for it.
    fn touch(&mut self, linear: u64, write: bool) -> u32 {
        assert_eq!(self.fault(linear, write), Fault::Filled);
        self.work()
    }

    fn fault(&mut self, linear: u64, write: bool) -> Fault {
        self.enter();
        let access = Access {
            write,
            ..Access::default()
        };
        let mut pages = || Some(self.host.allocate_table());
        self.shadow.fault(
            &self.paging,
            Gva::new(linear),
            access,
            false,
            &self.ram,
            &mut pages,
        )
    }

    fn enter(&mut self) {
        assert!(self.renew().is_ok());
    }

    fn renew(&mut self) -> Result<Renewal, Unfinished> {
        let mut pages = || Some(self.host.allocate_table());
        self.shadow.renew(&self.paging, &self.ram, &mut pages)
    }

    /// What the last operation did.
    fn work(&self) -> u32 {
        self.shadow.glance().work
    }

    /// A frame is taken away. Returns what the driver did for it.
    fn remove(&mut self, frame: u64) -> u32 {
        let gpa = Gpa::new(frame << 12);
        let page = self.ram.page(gpa).map(|page| (gpa, page));
        self.shadow.remove(page.into_iter(), &self.ram);
        self.work()
    }

    /// The guest loads CR3, and goes on. Returns what the driver did for it.
    fn load_cr3(&mut self, frame: u64) -> u32 {
        self.paging.cr3 = frame << 12;
        self.shadow.load_cr3();
        self.enter();
        self.work()
    }

    fn check(&self) {
        self.shadow.check(&self.ram);
        self.shadow.check_closely();
    }
}

// Whatever there is already, a fill is what it was at first.
#[test]
fn a_fill_does_not_depend_on_what_is_there() {
    for policy in [&Vtlb as &dyn ShadowPolicy<TablePage>, &Wp, &Unsync] {
        let mut guest = Guest::new(policy);
        guest.map(0, 1, DATA);
        guest.write(PAGE_TABLES, 1, DATA);
        let first = guest.touch(1 << 12, true);
        guest.map(2, 510, DATA);
        guest.map(512, 5000, DATA + 1);
        guest.write(PAGE_TABLES + 11, 0, DATA);
        assert_eq!(guest.touch((11 * 512) << 12, true), first);
    }
}

// What cannot be found again did not go for want of room.
#[test]
fn only_what_could_be_found_again_is_reclaimed() {
    let mut guest = Guest::with_tables(&Vtlb, 28);
    guest.map(0, 512 * TABLES, DATA);
    let tables = guest.shadow.counts().tables;
    guest.write(ROOT, 0, POINTERS | 1 << 20);
    guest.shadow.invlpg(Gva::new(0), &guest.ram);
    guest.write(ROOT, 0, POINTERS);
    // These take the room of those that went with the entry.
    for table in 0..TABLES {
        guest.touch(table << 21, false);
    }
    assert_eq!(guest.shadow.counts().tables, tables);
    assert_eq!(guest.shadow.counts().reclaims, 0);
    guest.check();
}

// What a CPU could not come to any more it need not forget once more.
#[test]
fn making_room_of_what_went_flushes_nothing() {
    const OTHER: u64 = 33;
    let mut guest = Guest::new(&Wp);
    guest.map(0, 1, DATA);
    guest.write(ROOT, 1, OTHER);
    guest.write(OTHER, 0, OTHER + 1);
    guest.write(OTHER + 1, 0, OTHER + 2);
    guest.write(OTHER + 2, 0, DATA + 1);
    guest.write(OTHER + 2, 1, DATA + 2);
    guest.touch(1 << 39, false);
    guest.write(ROOT, 0, DATA);
    guest.shadow.written([Gpa::new(ROOT << 12)], &guest.ram);
    assert!(guest.renew().is_ok_and(|renewal| renewal.flush.is_needed()));
    // An entry of each table that went with it goes now.
    assert_eq!(guest.touch(1 << 39 | 1 << 12, false), 3);
    assert!(guest
        .renew()
        .is_ok_and(|renewal| !renewal.flush.is_needed()));
    guest.check();
}

// Taking a page away costs what it is mapped, however often others are.
#[test]
fn a_removal_costs_the_mappings_of_the_page() {
    for (mine, others) in [(1, 10), (1, 3000), (100, 10), (100, 3000)] {
        let mut guest = Guest::new(&Wp);
        guest.map(0, mine, DATA);
        guest.map(512, others, DATA + 1);
        // The last is the only one then.
        let expected = (mine as u32 - 1) * ONE_OF_MANY + 1;
        assert_eq!(guest.remove(DATA), expected);
        guest.check();
    }
}

// A page that becomes a table costs what it is mapped.
#[test]
fn a_protection_costs_the_mappings_of_the_page() {
    for (mine, others) in [(10, 10), (10, 3000), (100, 10), (100, 3000)] {
        let mut guest = Guest::new(&Wp);
        guest.map(0, mine, DATA);
        guest.map(512, others, DATA + 1);
        assert_eq!(guest.load_cr3(DATA), mine as u32);
        guest.check();
    }
}

// A load of CR3 costs the tables that are out of date, and what has changed in them.
#[test]
fn synchronisation_costs_what_is_out_of_date() {
    for (tables, changed) in [(1, 0), (1, 100), (8, 100)] {
        let mut guest = Guest::new(&Unsync);
        // The page tables are mapped, too.
        for table in 0..tables {
            guest.map(512 * (TABLES - 1) + table, 1, PAGE_TABLES + table);
        }
        guest.map(0, 5000, DATA);
        for table in 0..tables {
            guest.touch((512 * (TABLES - 1) + table) << 12, true);
            (0..changed).for_each(|index| guest.write(PAGE_TABLES + table, index, DATA + 1));
        }
        let tables = tables as u32;
        // Each table is mapped once.
        let expected = tables * (COMPARISON + changed as u32 * ONE_OF_MANY + 1);
        assert_eq!(guest.load_cr3(ROOT), expected);
    }
}

// To drop everything costs nothing. Where nobody knows which tables come from a page, that is done
// when it goes, too.
#[test]
fn dropping_all_is_free() {
    for count in [1, 5000] {
        let mut guest = Guest::new(&Vtlb);
        guest.map(0, count, DATA);
        assert_eq!(guest.load_cr3(ROOT), 0);
        guest.map(0, count, DATA);
        assert_eq!(guest.remove(PAGE_TABLES), 0);
        guest.check();
    }
}

/// Tables that a search meets by chance at most, however many there are.
const SEARCH: usize = 8;

// To find a table takes a few steps, if many stand for the same guest table, too.
#[test]
fn shadows_of_one_table_are_found_at_once() {
    for policy in [&Vtlb as &dyn ShadowPolicy<TablePage>, &Wp, &Unsync] {
        let mut guest = Guest::new(policy);
        guest.write(PAGE_TABLES, 0, DATA);
        for index in 0..512 {
            guest.write(DIRECTORY, index, PAGE_TABLES);
            guest.touch(index << 21, false);
        }
        assert!(guest.shadow.longest_search() <= SEARCH);
        guest.check();
    }
}

// Where nobody watches writes to tables, those of a single-stepped instruction are nothing to look
// at, either.
#[test]
fn a_step_does_not_look_at_what_is_not_protected() {
    const READ_ONLY: u64 = OPEN & !2;
    let mut guest = Guest::new(&Vtlb);
    guest.paging.write_protect = false;
    let entry = PAGE_TABLES << 12 | READ_ONLY;
    guest.ram.store(PAGE_TABLES << 12, entry, u64::MAX);
    for index in 0..512 {
        guest.write(DIRECTORY, index, PAGE_TABLES);
        guest.touch(index << 21, false);
    }
    assert_eq!(guest.fault(0, true), Fault::Step);
    assert!(!guest.shadow.steps_at_dense_tables());
    guest.shadow.end_step(Written::Anything, &guest.ram);
    // The entry of the page itself; who else maps it is not known.
    assert_eq!(guest.work(), 1);
    guest.check();
}

// A guest that knows how frames are spread over lists does not know by what numbers.
#[test]
fn frames_do_not_meet_on_purpose() {
    const GOLDEN_RATIO: u64 = 0x9e37_79b9_7f4a_7c15;
    let meets = |frame: &u64| frame.wrapping_mul(GOLDEN_RATIO) >> 32 & 2047 == 0;
    let mut guest = Guest::new(&Wp);
    for (index, frame) in (0..512).zip((5000..).filter(meets)) {
        guest.ram.populate_other(frame);
        guest.write(frame, 0, DATA);
        guest.write(DIRECTORY, index, frame);
        guest.touch(index << 21, false);
    }
    assert!(guest.shadow.longest_search() <= SEARCH);
    guest.check();
}

// To find a table takes a few steps, if it is for a part of a large page, too.
#[test]
fn a_table_is_found_at_once() {
    let mut guest = Guest::new(&Wp);
    for index in 0..512 {
        let entry = index << 21 | OPEN | LARGE;
        guest
            .ram
            .store(DIRECTORY << 12 | index << 3, entry, u64::MAX);
    }
    for index in 0..3 {
        guest.ram.populate(index * 512);
        guest.touch(index << 21, false);
    }
    assert!(guest.shadow.longest_search() <= 2);
}

/// What an operation does at most.
const MOST: u32 = 640;

// Room is made in pieces, from what was used least recently, and only as much as is needed.
#[test]
fn room_is_made_in_pieces() {
    const OTHER: u64 = 33;
    let mut guest = Guest::with_tables(&Wp, 30);
    guest.map(0, 512 * TABLES, DATA);
    guest.shadow.limit_work(MOST);
    for table in OTHER..OTHER + 3 {
        guest.write(table, 0, table + 1);
    }
    guest.write(OTHER + 3, 0, DATA + 1);
    for index in 1..4 {
        guest.write(OTHER + 2, index, OTHER + 3 + index);
        guest.write(OTHER + 3 + index, 0, DATA + 1);
    }
    guest.load_cr3(OTHER);
    // The tables of the higher levels make room for these.
    for index in 0..3 {
        guest.touch(index << 21, false);
    }
    // And the page tables, which are full, for this one.
    let mut pieces = 0;
    while guest.fault(3 << 21, false) == Fault::Unfinished {
        assert!(guest.work() <= MOST);
        guest.check();
        pieces += 1;
    }
    assert!(pieces > 1);
    assert!(guest.work() <= MOST);
    // The others have their entries still.
    guest.shadow.limit_work(u32::MAX);
    let entries = 512 * (TABLES as u32 - 1);
    assert_eq!(guest.remove(DATA), (entries - 1) * ONE_OF_MANY + 1);
    guest.check();
}

// Tables that are out of date are synchronised in pieces, before the guest goes on, and none is
// dropped.
#[test]
fn tables_are_synchronised_in_pieces() {
    let mut guest = Guest::new(&Unsync);
    let windows = 512 * (TABLES - 1);
    for table in 0..TABLES - 1 {
        guest.map(windows + table, 1, PAGE_TABLES + table);
    }
    guest.map(0, windows, DATA);
    for table in 0..TABLES - 1 {
        guest.touch((windows + table) << 12, true);
        (0..512).for_each(|index| guest.write(PAGE_TABLES + table, index, DATA + 1));
    }
    let tables = guest.shadow.counts().tables;
    guest.shadow.limit_work(MOST);
    guest.shadow.load_cr3();
    let mut pieces = 0;
    while guest.renew().is_err() {
        assert!(guest.work() <= MOST);
        guest.check();
        pieces += 1;
    }
    assert!(pieces > 1);
    assert!(guest.work() <= MOST);
    assert_eq!(guest.shadow.glance().unsync, 0);
    assert_eq!(guest.shadow.counts().tables, tables);
    guest.check();
}

// A table that goes costs the entry that referred to it, whatever it has itself.
#[test]
fn a_table_that_goes_costs_an_entry() {
    let mut guest = Guest::new(&Wp);
    guest.map(0, 512 * TABLES, DATA);
    let tables = guest.shadow.counts().tables;
    guest.shadow.limit_work(MOST);
    guest.write(ROOT, 0, DATA);
    guest.shadow.written([Gpa::new(ROOT << 12)], &guest.ram);
    assert!(guest.work() <= 8);
    assert_eq!(guest.shadow.counts().tables, tables - 1);
    guest.check();
}

// What would be too much and cannot be done in pieces ends all tables instead.
#[test]
fn no_operation_does_too_much() {
    let mut guest = Guest::new(&Wp);
    guest.map(0, 3000, DATA);
    guest.shadow.limit_work(MOST);
    assert!((MOST + 1..=MOST + ONE_OF_MANY).contains(&guest.remove(DATA)));
    assert_eq!(guest.shadow.counts().tables, 0);
    guest.shadow.limit_work(u32::MAX);
    guest.map(0, 3000, DATA);
    guest.shadow.limit_work(MOST);
    guest.paging.cr3 = DATA << 12;
    guest.shadow.load_cr3();
    assert!(guest.renew().is_err());
    assert_eq!(guest.work(), MOST + 1);
    // Once more, and it is little.
    guest.enter();
    assert_eq!(guest.work(), 0);
}

// INVLPG reaches what is below an entry that goes with it, if the way there is made anew.
#[test]
fn what_was_invalidated_does_not_come_back() {
    for table in [ROOT, POINTERS] {
        let mut guest = Guest::new(&Vtlb);
        guest.map(0, 2, DATA);
        guest.write(PAGE_TABLES, 1, DATA + 1);
        let below = guest.ram.read(Gpa::new(table << 12)).unwrap();
        guest.ram.store(table << 12, below | AVAILABLE, u64::MAX);
        // After one that reaches nothing, which makes it go the whole way.
        guest.shadow.invlpg(Gva::new(1 << 40), &guest.ram);
        guest.shadow.invlpg(Gva::new(1 << 12), &guest.ram);
        guest.touch(0, false);
        let fetched = guest.shadow.fetch(Gva::new(1 << 12), &guest.ram);
        assert_eq!(fetched.count(), 0);
        guest.check();
    }
}

// INVLPG of any address in a page of 4 MiB reaches all of it, though two entries of the shadow
// stand for it.
#[test]
fn a_large_page_is_invalidated_as_a_whole() {
    const HALF: u64 = 2 << 20;
    let mut guest = Guest::new(&Vtlb);
    guest.paging.mode = Mode::Bits32 { large: true };
    assert!(guest.ram.populate(HALF >> 12));
    guest.ram.store(ROOT << 12, LARGE | OPEN, u64::MAX);
    guest.touch(HALF, false);
    // A table in its place, of whose pages one is there, and is used before anything is
    // invalidated.
    guest.ram.store(PAGE_TABLES << 12, OPEN, u64::MAX);
    guest.write(ROOT, 0, PAGE_TABLES);
    guest.touch(0, false);
    let tables = guest.shadow.counts().tables;
    guest.shadow.invlpg(Gva::new(0), &guest.ram);
    assert_eq!(guest.shadow.counts().tables, tables - 1);
    guest.check();
}

// An instruction that writes to a table, and takes a new way to old entries, comes to its end: what
// a piece of the synchronisation has protected is not written to freely again before the last. No
// random program has come to this so far.
#[test]
fn pieces_of_synchronisation_come_to_their_end() {
    const WINDOW: u64 = (TABLES - 1) * 512;
    const READ_ONLY: u64 = OPEN & !2;
    let mut guest = Guest::new(&Unsync);
    guest.map(WINDOW, 1, PAGE_TABLES);
    guest.map(0, 1, DATA);
    // Another shadow of the same table.
    let entry = PAGE_TABLES << 12 | READ_ONLY;
    guest.ram.store(DIRECTORY << 12 | 1 << 3, entry, u64::MAX);
    guest.touch(1 << 21, false);
    // And another way to a third.
    guest.map(2 * 512, 1, DATA);
    guest.write(DIRECTORY, 3, PAGE_TABLES + 2);
    // A comparison is a piece, and not too much.
    guest.shadow.limit_work(COMPARISON * 3 / 2);
    let mut stepping = false;
    for _ in 0..10 {
        stepping = stepping || guest.fault(WINDOW << 12, true) == Fault::Step;
        match guest.fault(3 << 21, false) {
            Fault::Unfinished => guest.check(),
            fault => {
                assert_eq!(fault, Fault::Filled);
                assert!(stepping);
                guest.shadow.end_step(Written::Anything, &guest.ram);
                return guest.check();
            }
        }
    }
    panic!("it does not come to its end");
}

// Where what was left of a synchronisation goes otherwise, that is its end, too: tables get out of
// date again.
#[test]
fn synchronisation_ends_where_nothing_is_out_of_date() {
    const WINDOW: u64 = (TABLES - 1) * 512;
    let mut guest = Guest::new(&Unsync);
    guest.map(WINDOW, 1, PAGE_TABLES);
    guest.map(WINDOW + 1, 1, PAGE_TABLES + 2);
    guest.map(0, 1, DATA);
    guest.map(2 * 512, 1, DATA);
    guest.touch(WINDOW << 12, true);
    guest.write(PAGE_TABLES, 0, DATA + 1);
    // A new way to old entries, and less than it takes to synchronise a table.
    guest.write(DIRECTORY, 3, PAGE_TABLES + 2);
    guest.shadow.limit_work(COMPARISON * 3 / 2);
    assert_eq!(guest.fault(3 << 21, false), Fault::Unfinished);
    guest.remove(PAGE_TABLES);
    assert_eq!(guest.fault((WINDOW + 1) << 12, true), Fault::Filled);
    assert_eq!(guest.shadow.glance().unsync, 1);
    guest.check();
}
