// SPDX-License-Identifier: GPL-2.0

//! Large cases, in random order: VMs with EPT and with each policy of shadow paging, whose vCPUs
//! move between CPUs, come and go, and get VPIDs and tables that others had, while their memory is
//! taken away and comes again.

use crate::{
    cpu::Touch::{self, Fetch, Read, Write},
    dice::Dice,
    engine::{spawn, Engine},
    memory::Kind,
    mmu::shadow::{
        policy::{Pv, Unsync, Vtlb, Wp},
        ShadowPolicy,
    },
    omission::Step,
    support::page::KernelPage,
    vcpu::{End, Vcpu},
    vm::Vm,
    world::World,
};
use std::{
    collections::BTreeSet,
    env,
    panic::{catch_unwind, resume_unwind, AssertUnwindSafe},
    sync::{Arc, Mutex},
};

/// Bytes of a page.
const PAGE: u64 = 0x1000;
/// Bytes of a large page.
const LARGE: u64 = 0x20_0000;
/// What a guest's entry has besides the address: P, R/W, A, D.
const ENTRY: u64 = 0x63;
/// R/W.
const WRITABLE: u64 = 1 << 1;
/// XD.
const NO_EXECUTE: u64 = 1 << 63;

/// A policy of shadow paging.
pub(super) type Policy = &'static dyn ShadowPolicy<KernelPage>;

/// All of them.
const POLICIES: [Policy; 4] = [&Vtlb, &Wp, &Unsync, &Pv];

/// Runs a program with this seed on so many CPUs, with a step left out. Returns the steps that
/// there were.
pub(super) fn run(seed: u64, processors: usize, omission: Option<Step>) -> BTreeSet<Step> {
    run_with(&POLICIES, seed, processors, omission)
}

/// As above, where shadow paging is by one of these policies.
pub(super) fn run_with(
    policies: &'static [Policy],
    seed: u64,
    processors: usize,
    omission: Option<Step>,
) -> BTreeSet<Step> {
    let world = World::enter(Engine::dice(seed), processors, omission);
    let mut dice = Dice::of_seed(!seed);
    let vpids = Arc::new(Mutex::new(vec![1, 2, 3]));
    let threads: Vec<_> = (0..1 + dice.below(2))
        .map(|_| {
            let life = Life {
                policies,
                dice: Dice::of_seed(dice.word()),
                vpids: vpids.clone(),
                processors: processors as u64,
            };
            spawn(move || life.live())
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join());
    assert_eq!(world.host().count(), 0, "pages are lost");
    let met = world.met();
    World::leave();
    met
}

/// One VM after another.
struct Life {
    policies: &'static [Policy],
    dice: Dice,
    /// VPIDs that are free.
    vpids: Arc<Mutex<Vec<u16>>>,
    processors: u64,
}

/// A VPID, until it is given back; there may be none left.
struct Vpid {
    number: Option<u16>,
    all: Arc<Mutex<Vec<u16>>>,
}

impl Drop for Vpid {
    fn drop(&mut self) {
        if let (Some(number), false) = (self.number, std::thread::panicking()) {
            self.all.lock().unwrap().push(number);
        }
    }
}

impl Life {
    fn live(mut self) {
        for _ in 0..1 + self.dice.below(2) {
            if self.dice.one_in(2) {
                self.ept();
            } else {
                self.shadow();
            }
        }
    }

    fn vpid(&mut self) -> Vpid {
        let mut all = self.vpids.lock().unwrap();
        let number = if self.dice.one_in(5) { None } else { all.pop() };
        drop(all);
        Vpid {
            number,
            all: self.vpids.clone(),
        }
    }

    fn fork(&mut self) -> Dice {
        Dice::of_seed(self.dice.word())
    }

    fn ept(&mut self) {
        let vm = Vm::with_ept();
        let mut places = Places::new(self.fork());
        places.add_all(&vm);
        let guests: Vec<_> = (0..1 + self.dice.below(2))
            .map(|_| {
                let (vm, mut dice, processors) = (vm.clone(), self.fork(), self.processors);
                let vpids = [self.vpid(), self.vpid()];
                spawn(move || {
                    for vpid in vpids {
                        let vcpu = Vcpu::with_ept(&vm, vpid.number);
                        guest_without_paging(vcpu, &mut dice, processors);
                    }
                })
            })
            .collect();
        places.come_and_go(&vm);
        guests.into_iter().for_each(|guest| guest.join());
    }

    fn shadow(&mut self) {
        let policy = self.dice.pick(self.policies);
        let tables = self.dice.pick(&[9, 10, 12, 30]) as usize;
        let vm = Vm::with_shadow(policy, tables);
        Guest::prepare(&vm);
        let wild = self.dice.one_in(4);
        let (dice, processors) = (self.fork(), self.processors);
        let others = if policy.protects_tables() {
            0
        } else {
            self.dice.below(3)
        };
        let vpids: Vec<_> = (0..1 + others).map(|_| self.vpid()).collect();
        let guest = spawn({
            let vm = vm.clone();
            move || {
                let vcpus = vpids.iter().map(|vpid| {
                    Vcpu::with_shadow(&vm, vpid.number, policy, Guest::ROOTS[0])
                    //
                });
                let vcpus = vcpus.map(Seat::new).collect();
                let guest = Guest::new(vcpus, dice, processors, policy.protects_tables(), wild);
                guest.live();
                drop(vpids);
            }
        });
        self.take_away_pages(&vm, wild);
        guest.join();
    }

    /// Pages of a guest with paging go, and come again.
    fn take_away_pages(&mut self, vm: &Arc<Vm>, wild: bool) {
        for _ in 0..self.dice.below(8) {
            let page = match wild && self.dice.one_in(3) {
                true => self.dice.below(Guest::TABLES) * PAGE,
                false => Guest::DATA + self.dice.below(Guest::PAGES) * PAGE,
            };
            vm.remove(page, PAGE).unwrap();
            if !self.dice.one_in(8) {
                vm.add(page, PAGE, KIND).unwrap();
            } else {
                vm.add(page, PAGE, ROM).unwrap();
            }
        }
    }
}

const KIND: Kind = Kind {
    readonly: false,
    huge: false,
};

const ROM: Kind = Kind {
    readonly: true,
    huge: false,
};

/// What a page holds that was written to: of this page and no other.
fn mark(gpa: u64) -> u64 {
    gpa / PAGE << 16 | 0xabc
}

/// What a guest does with a page.
fn touch(dice: &mut Dice, gpa: u64) -> Touch {
    match dice.below(5) {
        0..2 => Read,
        2..4 => Write(mark(gpa)),
        _ => Fetch,
    }
}

/// What an access to a page may end with.
fn check(end: End, gpa: u64) {
    let right = match end {
        End::Done(old) => old == 0 || old == mark(gpa),
        End::PageFault => false,
        End::NoMemory => true,
    };
    assert!(right, "{end:x?} of an access to {gpa:#x}");
}

/// A guest that reads and writes its memory, on one CPU and another.
fn guest_without_paging(mut vcpu: Vcpu, dice: &mut Dice, processors: u64) {
    let mut cpu = dice.below(processors) as usize;
    for _ in 0..dice.below(25) {
        if dice.one_in(4) {
            cpu = dice.below(processors) as usize;
        }
        let place = dice.pick(&Places::ALL);
        let gpa = place + dice.below(8) * PAGE;
        if dice.one_in(4) {
            vcpu.ahead = Some(dice.pick(&Places::ALL) + dice.below(8) * PAGE);
        }
        let touch = touch(dice, gpa);
        check(vcpu.access(cpu, gpa, touch), gpa);
    }
}

/// Where a VM with EPT has memory.
struct Places {
    dice: Dice,
}

impl Places {
    /// Of 8 pages each: two in the same table, one that is part of a large page, one far away.
    const ALL: [u64; 4] = [0x1_0000, 0x2_0000, LARGE + 0x8_0000, 5 << 30];

    fn new(dice: Dice) -> Self {
        Self { dice }
    }

    fn kind(&mut self, huge: bool) -> Kind {
        Kind {
            readonly: self.dice.one_in(4),
            huge,
        }
    }

    fn add_all(&mut self, vm: &Arc<Vm>) {
        let huge = self.dice.one_in(8);
        for place in Self::ALL {
            let (start, length) = match huge && place == Self::ALL[2] {
                true => (LARGE, LARGE),
                false => (place, 8 * PAGE),
            };
            let kind = self.kind(start == LARGE);
            vm.add(start, length, kind).unwrap();
        }
    }

    /// Takes away some of it, and puts it back.
    fn come_and_go(&mut self, vm: &Arc<Vm>) {
        for _ in 0..self.dice.below(8) {
            let place = self.dice.pick(&Self::ALL);
            let first = self.dice.below(8);
            let pages = 1 + self.dice.below(8 - first);
            let (start, length) = (place + first * PAGE, pages * PAGE);
            vm.remove(start, length).unwrap();
            let kind = self.kind(false);
            vm.add(start, length, kind).unwrap();
        }
    }
}

/// A guest with four levels of tables, which it changes, and invalidates what it changed.
///
/// Memory begins with the tables of two address spaces, which see each other's lowest tables; data
/// is behind.
struct Guest {
    /// Its vCPUs, one at a time: what is tried is what they leave behind.
    seats: Vec<Seat>,
    /// Which of them it is on.
    now: usize,
    dice: Dice,
    processors: u64,
    /// Do shadows follow the tables by themselves?
    protects: bool,
    /// Does it lose tables that it does not know of? Then it can see anything.
    wild: bool,
    /// What the spaces map, by slot.
    maps: [[Option<Mapped>; Self::SLOTS]; 2],
}

/// A vCPU, where it runs, and the address space that it is in.
struct Seat {
    vcpu: Vcpu,
    cpu: usize,
    space: usize,
}

impl Seat {
    fn new(vcpu: Vcpu) -> Self {
        Self {
            vcpu,
            cpu: 0,
            space: 0,
        }
    }

    fn access(&mut self, linear: u64, touch: Touch) -> End {
        self.vcpu.access(self.cpu, linear, touch)
    }

    fn load_cr3(&mut self) {
        self.vcpu.load_cr3(self.cpu, Guest::ROOTS[self.space]);
    }
}

/// What a guest maps.
#[derive(Clone, Copy, Debug)]
struct Mapped {
    gpa: u64,
    writable: bool,
    executable: bool,
}

impl Mapped {
    fn entry(self) -> u64 {
        let mut entry = self.gpa | ENTRY;
        if !self.writable {
            entry &= !WRITABLE;
        }
        if !self.executable {
            entry |= NO_EXECUTE;
        }
        entry
    }

    fn allows(self, touch: Touch) -> bool {
        match touch {
            Read => true,
            Write(_) => self.writable,
            Fetch => self.executable,
        }
    }
}

impl Guest {
    /// Frames of tables: for each space one of each level, and a second of the lowest.
    const TABLES: u64 = 10;
    const ROOTS: [u64; 2] = [0, 5 * PAGE];
    /// Where data is.
    const DATA: u64 = 0x1_0000;
    /// Pages of data.
    const PAGES: u64 = 6;
    /// Pages that a space maps, the first half by one table and the second by the other; the first
    /// half twice.
    const SLOTS: usize = 6;
    /// Where a space sees the tables, by the first table.
    const WINDOW: u64 = 64;

    /// Puts tables that map nothing but themselves into a VM's memory.
    fn prepare(vm: &Arc<Vm>) {
        vm.add(0, Self::TABLES * PAGE, KIND).unwrap();
        for page in 0..Self::PAGES {
            let gpa = Self::DATA + page * PAGE;
            vm.add(gpa, PAGE, KIND).unwrap();
            vm.write(gpa, mark(gpa));
        }
        for root in Self::ROOTS {
            for level in 0..3 {
                let table = root + level * PAGE;
                vm.write(table, table + PAGE | ENTRY);
            }
            vm.write(root + 2 * PAGE + 8, root + 4 * PAGE | ENTRY);
            vm.write(root + 2 * PAGE + 16, root + 3 * PAGE | ENTRY);
            for table in 0..Self::TABLES {
                let entry = root + 3 * PAGE + 8 * (Self::WINDOW + table);
                vm.write(entry, table * PAGE | ENTRY);
            }
        }
    }

    fn new(seats: Vec<Seat>, dice: Dice, processors: u64, protects: bool, wild: bool) -> Self {
        Self {
            seats,
            now: 0,
            dice,
            processors,
            protects,
            wild,
            maps: [[None; Self::SLOTS]; 2],
        }
    }

    fn live(mut self) {
        for _ in 0..self.dice.below(80) {
            if self.dice.one_in(6) {
                self.seat().cpu = self.dice.below(self.processors) as usize;
            }
            if self.dice.one_in(3) {
                self.now = self.dice.below(self.seats.len() as u64) as usize;
            }
            match self.dice.below(16) {
                0..9 => self.access(),
                9..14 => self.map(),
                14 => self.switch(),
                _ => self.unlink(),
            }
        }
    }

    /// The vCPU that it is on.
    fn seat(&mut self) -> &mut Seat {
        &mut self.seats[self.now]
    }

    /// All vCPUs that are in an address space.
    fn in_space(&mut self, space: usize) -> impl Iterator<Item = &mut Seat> {
        self.seats
            .iter_mut()
            .filter(move |seat| seat.space == space)
    }

    fn slot(&mut self) -> usize {
        self.dice.below(Self::SLOTS as u64) as usize
    }

    /// Linear addresses of a slot.
    fn linear(slot: usize) -> [u64; 2] {
        let half = Self::SLOTS / 2;
        let page = (slot % half) as u64 * PAGE;
        match slot / half {
            0 => [page, 2 * LARGE + page],
            _ => [LARGE + page; 2],
        }
    }

    /// Where a space has the entry of a slot.
    fn entry(space: usize, slot: usize) -> u64 {
        let half = Self::SLOTS / 2;
        Self::ROOTS[space] + (3 + slot / half) as u64 * PAGE + 8 * (slot % half) as u64
    }

    /// Touches a slot, and returns how that ended and what was meant.
    fn touch(&mut self, slot: usize) -> (End, Touch) {
        let mapped = self.maps[self.seat().space][slot];
        let linear = self.dice.pick(&Self::linear(slot));
        let touch = touch(&mut self.dice, mapped.map_or(0, |mapped| mapped.gpa));
        if self.dice.one_in(4) {
            let other = self.slot();
            self.seat().vcpu.ahead = Some(Self::linear(other)[0]);
        }
        (self.seat().access(linear, touch), touch)
    }

    fn access(&mut self) {
        let slot = self.slot();
        let (end, touch) = self.touch(slot);
        if self.wild {
            return;
        }
        match self.maps[self.seat().space][slot] {
            Some(mapped) if mapped.allows(touch) => check(end, mapped.gpa),
            mapped => assert_eq!(end, End::PageFault, "slot {slot} is {mapped:x?}"),
        }
    }

    /// Maps a slot otherwise than before, in this space or in the other.
    fn map(&mut self) {
        let (space, slot) = (self.dice.below(2) as usize, self.slot());
        let other = Self::DATA + self.dice.below(Self::PAGES) * PAGE;
        let old = self.maps[space][slot].filter(|_| self.dice.one_in(2));
        let new = Mapped {
            gpa: old.map_or(other, |old| old.gpa),
            writable: !self.dice.one_in(3),
            executable: !self.dice.one_in(3),
        };
        let new = (!self.dice.one_in(4)).then_some(new);
        self.set(Self::entry(space, slot), new.map_or(0, Mapped::entry));
        // Until the guest invalidates, it can be the old page or the new one.
        if space == self.seat().space && self.dice.one_in(3) {
            self.read_early(slot);
        }
        self.maps[space][slot] = new;
        for seat in self.in_space(space) {
            for linear in Self::linear(slot) {
                seat.vcpu.invlpg(seat.cpu, linear);
            }
        }
    }

    /// Touches what was changed and not invalidated yet, without a trace.
    fn read_early(&mut self, slot: usize) {
        let linear = self.dice.pick(&Self::linear(slot));
        let touch = self.dice.pick(&[Read, Fetch]);
        self.seat().access(linear, touch);
    }

    /// Writes an entry through the window, or has the driver write it.
    fn set(&mut self, gpa: u64, value: u64) {
        if self.wild || self.dice.one_in(4) && self.protects {
            let seat = self.seat();
            seat.vcpu.update(seat.cpu, gpa, value);
            return;
        }
        let linear = Self::WINDOW * PAGE + gpa;
        let end = self.seat().access(linear, Write(value));
        assert!(matches!(end, End::Done(_)), "{end:?} of a write to a table");
    }

    fn switch(&mut self) {
        let seat = self.seat();
        seat.space = 1 - seat.space;
        seat.load_cr3();
    }

    /// Unlinks one of the lowest tables, sees that it is gone, and links it again.
    fn unlink(&mut self) {
        let space = self.seat().space;
        let entry = Self::ROOTS[space] + 2 * PAGE + 8;
        let table = Self::ROOTS[space] + 4 * PAGE;
        self.set(entry, 0);
        self.in_space(space).for_each(Seat::load_cr3);
        let end = self.seat().access(LARGE, Read);
        assert!(
            self.wild || end == End::PageFault,
            "{end:?} without a table"
        );
        self.set(entry, table | ENTRY);
    }
}

/// Runs so many programs, or the one whose seed the environment names.
fn run_many(count: u64, processors: usize) {
    let number = |name| {
        env::var(name)
            .ok()
            .map(|text| text.parse().expect("a number"))
    };
    if let Some(seed) = number("MINIVMX_SEED") {
        run(seed, processors, None);
        return;
    }
    for seed in 0..number("MINIVMX_PROGRAMS").unwrap_or(count) {
        let ran = catch_unwind(|| run(seed, processors, None));
        if let Err(cause) = ran {
            eprintln!("MINIVMX_SEED={seed} repeats this");
            resume_unwind(cause);
        }
    }
}

#[test]
fn random_programs_on_one_cpu() {
    run_many(5000, 1);
}

#[test]
fn random_programs_on_three_cpus() {
    run_many(5000, 3);
}
