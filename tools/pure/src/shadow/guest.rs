// SPDX-License-Identifier: GPL-2.0

//! The guest: it makes up a program as it goes, on the machine without a hypervisor.
//!
//! A *disciplined* guest invalidates what a CPU could have cached whenever that would make a
//! difference, and only then; what it sees must not depend on caches. A *wild* one does as it
//! likes.

use super::{
    architecture::Architecture,
    cpu::{Flag, Op, Outcome, Registers, Touch},
    layout::{self, Builder, Place, Space},
    ram::{self, Ram},
    reference::Reference,
};
use crate::{
    dice::Dice,
    mmu::{
        address::Gpa,
        guest_walk::{Access, Mode, Paging, PhysicalMemory},
    },
    oracle,
};

/// A write that the guest's kernel does for itself.
const WRITE: Access = Access {
    user: false,
    write: true,
    fetch: false,
    may_touch_users: true,
};

const LARGE: u64 = 1 << 7;
const XD: u64 = 1 << 63;

/// A program, with what must come of it.
pub(super) struct Program {
    /// Memory at the start.
    pub(super) image: Ram,
    /// Registers at the start.
    pub(super) registers: Registers,
    /// Tables that the driver may have.
    pub(super) tables: usize,
    /// Entries that the driver may change in one operation.
    pub(super) work: u32,
    /// What is done, and what came of it without a hypervisor.
    pub(super) script: Vec<(Op, Outcome)>,
    /// Memory at the end.
    pub(super) end: Ram,
}

/// Writes a program.
pub(super) fn write(mut dice: Dice, disciplined: bool) -> Program {
    let tables = dice.pick(&[9, 10, 11, 12, 16, 20, 20, 64]);
    let work = dice.pick(&[8, 40, 100, 640, 640]);
    let (image, spaces) = make_spaces(&mut dice);
    let registers = Registers {
        paging: start(&mut dice),
    };
    let mut guest = Guest {
        reference: Reference {
            ram: image.copy(Default::default()),
            registers: registers.clone(),
            architecture: Architecture::new(Mode::Off),
        },
        dice,
        spaces,
        disciplined,
        // An instruction needs all its pages at the same time.
        wide: tables >= 16,
        script: Vec::new(),
    };
    guest.live();
    Program {
        image,
        registers,
        tables,
        work,
        script: guest.script,
        end: guest.reference.ram,
    }
}

fn make_spaces(dice: &mut Dice) -> (Ram, Vec<Space>) {
    const MODES: [Mode; 4] = [
        Mode::FourLevels,
        Mode::FourLevels,
        Mode::Pae,
        Mode::Bits32 { large: true },
    ];
    let mode = dice.pick(&MODES);
    let other = if dice.one_in(3) {
        dice.pick(&MODES)
    } else {
        mode
    };
    let mut builder = Builder::new(dice);
    let spaces = [mode, mode, other].map(|mode| builder.space(mode));
    (builder.ram, spaces.to_vec())
}

/// Without paging.
fn start(dice: &mut Dice) -> Paging {
    Paging {
        mode: Mode::Off,
        cr3: 0,
        pdptes: None,
        write_protect: !dice.one_in(3),
        no_execute: !dice.one_in(3),
        smep: dice.one_in(3),
        smap: dice.one_in(3),
        physical_bits: dice.pick(&[36, 39, 46]),
        pages_1g: dice.one_in(2),
    }
}

struct Guest {
    dice: Dice,
    reference: Reference,
    spaces: Vec<Space>,
    disciplined: bool,
    /// Are there instructions with more than one access?
    wide: bool,
    script: Vec<(Op, Outcome)>,
}

impl Guest {
    fn live(&mut self) {
        let first = self.spaces[0];
        self.emit(Op::Switch(first.mode, first.cr3));
        for _ in 0..4 {
            self.map();
        }
        for _ in 0..self.dice.below(60) + 20 {
            if self.dice.is_over() {
                break;
            }
            self.act();
        }
    }

    fn paging(&self) -> &Paging {
        &self.reference.registers.paging
    }

    fn act(&mut self) {
        match self.dice.below(100) {
            0..35 => self.access(),
            35..38 => self.invalidate_neighbour(),
            38..64 => self.set_entry(),
            64..67 => self.map(),
            67..71 => self.copy(),
            71..75 => self.storm(),
            75..80 => self.invalidate(),
            80..87 => self.switch(),
            87..92 => self.toggle(),
            92..95 => self.remove(),
            95..98 => self.host_write(),
            98 => self.emit(Op::Reset),
            _ => self.leave_paging(),
        }
    }

    /// Does it, after what the architecture asks for.
    fn emit(&mut self, op: Op) {
        if let (Op::Instruction(touches), true) = (&op, self.disciplined) {
            for touch in touches {
                while self.must_invalidate(touch) {
                    self.invalidate_for(touch.linear);
                }
            }
        }
        let outcome = self.reference.run(&op);
        self.script.push((op, outcome));
    }

    fn must_invalidate(&mut self, touch: &Touch) -> bool {
        let Reference {
            architecture,
            registers,
            ram,
        } = &mut self.reference;
        architecture.contradicts(&registers.paging, touch.linear, touch.access, ram)
    }

    fn invalidate_for(&mut self, linear: u64) {
        match self.dice.below(8) {
            // Any INVLPG is enough for paging-structure caches.
            0 => self.invalidate(),
            1 => self.emit(Op::LoadCr3(self.paging().cr3)),
            _ => self.emit(Op::Invlpg(linear)),
        }
        // Whatever it was, this is enough.
        self.emit(Op::Invlpg(linear));
    }

    fn page(&mut self) -> u64 {
        let changing = layout::changing(self.paging().mode);
        if !changing.is_empty() && !self.dice.one_in(4) {
            return self.dice.pick(&changing);
        }
        let pages: Vec<_> = self.reference.architecture.pages().collect();
        self.dice.pick(&pages)
    }

    fn linear(&mut self) -> u64 {
        let offset = self.dice.pick(&[0, 0, 8, 0x10, 0x800, 0xff8]);
        self.page() + offset
    }

    fn kind(&mut self) -> Access {
        let kind = self.dice.below(8);
        Access {
            user: self.dice.one_in(3),
            write: kind < 3,
            fetch: kind == 3,
            may_touch_users: self.dice.one_in(2),
        }
    }

    fn touch(&mut self) -> Touch {
        let access = self.kind();
        Touch {
            linear: self.linear(),
            access,
            value: self.dice.word(),
            mask: u64::MAX,
        }
    }

    fn access(&mut self) {
        let touch = self.touch();
        self.emit(Op::Instruction(vec![touch]));
    }

    /// Two accesses: anywhere, to the same page, or across a page boundary.
    fn copy(&mut self) {
        if !self.wide {
            return self.access();
        }
        let first = self.touch();
        let page = first.linear & !0xfff;
        let other = self.touch();
        let mut second = match self.dice.below(3) {
            0 => other,
            1 => Touch {
                linear: page + 0x20,
                ..other
            },
            _ => Touch {
                linear: page.wrapping_add(0x1000),
                ..first
            },
        };
        // Programs of users read what the supervisor writes for them, a descriptor's accessed flag,
        // but do not write it, too.
        if second.access.write {
            second.access.user = first.access.user;
        }
        if self.is_used(second.linear) {
            self.emit(Op::Instruction(vec![first, second]));
        }
    }

    fn is_used(&self, linear: u64) -> bool {
        let mut pages = self.reference.architecture.pages();
        pages.any(|page| page == linear & !0xfff)
    }

    /// Writes to one page again and again, where entries are not used: to a table mostly.
    fn storm(&mut self) {
        let page = match self.dice.one_in(4) {
            true => self.page(),
            false => {
                let frame = layout::TABLES.start + self.dice.below(8);
                layout::window(self.paging().mode, frame)
            }
        };
        for number in 0..self.dice.below(6) + 2 {
            let access = Access {
                write: true,
                may_touch_users: true,
                ..Access::default()
            };
            let touch = Touch {
                linear: page + 0x100 + number * 8,
                access,
                value: 0,
                mask: u64::MAX,
            };
            self.emit(Op::Instruction(vec![touch]));
        }
    }

    fn invalidate(&mut self) {
        let linear = self.linear();
        self.emit(Op::Invlpg(linear));
    }

    /// Changes an entry, and one far above it, and invalidates the page. Another page of the same
    /// table is used before and after.
    fn invalidate_neighbour(&mut self) {
        let changing = layout::changing(self.paging().mode);
        if changing.is_empty() {
            return;
        }
        let linear = self.dice.pick(&changing);
        let neighbours: Vec<_> = changing
            .into_iter()
            .filter(|other| other >> 21 == linear >> 21 && *other != linear)
            .collect();
        let neighbour = self.dice.pick(&neighbours);
        self.read(neighbour);
        self.read(linear);
        let paging = *self.paging();
        let mut way = layout::way(&paging, linear, &self.reference.ram);
        let Some(lowest) = way.pop().filter(|place| place.lowest) else {
            return;
        };
        way.pop();
        if let Some(above) = way.get(self.dice.below(2) as usize) {
            self.store(above.gpa, above.entry ^ 1 << 9, u64::MAX);
        }
        let entry = self.new_entry(&paging, &lowest);
        let (gpa, value, mask) = word(&paging, &lowest, entry);
        self.store(gpa, value, mask);
        self.emit(Op::Invlpg(linear));
        self.read(neighbour);
        self.read(linear);
    }

    fn read(&mut self, linear: u64) {
        let access = Access {
            may_touch_users: true,
            ..Access::default()
        };
        self.emit(Op::Instruction(vec![Touch {
            linear,
            access,
            value: 0,
            mask: u64::MAX,
        }]));
    }

    fn switch(&mut self) {
        let space = self.dice.pick(&self.spaces);
        // PWT and PCD.
        let cr3 = space.cr3 | self.dice.below(4) << 3;
        if space.mode == self.paging().mode && !self.dice.one_in(4) {
            self.emit(Op::LoadCr3(cr3));
        } else {
            self.emit(Op::Switch(space.mode, cr3));
        }
    }

    fn leave_paging(&mut self) {
        self.emit(Op::Switch(Mode::Off, self.paging().cr3));
    }

    fn toggle(&mut self) {
        const FLAGS: [Flag; 8] = [
            Flag::Wp,
            Flag::Wp,
            Flag::Nxe,
            Flag::Smep,
            Flag::Smap,
            Flag::Smap,
            Flag::Pse,
            Flag::Pge,
        ];
        let flag = self.dice.pick(&FLAGS);
        self.emit(Op::Toggle(flag));
    }

    fn remove(&mut self) {
        let frame = match self.dice.one_in(8) {
            true => self.dice.below(ram::LOW_FRAMES),
            false => layout::TABLES.start + self.dice.below(16),
        };
        self.emit(Op::Remove(frame));
    }

    /// The host writes to a table, or to data.
    fn host_write(&mut self) {
        let data = layout::DATA.start << 12 | self.dice.below(8) << 3;
        let (gpa, value, mask) = match self.dice.one_in(4) {
            true => (data, self.dice.word(), u64::MAX),
            false => self.plan().unwrap_or((data, 0, u64::MAX)),
        };
        let old = self.reference.ram.read(Gpa::new(gpa)).unwrap_or(0);
        self.emit(Op::HostWrite(gpa, old & !mask | value & mask));
    }

    /// Maps a page with all that it takes, and uses it.
    fn map(&mut self) {
        let paging = *self.paging();
        let changing = layout::changing(paging.mode);
        if changing.is_empty() {
            return;
        }
        let linear = self.dice.pick(&changing);
        for _ in 0..oracle::depth(paging.mode) {
            match layout::way(&paging, linear, &self.reference.ram).pop() {
                Some(place) if place.entry & 1 == 0 => {
                    let entry = self.new_entry(&paging, &place);
                    let (gpa, value, mask) = word(&paging, &place, entry);
                    self.store(gpa, value, mask);
                }
                _ => break,
            }
        }
        let touch = Touch {
            linear,
            ..self.touch()
        };
        self.emit(Op::Instruction(vec![touch]));
    }

    /// Changes an entry, by a store like any other.
    fn set_entry(&mut self) {
        let Some((gpa, value, mask)) = self.plan() else {
            return;
        };
        if self.wide && self.dice.one_in(8) {
            self.store_across(gpa, value);
        // An entry of 64 bits can be written in two halves.
        } else if mask == u64::MAX && self.dice.one_in(12) {
            let low = 0xffff_ffff;
            let halves = if self.dice.one_in(2) {
                [low, !low]
            } else {
                [!low, low]
            };
            for half in halves {
                self.store(gpa, value, half);
            }
        } else {
            self.store(gpa, value, mask);
        }
    }

    /// Which bits of which word, and what to write there.
    fn plan(&mut self) -> Option<(u64, u64, u64)> {
        let space = match self.paging().mode == Mode::Off || self.dice.one_in(5) {
            true => self.dice.pick(&self.spaces),
            false => Space {
                mode: self.paging().mode,
                cr3: self.paging().cr3,
            },
        };
        let paging = Paging {
            mode: space.mode,
            cr3: space.cr3,
            pdptes: None,
            ..*self.paging()
        };
        let changing = layout::changing(space.mode);
        // Where there are tables already there is more to be changed.
        let way = (0..self.dice.below(6) + 1)
            .map(|_| layout::way(&paging, self.dice.pick(&changing), &self.reference.ram))
            .max_by_key(Vec::len)?;
        // The last of them most often: it leads nowhere, or to a page.
        let place = match self.dice.below(3) {
            0 => way.get(self.dice.below(4) as usize % way.len().max(1))?,
            _ => way.last()?,
        };
        let entry = self.entry(&paging, place);
        Some(word(&paging, place, entry))
    }

    /// What to write to an entry.
    fn entry(&mut self, paging: &Paging, place: &Place) -> u64 {
        let old = place.entry;
        match self.dice.below(16) {
            _ if paging.mode == Mode::Pae && place.depth == 0 => old ^ 1,
            0 => 0,
            1 => old & !1,
            2 => old | 1,
            3 => old ^ 2,
            4 => old ^ 4,
            5 => old & !(oracle::A | oracle::D),
            6 => {
                old ^ self
                    .dice
                    .pick(&[XD, 1 << 9, 1 << 8, 1 << 4, LARGE, oracle::A, oracle::D])
            }
            7 => old ^ 1 << (self.dice.below(52) + 12),
            8 if !self.disciplined => self.dice.word(),
            _ => self.new_entry(paging, place),
        }
    }

    fn new_entry(&mut self, paging: &Paging, place: &Place) -> u64 {
        let mut entry = 1;
        for (bit, one_in) in [(2, 4), (4, 4)] {
            entry |= if self.dice.one_in(one_in) { 0 } else { bit };
        }
        for (bit, one_in) in [(oracle::A, 2), (oracle::D, 2), (1 << 8, 6)] {
            entry |= if self.dice.one_in(one_in) { bit } else { 0 };
        }
        let wide = !matches!(paging.mode, Mode::Bits32 { .. });
        if wide && self.dice.one_in(8) {
            entry |= XD;
        }
        let frame = if place.lowest {
            match self.dice.below(8) {
                // A page that holds a table.
                0 => self.dice.below(layout::TABLES.start),
                1 => layout::TABLES.start + self.dice.below(8),
                // Where there may be nothing.
                2 => self.dice.pick(&[512, 513, 1024, 2000]),
                _ => self.dice.pick(&layout::DATA.collect::<Vec<_>>()),
            }
        } else if self.dice.one_in(8) {
            entry |= LARGE;
            self.dice.pick(&[0, 0, 512, 1024])
        } else {
            self.table(paging, place)
        };
        entry | frame << 12
    }

    /// A frame for the table below this entry: mostly one that is used at that level only.
    fn table(&mut self, paging: &Paging, place: &Place) -> u64 {
        let above_lowest = place.depth + 2 == oracle::depth(paging.mode);
        let number = match (self.dice.one_in(8), above_lowest, place.depth) {
            (true, _, _) => self.dice.below(8),
            (_, true, _) => 4 + self.dice.below(4),
            (_, _, 0) => self.dice.below(2),
            _ => 2 + self.dice.below(2),
        };
        layout::TABLES.start + number
    }

    /// Writes 8 bytes that are partly of this word and partly of the one before.
    fn store_across(&mut self, gpa: u64, value: u64) {
        let Some(linear) = self.leads_to(gpa) else {
            return;
        };
        let before = linear.wrapping_sub(8);
        let found = oracle::try_access(self.paging(), before, WRITE, &self.reference.ram);
        let old = found
            .ok()
            .and_then(|found| self.reference.ram.read(Gpa::new(found.gpa)));
        let Some(old) = old.filter(|_| self.is_used(before)) else {
            return;
        };
        let in_second = 8 * (self.dice.below(7) + 1);
        let low = (1 << in_second) - 1;
        let touch = |linear, value, mask| Touch {
            linear,
            access: WRITE,
            value,
            mask,
        };
        let mut touches = vec![
            touch(before, old ^ self.dice.pick(&[XD, 1 << 62, 0]), !low),
            touch(linear, value, low),
        ];
        if self.dice.one_in(2) {
            touches.reverse();
        }
        self.emit(Op::Instruction(touches));
    }

    /// Writes to guest-physical memory through any page that leads there.
    fn store(&mut self, gpa: u64, value: u64, mask: u64) {
        if let Some(linear) = self.leads_to(gpa) {
            self.emit(Op::Instruction(vec![Touch {
                linear,
                access: WRITE,
                value,
                mask,
            }]));
        }
    }

    /// An address by which guest-physical memory can be written.
    fn leads_to(&mut self, gpa: u64) -> Option<u64> {
        let (paging, ram) = (self.reference.registers.paging, &self.reference.ram);
        let leads_there = |page: &u64| {
            let found = oracle::try_access(&paging, *page, WRITE, ram);
            found.is_ok_and(|found| found.gpa == gpa & !0xfff)
        };
        let pages = self.reference.architecture.pages();
        let pages: Vec<_> = pages.filter(leads_there).collect();
        (!pages.is_empty()).then(|| self.dice.pick(&pages) + (gpa & 0xfff))
    }
}

/// The 8 bytes that an entry is in, with it in its place, and a mask of it.
fn word(paging: &Paging, place: &Place, entry: u64) -> (u64, u64, u64) {
    match paging.mode {
        Mode::Bits32 { .. } => {
            let shift = 8 * (place.gpa & 4);
            (place.gpa & !7, entry << shift, 0xffff_ffff << shift)
        }
        _ => (place.gpa, entry, u64::MAX),
    }
}
