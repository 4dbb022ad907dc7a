// SPDX-License-Identifier: GPL-2.0

//! The walk through a guest's tables against the [`oracle`].
//!
//! Memory is full of random entries: each word is a function of its address and a seed, so that a
//! walk may go anywhere. What the walks write is kept, and compared.

use super::oracle::{self, Allowed, Obstacle};
use crate::mmu::{
    address::{Gpa, Gva},
    guest_walk::{self, Access, Mode, Paging, PhysicalMemory, Stop},
};
use proptest::{prelude::*, test_runner::TestRunner};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

/// Random entries everywhere.
#[derive(Clone)]
struct Memory {
    seed: u64,
    /// Bit from which an address has bits that are reserved.
    physical_bits: u32,
    /// Entries of 32 bits?
    narrow: bool,
    /// One in so many pages cannot be read, another cannot be written to.
    holes: u64,
    written: RefCell<BTreeMap<u64, u64>>,
}

fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ value >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value ^ value >> 32
}

impl Memory {
    /// An entry of 64 bits: mostly present, mostly without reserved bits.
    fn entry(&self, number: u64) -> u64 {
        let random = mix(self.seed ^ mix(number));
        let rare = mix(random);
        let one_in = |nth: u64, n: u64| mix(rare ^ nth) % n == 0;
        let mut entry = random & 0x000f_ffff_ffff_f87e & ((1 << self.physical_bits) - 1);
        entry |= u64::from(!one_in(0, 24));
        // Both flags of a right are as likely, but not at every level.
        entry |= if one_in(1, 4) { 0 } else { 6 };
        entry |= u64::from(one_in(2, 4)) << 7;
        entry |= u64::from(one_in(3, 8)) << 63;
        if entry & 0x80 != 0 && !one_in(4, 8) {
            entry &= !0x3fff_e000;
        }
        if one_in(5, 32) {
            entry |= 1 << (12 + mix(rare) % 51);
        }
        entry
    }

    fn is_hole(&self, gpa: u64, kind: u64) -> bool {
        mix(self.seed ^ gpa >> 12 ^ kind << 60) % self.holes == 0
    }
}

impl PhysicalMemory for Memory {
    fn read(&self, gpa: Gpa) -> Option<u64> {
        let gpa = gpa.get();
        assert_eq!(gpa % 8, 0);
        if self.is_hole(gpa, 1) {
            return None;
        }
        if let Some(word) = self.written.borrow().get(&gpa) {
            return Some(*word);
        }
        Some(if self.narrow {
            let half = |number| {
                let entry = self.entry(number);
                entry & 0xffff_ffff & !(if mix(entry) % 4 == 0 { 0 } else { 0x003f_e000 })
            };
            half(gpa) | half(gpa + 4) << 32
        } else {
            self.entry(gpa)
        })
    }

    fn replace(&self, gpa: Gpa, old: u64, new: u64) -> Option<()> {
        if self.is_hole(gpa.get(), 2) {
            return None;
        }
        assert_eq!(self.read(gpa), Some(old));
        self.written.borrow_mut().insert(gpa.get(), new);
        Some(())
    }
}

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

fn address(mode: Mode, random: u64) -> Gva {
    Gva::new(match mode {
        Mode::FourLevels => ((random << 16) as i64 >> 16) as u64,
        _ => random & 0xffff_ffff,
    })
}

fn expected_stop(obstacle: Obstacle) -> Stop {
    match obstacle {
        Obstacle::Fault(code) => Stop::PageFault(code),
        Obstacle::Missing(gpa) | Obstacle::Refused(gpa) => Stop::Memory(Gpa::new(gpa)),
    }
}

fn allowed(rights: guest_walk::Rights) -> Allowed {
    Allowed {
        write: rights.write,
        user: rights.user,
        execute: rights.execute,
    }
}

/// Walks by both, compares, and says in a word what it was.
fn compare(paging: &Paging, address: Gva, access: Access, memory: &Memory) -> (u32, &'static str) {
    let (theirs, ours) = (memory.clone(), memory.clone());
    let found = guest_walk::translate(paging, address, access, &ours);
    let expected = oracle::access(paging, address.get(), access, &theirs);
    let outcome = match (&found, &expected) {
        (Ok(found), Ok(expected)) => {
            assert_eq!(found.gpa.get(), expected.gpa);
            assert_eq!(allowed(found.rights), expected.allowed);
            assert_eq!(found.dirty(), expected.dirty() || access.write);
            let flags = if access.write {
                oracle::A | oracle::D
            } else {
                oracle::A
            };
            let leaf = expected.seen.last();
            assert_eq!(
                found.entry(found.leaf).map(|leaf| leaf.entry),
                leaf.map(|leaf| leaf.value | flags)
            );
            match expected.shift {
                12 => (0, "4 KiB"),
                21 => (0, "2 MiB"),
                22 => (0, "4 MiB"),
                30 => (0, "1 GiB"),
                _ => (0, "no paging"),
            }
        }
        (Err(stop), Err(obstacle)) => {
            assert_eq!(*stop, expected_stop(*obstacle));
            match obstacle {
                Obstacle::Fault(code) => (*code, "page fault"),
                Obstacle::Missing(_) => (0, "no memory"),
                Obstacle::Refused(_) => (0, "read-only memory"),
            }
        }
        _ => panic!("{found:?} instead of {expected:?}"),
    };
    assert_eq!(*ours.written.borrow(), *theirs.written.borrow());
    outcome
}

// Both walks agree on everything, and everything that there is was met.
#[test]
fn the_walk_is_that_of_the_manual() {
    let met = RefCell::new(BTreeMap::new());
    let mut runner = TestRunner::new(ProptestConfig::with_cases(60_000));
    let case = (paging(), any::<u64>(), access(), any::<u64>());
    let result = runner.run(&case, |(paging, random, access, seed)| {
        let memory = Memory {
            seed,
            physical_bits: paging.physical_bits,
            narrow: matches!(paging.mode, Mode::Bits32 { .. }),
            holes: 50,
            written: RefCell::default(),
        };
        let address = address(paging.mode, random);
        let outcome = compare(&paging, address, access, &memory);
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

    fn replace(&self, gpa: Gpa, _old: u64, new: u64) -> Option<()> {
        self.0.borrow_mut().insert(gpa.get(), new);
        Some(())
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
