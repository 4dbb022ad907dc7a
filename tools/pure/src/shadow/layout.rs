// SPDX-License-Identifier: GPL-2.0

//! The guest's memory at the start: address spaces with a window to all frames, and the linear
//! addresses that programs use.
//!
//! They are few, so that a program comes back to them: some that are mapped in changing ways, the
//! window, and, where the highest table refers to itself, the tables as they appear through that.

use super::{
    host::Host,
    ram::{self, Ram},
};
use crate::{
    dice::Dice,
    mmu::guest_walk::{Mode, Paging},
    oracle,
};
use std::rc::Rc;

/// Frames that programs use for tables.
pub(super) const TABLES: core::ops::Range<u64> = 20..28;
/// Frames that programs use for data; some are both.
pub(super) const DATA: core::ops::Range<u64> = 26..ram::LOW_FRAMES;

/// P, R/W and U/S.
const OPEN: u64 = 7;
/// P and R/W.
const SUPERVISOR: u64 = 3;
/// PS.
const LARGE: u64 = 1 << 7;

/// An address space.
#[derive(Clone, Copy, Debug)]
pub(super) struct Space {
    pub(super) mode: Mode,
    pub(super) cr3: u64,
}

/// The address with these indices, from the highest table down.
pub(super) fn compose(mode: Mode, indices: &[u64]) -> u64 {
    let bits = match mode {
        Mode::Bits32 { .. } => 10,
        _ => 9,
    };
    let linear = indices
        .iter()
        .fold(0, |linear, index| linear << bits | index)
        << 12;
    match mode {
        Mode::FourLevels => ((linear << 16) as i64 >> 16) as u64,
        _ => linear,
    }
}

/// The pages that programs use in a mode.
pub(super) fn pages(mode: Mode) -> impl Iterator<Item = u64> {
    let mut pages = changing(mode);
    pages.extend(ram::frames().map(|frame| window(mode, frame)));
    let own: &[&[u64]] = match mode {
        Mode::Off => &[],
        Mode::Bits32 { .. } => &[&[1023, 0], &[1023, 1], &[1023, 256], &[1023, 1023]],
        Mode::Pae => &[
            &[3, 508, 0],
            &[3, 508, 1],
            &[3, 509, 0],
            &[3, 510, 0],
            &[3, 511, 508],
            &[3, 511, 509],
            &[3, 511, 511],
        ],
        Mode::FourLevels => &[
            &[511, 511, 511, 511],
            &[511, 511, 511, 0],
            &[511, 511, 511, 1],
            &[511, 511, 0, 0],
            &[511, 511, 0, 1],
            &[511, 511, 1, 0],
            &[511, 0, 0, 0],
            &[511, 0, 0, 1],
            &[511, 0, 1, 0],
            &[511, 1, 0, 0],
        ],
    };
    pages.extend(own.iter().map(|indices| compose(mode, indices)));
    pages.into_iter()
}

/// Those that are mapped in changing ways.
pub(super) fn changing(mode: Mode) -> Vec<u64> {
    let indices: &[&[u64]] = match mode {
        Mode::Off => return Vec::new(),
        Mode::Bits32 { .. } => &[&[0, 1, 256], &[0, 1, 512, 1023]],
        Mode::Pae => &[&[0, 1], &[0, 1], &[0, 1, 511]],
        Mode::FourLevels => &[&[0, 1], &[0, 1], &[0, 1], &[0, 1, 2]],
    };
    let mut all = vec![Vec::new()];
    for level in indices {
        let more = |above: &Vec<u64>| {
            let above = above.clone();
            level
                .iter()
                .map(move |index| [&above[..], &[*index]].concat())
        };
        all = all.iter().flat_map(more).collect();
    }
    all.iter().map(|indices| compose(mode, indices)).collect()
}

/// Where a frame is in the window.
pub(super) fn window(mode: Mode, frame: u64) -> u64 {
    let base = match mode {
        Mode::Off => 0,
        Mode::Bits32 { .. } => compose(mode, &[512, 0]),
        Mode::Pae => compose(mode, &[2, 0, 0]),
        Mode::FourLevels => compose(mode, &[2, 0, 0, 0]),
    };
    base + (frame << 12)
}

/// Puts memory together.
pub(super) struct Builder<'a> {
    dice: &'a mut Dice,
    pub(super) ram: Ram,
    next: u64,
    /// Directory of the window, in 64-bit entries.
    directory: u64,
    /// Page table of the window in 32-bit entries.
    table_32: u64,
}

impl<'a> Builder<'a> {
    pub(super) fn new(dice: &'a mut Dice) -> Self {
        let ram = Ram::new(Rc::new(Host::default()));
        let mut builder = Self {
            dice,
            ram,
            next: 1,
            directory: 0,
            table_32: 0,
        };
        builder.make_window();
        builder
    }

    fn frame(&mut self) -> u64 {
        let frame = self.next;
        self.next += 1;
        assert!(self.next <= TABLES.start);
        self.ram.populate(frame);
        frame
    }

    fn set(&mut self, table: u64, index: u64, entry: u64) {
        self.ram.store(table << 12 | index << 3, entry, u64::MAX);
    }

    fn set_32(&mut self, table: u64, index: u64, entry: u64) {
        let shift = 32 * (index % 2);
        let gpa = table << 12 | (index / 2) << 3;
        self.ram.store(gpa, entry << shift, 0xffff_ffff << shift);
    }

    fn make_window(&mut self) {
        self.directory = self.frame();
        if self.dice.one_in(3) {
            self.set(self.directory, 0, LARGE | SUPERVISOR);
            self.set(self.directory, 1, 1 << 21 | LARGE | SUPERVISOR);
        } else {
            let table = self.frame();
            self.set(self.directory, 0, table << 12 | OPEN);
            for frame in 0..ram::LOW_FRAMES {
                self.set(table, frame, frame << 12 | SUPERVISOR);
            }
        }
        self.table_32 = self.frame();
        for frame in ram::frames().filter(|frame| *frame < 1024) {
            self.set_32(self.table_32, frame, frame << 12 | SUPERVISOR);
        }
    }

    /// An address space in this mode, in which some pages are mapped already.
    pub(super) fn space(&mut self, mode: Mode) -> Space {
        let root = self.frame();
        match mode {
            Mode::FourLevels => self.four_levels(root),
            Mode::Pae => self.pae(root),
            _ => self.bits_32(root),
        }
        Space {
            mode,
            cr3: root << 12,
        }
    }

    fn four_levels(&mut self, root: u64) {
        let pointers = self.frame();
        self.set(root, 2, pointers << 12 | OPEN);
        self.set(pointers, 0, self.directory << 12 | OPEN);
        if self.dice.one_in(2) {
            self.set(root, 511, root << 12 | SUPERVISOR);
        }
    }

    fn pae(&mut self, root: u64) {
        let directories = [self.frame(), self.frame(), self.directory, self.frame()];
        for (index, directory) in (0..).zip(directories) {
            self.set(root, index, directory << 12 | 1);
            if self.dice.one_in(2) {
                self.set(directories[3], 508 + index, directory << 12 | SUPERVISOR);
            }
        }
    }

    fn bits_32(&mut self, root: u64) {
        let window = match self.dice.one_in(3) {
            true => LARGE | SUPERVISOR,
            false => self.table_32 << 12 | OPEN,
        };
        self.set_32(root, 512, window);
        if self.dice.one_in(2) {
            self.set_32(root, 1023, root << 12 | SUPERVISOR);
        }
    }
}

/// An entry on the way to an address.
pub(super) struct Place {
    pub(super) gpa: u64,
    /// Tables above this one.
    pub(super) depth: usize,
    /// Is it in a table that maps nothing but pages?
    pub(super) lowest: bool,
    pub(super) entry: u64,
}

/// The entries that there are on the way to an address; the last may lead nowhere.
pub(super) fn way(paging: &Paging, linear: u64, ram: &Ram) -> Vec<Place> {
    let mut places = Vec::new();
    let mut table = oracle::top(paging);
    for depth in 0..oracle::depth(paging.mode) {
        let Some((gpa, entry)) = oracle::entry(paging, depth, table, linear, ram) else {
            break;
        };
        places.push(Place {
            gpa,
            depth,
            lowest: depth + 1 == oracle::depth(paging.mode),
            entry,
        });
        match oracle::step(paging, depth, table, linear, ram) {
            Ok((_, oracle::Next::Table(base))) => table = base,
            _ => break,
        }
    }
    places
}
