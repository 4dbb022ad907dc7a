// SPDX-License-Identifier: GPL-2.0

//! The walk through a guest's tables.

use crate::{
    mmu::{
        address::{Gpa, Gva},
        guest_walk::{self, Access, Kept, Mode, Paging, PhysicalMemory, Stop},
    },
    walks::{self, mix, Memory},
};
use proptest::{prelude::*, test_runner::TestRunner};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
};

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![
        1 => Just(Mode::Off),
        4 => any::<bool>().prop_map(|large| Mode::Bits32 { large }),
        4 => Just(Mode::Pae),
        6 => Just(Mode::FourLevels),
    ]
}

fn paging() -> impl Strategy<Value = Paging> {
    (
        mode(),
        any::<u64>(),
        any::<[bool; 6]>(),
        prop_oneof![Just(32), Just(36), Just(39), Just(40), Just(46), Just(52)],
    )
        .prop_map(
            |(mode, cr3, [wp, nx, smep, smap, huge, cached], bits)| Paging {
                mode,
                cr3: cr3 & ((1 << bits) - 1),
                pdptes: cached.then(|| [1, 2, 3, 4].map(|n| mix(cr3 + n) & 0x7f_f000 | n & 1)),
                write_protect: wp,
                no_execute: nx,
                smep,
                smap,
                physical_bits: bits,
                pages_1g: huge,
            },
        )
}

fn access() -> impl Strategy<Value = Access> {
    (any::<[bool; 2]>(), 0..3).prop_map(|([user, may_touch_users], kind)| Access {
        user,
        write: kind == 1,
        fetch: kind == 2,
        may_touch_users,
    })
}

// Both walks agree on everything, and everything that there is was met.
#[test]
fn the_walk_is_that_of_the_manual() {
    let met = RefCell::new(BTreeMap::new());
    let mut runner = TestRunner::new(ProptestConfig::with_cases(60_000));
    let case = (paging(), any::<u64>(), access(), any::<u64>());
    let result = runner.run(&case, |(paging, random, access, seed)| {
        let memory = Memory::random(seed, &paging);
        let address = walks::address(paging.mode, random);
        let outcome = walks::compare(&paging, address, access, &memory);
        *met.borrow_mut().entry(outcome).or_insert(0u32) += 1;
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    let met = met.into_inner();
    println!("{met:?}");
    let kinds: BTreeSet<_> = met.keys().map(|(_, kind)| *kind).collect();
    for kind in [
        "no paging",
        "4 KiB",
        "2 MiB",
        "4 MiB",
        "1 GiB",
        "no memory",
        "read-only memory",
    ] {
        assert!(kinds.contains(kind), "{kind} was never met");
    }
    for access in [0, 2, 4, 6, 16, 20] {
        for cause in [0, 1, 9] {
            let code = access | cause;
            assert!(
                met.contains_key(&(code, "page fault")),
                "{code} was never met"
            );
        }
    }
}

#[test]
fn an_address_that_is_not_canonical_has_no_translation() {
    let paging = four_levels();
    let memory = words(&[]);
    let address = Gva::new(1 << 47);
    let found = guest_walk::translate(&paging, address, Access::default(), &memory);
    assert_eq!(found.err(), Some(Stop::NotCanonical));
}

/// Memory with these words, and 0 everywhere else.
struct Words(RefCell<BTreeMap<u64, u64>>);

impl PhysicalMemory for Words {
    fn read(&self, gpa: Gpa) -> Option<u64> {
        Some(self.0.borrow().get(&gpa.get()).copied().unwrap_or(0))
    }

    fn replace(&self, gpa: Gpa, _old: u64, new: u64) -> Result<(), Kept> {
        self.0.borrow_mut().insert(gpa.get(), new);
        Ok(())
    }
}

fn words(words: &[(u64, u64)]) -> Words {
    Words(RefCell::new(words.iter().copied().collect()))
}

fn four_levels() -> Paging {
    Paging {
        mode: Mode::FourLevels,
        cr3: 0x1000,
        pdptes: None,
        write_protect: true,
        no_execute: true,
        smep: false,
        smap: false,
        physical_bits: 39,
        pages_1g: true,
    }
}

// An entry that is met at two levels gets its flags once, and the dirty flag with them.
#[test]
fn a_table_that_refers_to_itself() {
    let memory = words(&[(0x1ff8, 0x1003)]);
    let write = Access {
        write: true,
        ..Access::default()
    };
    let found = guest_walk::translate(&four_levels(), Gva::new(u64::MAX - 7), write, &memory);
    assert_eq!(found.map(|found| found.gpa.get()), Ok(0x1ff8));
    assert_eq!(memory.read(Gpa::new(0x1ff8)), Some(0x1063));
}

/// Memory whose lowest entry another CPU takes away when it has been read so often.
struct Racing {
    words: Words,
    reads_left: Cell<u32>,
}

impl Racing {
    const ENTRY: Gpa = Gpa::new(0x4000);

    fn new(reads: u32) -> Self {
        let tables = [(0x1000, 0x2003), (0x2000, 0x3003), (0x3000, 0x4003)];
        Self {
            words: words(&[&tables[..], &[(Self::ENTRY.get(), 0x5003)]].concat()),
            reads_left: Cell::new(reads),
        }
    }
}

impl PhysicalMemory for Racing {
    fn read(&self, gpa: Gpa) -> Option<u64> {
        let value = self.words.read(gpa);
        if gpa == Self::ENTRY {
            self.reads_left.set(self.reads_left.get().wrapping_sub(1));
            if self.reads_left.get() == 0 {
                self.words.0.borrow_mut().insert(gpa.get(), 0);
            }
        }
        value
    }

    fn replace(&self, gpa: Gpa, old: u64, new: u64) -> Result<(), Kept> {
        match self.words.read(gpa) == Some(old) {
            true => self.words.replace(gpa, old, new),
            false => Err(Kept::Changed),
        }
    }
}

// Who takes an entry away and finds the page clean must not find it written to afterwards: between
// the walk and its flag, and between a look at the entry and the write of the flag.
#[test]
fn an_entry_that_is_taken_away_meanwhile_is_not_used() {
    let write = Access {
        write: true,
        ..Access::default()
    };
    for reads in [1, 2] {
        let memory = Racing::new(reads);
        let found = guest_walk::translate(&four_levels(), Gva::new(0), write, &memory);
        assert_eq!(found.err(), Some(Stop::Changed), "after {reads} reads");
        assert_eq!(memory.words.read(Racing::ENTRY), Some(0));
    }
    let memory = Racing::new(3);
    let found = guest_walk::translate(&four_levels(), Gva::new(0), write, &memory);
    assert_eq!(found.map(|found| found.gpa.get()), Ok(0x5000));
    assert_eq!(memory.words.read(Racing::ENTRY), Some(0x5063));
}

// PSE-36: bits 20:13 of a 4-MiB page's entry are bits 39:32 of its address.
#[test]
fn a_4m_page_above_4g() {
    let memory = words(&[(0x1000, 0x0080_2087 << 32)]);
    let paging = Paging {
        mode: Mode::Bits32 { large: true },
        ..four_levels()
    };
    let found = guest_walk::translate(&paging, Gva::new(0x40_1234), Access::default(), &memory);
    assert_eq!(found.map(|found| found.gpa.get()), Ok(0x1_0080_1234));
    assert_eq!(memory.read(Gpa::new(0x1000)), Some(0x0080_20a7 << 32));
}

// Implicit accesses of the supervisor do not heed AC, and the CPU does not say that one is. What is
// refused although it is there can be nothing else; taken for an explicit one, it would be tried
// for ever.
#[test]
fn an_implicit_access_that_smap_forbids_ends_in_a_fault() {
    use guest_walk::fault::{PRESENT, USER, WRITE};
    let memory = words(&[
        (0x1000, 0x2007),
        (0x2000, 0x3007),
        (0x3000, 0x4007),
        (0x4000, 0x5007),
    ]);
    let paging = Paging {
        smap: true,
        ..four_levels()
    };
    let walk = |code, is_user, ac| {
        let access = Access::of_fault(code, is_user, ac);
        let walked = guest_walk::translate(&paging, Gva::new(0), access, &memory);
        walked.map(|walked| walked.gpa.get())
    };
    let fault = |code| Err(Stop::PageFault(code));
    assert_eq!(walk(0, false, true), Ok(0x5000));
    assert_eq!(walk(PRESENT, false, true), fault(PRESENT));
    // Writes of the CPU's own come behind reads. This one is to an entry that is not dirty yet.
    assert_eq!(walk(PRESENT | WRITE, false, true), Ok(0x5000));
    assert_eq!(walk(0, false, false), fault(PRESENT));
    // Of code of users, the supervisor's accesses are all implicit.
    assert_eq!(walk(0, true, true), fault(PRESENT));
    assert_eq!(walk(WRITE, true, true), fault(PRESENT | WRITE));
    assert_eq!(walk(USER | WRITE, true, true), Ok(0x5000));
}

// Reserved bits of the highest entries of PAE are found by the load of CR3, and only if present.
#[test]
fn pdptes_are_checked_when_they_are_loaded() {
    let valid = |pdpte| guest_walk::pdptes_valid(&[0, pdpte, 0, 0], 36);
    assert!(valid(0xf_ffff_f000 | 0xe19));
    for reserved in [1, 2, 5, 6, 7, 8, 36, 62, 63] {
        assert!(!valid(1 | 1 << reserved), "bit {reserved}");
        assert!(valid(1 << reserved));
    }
    let at = guest_walk::pdptes_at(0xffff_ffff_1234_5678).map(Gpa::get);
    assert_eq!(at, [0x1234_5660, 0x1234_5668, 0x1234_5670, 0x1234_5678]);
}

// The fuzz target's own entry, on bytes of all kinds.
#[test]
fn bytes_of_a_fuzzer_make_walks() {
    for length in 0..200 {
        let bytes: Vec<_> = (0..length).map(|n| mix(length << 32 | n) as u8).collect();
        walks::fuzz(&bytes);
    }
}
