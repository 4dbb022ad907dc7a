// SPDX-License-Identifier: GPL-2.0

//! The driver's walk through a guest's tables and the [`oracle`]'s, side by side.
//!
//! Memory is full of entries: each word is a function of its address, so that a walk may go
//! anywhere. What the walks write is kept, and compared.

use crate::{
    dice::Dice,
    mmu::{
        address::{Gpa, Gva},
        guest_walk::{self, Access, Kept, Mode, Paging, PhysicalMemory, Stop},
    },
    oracle::{self, Allowed, Obstacle},
};
use std::{cell::RefCell, collections::BTreeMap};

/// Entries everywhere.
#[derive(Clone)]
pub(crate) struct Memory {
    seed: u64,
    /// What all entries are taken from, if they are not random.
    words: Vec<u64>,
    /// Bit from which an address has bits that are reserved.
    physical_bits: u32,
    /// Entries of 32 bits?
    narrow: bool,
    /// One in so many pages cannot be read, another cannot be written to.
    holes: u64,
    written: RefCell<BTreeMap<u64, u64>>,
}

pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ value >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value ^ value >> 32
}

impl Memory {
    /// Random entries for this way of paging.
    pub(crate) fn random(seed: u64, paging: &Paging) -> Self {
        Self {
            seed,
            words: Vec::new(),
            physical_bits: paging.physical_bits,
            narrow: matches!(paging.mode, Mode::Bits32 { .. }),
            holes: 50,
            written: RefCell::default(),
        }
    }

    /// An entry of 64 bits.
    fn entry(&self, number: u64) -> u64 {
        match self.words.len() {
            0 => self.random_entry(number),
            words => self.words[(mix(number) % words as u64) as usize],
        }
    }

    /// Mostly present, mostly without reserved bits.
    fn random_entry(&self, number: u64) -> u64 {
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

    fn replace(&self, gpa: Gpa, old: u64, new: u64) -> Result<(), Kept> {
        if self.is_hole(gpa.get(), 2) {
            return Err(Kept::ReadOnly);
        }
        assert_eq!(self.read(gpa), Some(old));
        self.written.borrow_mut().insert(gpa.get(), new);
        Ok(())
    }
}

/// An address of the width that there is in a mode.
pub(crate) fn address(mode: Mode, random: u64) -> Gva {
    Gva::new(match mode {
        Mode::FourLevels => ((random << 16) as i64 >> 16) as u64,
        _ => random & 0xffff_ffff,
    })
}

/// Setting a flag of an entry.
const FLAG: Access = Access {
    user: false,
    write: true,
    fetch: false,
    may_touch_users: false,
};

fn expected_stop(obstacle: Obstacle) -> Stop {
    match obstacle {
        Obstacle::Fault(code) => Stop::PageFault(code),
        Obstacle::Missing(gpa) => Stop::Memory(Gpa::new(gpa), Access::default()),
        Obstacle::Refused(gpa) => Stop::Memory(Gpa::new(gpa), FLAG),
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
pub(crate) fn compare(
    paging: &Paging,
    address: Gva,
    access: Access,
    memory: &Memory,
) -> (u32, &'static str) {
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

/// Walks through memory of a fuzzer's making.
pub fn fuzz(bytes: &[u8]) {
    const MODES: [Mode; 5] = [
        Mode::Off,
        Mode::Bits32 { large: false },
        Mode::Bits32 { large: true },
        Mode::Pae,
        Mode::FourLevels,
    ];
    let mut dice = Dice::of_bytes(bytes);
    let physical_bits = dice.pick(&[32, 36, 39, 40, 46, 52]);
    let paging = Paging {
        mode: dice.pick(&MODES),
        cr3: dice.word() & ((1 << physical_bits) - 1),
        pdptes: dice.one_in(2).then(|| [(); 4].map(|()| dice.word())),
        write_protect: dice.one_in(2),
        no_execute: dice.one_in(2),
        smep: dice.one_in(2),
        smap: dice.one_in(2),
        physical_bits,
        pages_1g: dice.one_in(2),
    };
    let kind = dice.below(3);
    let access = Access {
        user: dice.one_in(2),
        write: kind == 1,
        fetch: kind == 2,
        may_touch_users: dice.one_in(2),
    };
    let address = address(paging.mode, dice.word());
    let mut memory = Memory::random(dice.word(), &paging);
    while !dice.is_over() {
        memory.words.push(dice.word());
    }
    compare(&paging, address, access, &memory);
}
