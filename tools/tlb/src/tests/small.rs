// SPDX-License-Identifier: GPL-2.0

//! Small cases, in all orders that there are.

use crate::{
    cpu::Touch::{Fetch, Read, Write},
    engine::{spawn, Engine, Thread},
    memory::Kind,
    mmu::{
        generation::Whereabouts,
        shadow::{
            policy::{Unsync, Vtlb, Wp},
            ShadowPolicy,
        },
    },
    omission::Step,
    recall::{Call, Recall},
    support::{irq::IrqsDisabled, page::KernelPage},
    vcpu::{End, Vcpu},
    vm::Vm,
    world::World,
};
use std::{
    collections::BTreeSet,
    env,
    sync::{atomic::Ordering::Relaxed, Arc, Mutex},
};

/// A small case.
#[derive(Clone, Copy)]
pub(super) struct Case {
    pub(super) name: &'static str,
    body: fn(),
    /// How often a thread is interrupted by another at most, while it could go on.
    preemptions: usize,
}

pub(super) const CASES: &[Case] = &[
    PAGE_IS_REMOVED,
    PAGE_IS_REMOVED_UNDER_A_MOVER,
    PAGE_IS_REMOVED_UNDER_TWO,
    PAGE_IS_REPLACED,
    TWO_REMOVE,
    PAGE_IS_REMOVED_UNDER_SHADOW,
    PAGE_IS_REMOVED_UNDER_TWO_SHADOWS,
    TABLE_IS_REMOVED_UNDER_SHADOW,
    TABLE_GOES_LATER,
    RIGHTS_CHANGE,
    VCPU_IS_KICKED,
    VCPU_IS_KICKED_BY_TWO,
];

const PAGE: u64 = 0x5000;
const LENGTH: u64 = 0x1000;
const KIND: Kind = Kind {
    readonly: false,
    huge: false,
};

/// Tries all orders of a case, with a step left out. Returns the steps that there were, and how
/// many orders.
pub(super) fn explore(case: Case, omission: Option<Step>) -> (BTreeSet<Step>, usize) {
    let met = Arc::new(Mutex::new((BTreeSet::new(), 0)));
    let mut builder = loom::model::Builder::new();
    let more = env::var("MINIVMX_PREEMPTIONS").map(|text| text.parse().expect("a number"));
    builder.preemption_bound = Some(more.unwrap_or(case.preemptions));
    builder.max_branches = 20_000;
    let result = met.clone();
    builder.check(move || {
        let world = World::enter(Engine::loom(), 2, omission);
        (case.body)();
        let mut result = result.lock().unwrap();
        result.0.append(&mut world.met());
        result.1 += 1;
        World::leave();
    });
    let met = met.lock().unwrap();
    (met.0.clone(), met.1)
}

fn explore_and_tell(case: Case) {
    let (_, orders) = explore(case, None);
    println!("{}: {orders} orders", case.name);
}

/// A VM with EPT that has memory at these pages.
fn vm(pages: &[u64]) -> Arc<Vm> {
    let vm = Vm::with_ept();
    for page in pages {
        vm.add(*page, LENGTH, KIND).unwrap();
    }
    vm
}

fn remover(vm: &Arc<Vm>, page: u64) -> Thread<()> {
    let vm = vm.clone();
    spawn(move || vm.remove(page, LENGTH).unwrap())
}

const PAGE_IS_REMOVED: Case = Case {
    name: "a page is removed under a vCPU",
    body: page_is_removed,
    preemptions: 4,
};

fn page_is_removed() {
    let vm = vm(&[PAGE]);
    let mut vcpu = Vcpu::with_ept(&vm, Some(1));
    assert_eq!(vcpu.access(0, PAGE, Read), End::Done(0));
    let remover = remover(&vm, PAGE);
    vcpu.access(0, PAGE, Read);
    remover.join();
    assert_eq!(vcpu.access(0, PAGE, Read), End::NoMemory);
}

const PAGE_IS_REMOVED_UNDER_A_MOVER: Case = Case {
    name: "a page is removed under a vCPU that moves",
    body: page_is_removed_under_a_mover,
    preemptions: 3,
};

fn page_is_removed_under_a_mover() {
    let vm = vm(&[PAGE]);
    let mut vcpu = Vcpu::with_ept(&vm, Some(1));
    for cpu in [1, 0] {
        assert_eq!(vcpu.access(cpu, PAGE, Read), End::Done(0));
    }
    let remover = remover(&vm, PAGE);
    for cpu in [0, 1] {
        vcpu.access(cpu, PAGE, Read);
    }
    remover.join();
    for cpu in [0, 1] {
        assert_eq!(vcpu.access(cpu, PAGE, Read), End::NoMemory);
    }
}

const PAGE_IS_REMOVED_UNDER_TWO: Case = Case {
    name: "a page is removed under two vCPUs",
    body: page_is_removed_under_two,
    preemptions: 2,
};

fn page_is_removed_under_two() {
    let vm = vm(&[PAGE]);
    let mut vcpus = [1, 2].map(|vpid| Vcpu::with_ept(&vm, Some(vpid)));
    for (cpu, vcpu) in vcpus.iter_mut().enumerate() {
        assert_eq!(vcpu.access(cpu, PAGE, Read), End::Done(0));
    }
    let remover = remover(&vm, PAGE);
    let [mut first, mut second] = vcpus;
    let other = spawn(move || second.access(1, PAGE, Read));
    first.access(0, PAGE, Read);
    remover.join();
    other.join();
    assert_eq!(first.access(1, PAGE, Read), End::NoMemory);
}

const PAGE_IS_REPLACED: Case = Case {
    name: "a page is removed, and another comes into its place",
    body: page_is_replaced,
    preemptions: 3,
};

// Whoever still has the old page would read what was there.
fn page_is_replaced() {
    let vm = vm(&[PAGE]);
    let mut vcpu = Vcpu::with_ept(&vm, Some(1));
    vcpu.access(0, PAGE, Write(0x1234));
    let replacer = spawn({
        let vm = vm.clone();
        move || {
            vm.remove(PAGE, LENGTH).unwrap();
            vm.add(PAGE, LENGTH, KIND).unwrap();
        }
    });
    vcpu.access(0, PAGE, Read);
    replacer.join();
    assert_eq!(vcpu.access(0, PAGE, Read), End::Done(0));
}

const TWO_REMOVE: Case = Case {
    name: "two threads remove pages",
    body: two_remove,
    preemptions: 2,
};

fn two_remove() {
    let other = PAGE + LENGTH;
    let vm = vm(&[PAGE, other]);
    let mut vcpu = Vcpu::with_ept(&vm, None);
    for page in [PAGE, other] {
        assert_eq!(vcpu.access(0, page, Read), End::Done(0));
    }
    let removers = [remover(&vm, PAGE), remover(&vm, other)];
    vcpu.access(0, PAGE, Read);
    removers.map(Thread::join);
    for page in [PAGE, other] {
        assert_eq!(vcpu.access(0, page, Read), End::NoMemory);
    }
}

/// A guest's tables, from the highest down.
const TABLES: [u64; 4] = [0x1000, 0x2000, 0x3000, 0x4000];
/// What an entry has besides the address: P, R/W, A, D.
const ENTRY: u64 = 0x63;
/// R/W.
const WRITABLE: u64 = 1 << 1;
/// XD.
const NO_EXECUTE: u64 = 1 << 63;

/// A guest whose tables map [`PAGE`] at 0, and the lowest of them behind it; and the same again at
/// [`SPAN`].
fn shadowed(policy: &'static dyn ShadowPolicy<KernelPage>) -> Vcpu {
    let vm = Vm::with_shadow(policy, 9);
    for page in TABLES.into_iter().chain([PAGE]) {
        vm.add(page, LENGTH, KIND).unwrap();
    }
    for (table, below) in TABLES.into_iter().zip([0x2000, 0x3000, 0x4000, PAGE]) {
        vm.write(table, below | ENTRY);
    }
    for table in [0x3000, 0x4000] {
        vm.write(table + 8, 0x4000 | ENTRY);
    }
    let mut vcpu = Vcpu::with_shadow(&vm, Some(1), policy, TABLES[0]);
    assert_eq!(vcpu.access(0, 0, Write(1)), End::Done(0));
    vcpu
}

const PAGE_IS_REMOVED_UNDER_SHADOW: Case = Case {
    name: "a page is removed under shadow paging",
    body: page_is_removed_under_shadow,
    preemptions: 3,
};

fn page_is_removed_under_shadow() {
    let mut vcpu = shadowed(&Wp);
    let remover = remover(&vcpu.vm, PAGE);
    vcpu.access(0, 0, Read);
    remover.join();
    assert_eq!(vcpu.access(0, 0, Read), End::NoMemory);
}

const PAGE_IS_REMOVED_UNDER_TWO_SHADOWS: Case = Case {
    name: "a page is removed under two vCPUs with shadows of their own",
    body: page_is_removed_under_two_shadows,
    preemptions: 2,
};

// That a CPU has flushed for one of them says nothing of the other's translations.
fn page_is_removed_under_two_shadows() {
    let mut first = shadowed(&Vtlb);
    let mut second = Vcpu::with_shadow(&first.vm, Some(2), &Vtlb, TABLES[0]);
    assert_eq!(second.access(0, 0, Read), End::Done(1));
    let remover = remover(&first.vm, PAGE);
    for vcpu in [&mut first, &mut second] {
        vcpu.access(0, 0, Read);
    }
    remover.join();
    for vcpu in [&mut first, &mut second] {
        assert_eq!(vcpu.access(0, 0, Read), End::NoMemory);
    }
}

const ALL_TABLES_GO: Case = Case {
    name: "all tables go, because a page takes too much",
    body: all_tables_go,
    preemptions: 3,
};

// The CPU knows of the root what its entries say, and nothing else.
fn all_tables_go() {
    const AGAIN: u64 = 0x2000;
    let mut vcpu = shadowed(&Wp);
    vcpu.vm.write(TABLES[3] + AGAIN / 0x1000 * 8, PAGE | ENTRY);
    assert_eq!(vcpu.access(0, AGAIN, Read), End::Done(1));
    vcpu.limit_work(0);
    let remover = remover(&vcpu.vm, PAGE);
    vcpu.access(0, AGAIN, Read);
    remover.join();
    for address in [0, AGAIN] {
        assert_eq!(vcpu.access(0, address, Read), End::NoMemory);
    }
}

const TABLE_IS_REMOVED_UNDER_SHADOW: Case = Case {
    name: "a guest's table is removed under shadow paging",
    body: table_is_removed_under_shadow,
    preemptions: 3,
};

fn table_is_removed_under_shadow() {
    let mut vcpu = shadowed(&Wp);
    let remover = remover(&vcpu.vm, TABLES[3]);
    vcpu.access(0, 0, Read);
    remover.join();
    assert_eq!(vcpu.access(0, 0, Read), End::NoMemory);
}

const TABLE_GOES_LATER: Case = Case {
    name: "a table goes later than what it mapped",
    body: table_goes_later,
    preemptions: 2,
};

/// Bytes that one of the lowest tables maps.
const SPAN: u64 = 0x20_0000;

// A removal looks at so many entries at a time that it pauses in the last of these tables. What
// that one mapped is gone by then, and forgotten, but the table is still linked: a CPU that looks
// ahead keeps the way to it.
fn table_goes_later() {
    const TABLES: u64 = 8;
    let place = |number: u64| (1 << 30) + number * SPAN;
    let vm = vm(&[PAGE]);
    vm.add(place(0), TABLES * SPAN, KIND).unwrap();
    let mut vcpu = Vcpu::with_ept(&vm, Some(1));
    for address in (0..TABLES).map(place).chain([PAGE]) {
        assert_eq!(vcpu.access(0, address, Read), End::Done(0));
    }
    let remover = spawn({
        let vm = vm.clone();
        move || vm.remove(place(0), TABLES * SPAN).unwrap()
    });
    let mut look_ahead = || {
        vcpu.ahead = Some(place(TABLES - 1));
        assert_eq!(vcpu.access(0, PAGE, Read), End::Done(0));
    };
    look_ahead();
    look_ahead();
    remover.join();
    look_ahead();
}

const RIGHTS_CHANGE: Case = Case {
    name: "a guest gives and takes rights",
    body: rights_change,
    preemptions: 0,
};

// Two addresses have a table in common. The guest changes an entry, and uses it at one of them
// before it invalidates: from then on the shadow is right, and only the TLB can be wrong.
fn rights_change() {
    let mut vcpu = shadowed(&Unsync);
    let (page, alias, window) = (0, SPAN, LENGTH);
    let write_entry = |vcpu: &mut Vcpu, entry| {
        let end = vcpu.access(0, window, Write(entry));
        assert!(matches!(end, End::Done(_)));
    };
    write_entry(&mut vcpu, PAGE | ENTRY | NO_EXECUTE);
    vcpu.invlpg(0, page);
    vcpu.invlpg(0, alias);
    assert_eq!(vcpu.access(0, alias, Write(2)), End::Done(1));
    write_entry(&mut vcpu, PAGE | ENTRY & !WRITABLE);
    assert_eq!(vcpu.access(0, page, Fetch), End::Done(2));
    vcpu.invlpg(0, page);
    vcpu.invlpg(0, alias);
    assert_eq!(vcpu.access(0, alias, Write(3)), End::PageFault);
}

#[test]
fn a_guest_gives_and_takes_rights() {
    explore_and_tell(RIGHTS_CHANGE);
}

#[test]
fn a_table_goes_later_than_what_it_mapped() {
    explore_and_tell(TABLE_GOES_LATER);
}

#[test]
fn a_page_is_removed() {
    explore_and_tell(PAGE_IS_REMOVED);
}

#[test]
fn a_page_is_removed_under_a_vcpu_that_moves() {
    explore_and_tell(PAGE_IS_REMOVED_UNDER_A_MOVER);
}

#[test]
fn a_page_is_removed_under_two_vcpus() {
    explore_and_tell(PAGE_IS_REMOVED_UNDER_TWO);
}

#[test]
fn a_page_is_removed_and_another_comes_into_its_place() {
    explore_and_tell(PAGE_IS_REPLACED);
}

#[test]
fn two_threads_remove_pages() {
    explore_and_tell(TWO_REMOVE);
}

#[test]
fn a_page_is_removed_under_shadow_paging() {
    explore_and_tell(PAGE_IS_REMOVED_UNDER_SHADOW);
}

#[test]
fn a_page_is_removed_under_two_vcpus_with_shadows_of_their_own() {
    explore_and_tell(PAGE_IS_REMOVED_UNDER_TWO_SHADOWS);
}

#[test]
fn all_tables_go_when_a_page_takes_too_much() {
    explore_and_tell(ALL_TABLES_GO);
}

#[test]
fn a_table_of_the_guest_is_removed_under_shadow_paging() {
    explore_and_tell(TABLE_IS_REMOVED_UNDER_SHADOW);
}

/// A vCPU whose guest does nothing but run until it is interrupted.
struct Endless {
    whereabouts: Whereabouts,
    recall: Recall,
    interrupted: loom::sync::atomic::AtomicBool,
    /// What those who kick want the vCPU's thread to know.
    work: loom::sync::atomic::AtomicUsize,
}

impl Endless {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            whereabouts: Whereabouts::new(),
            recall: Recall::new(),
            interrupted: loom::sync::atomic::AtomicBool::new(false),
            work: loom::sync::atomic::AtomicUsize::new(0),
        })
    }

    /// As `Member::call_back`.
    fn kick(&self) {
        self.work.fetch_add(1, Relaxed);
        self.recall.leave(Call::Kick);
        if self.whereabouts.cpu().is_some() {
            self.interrupted.store(true, Relaxed);
        }
    }

    /// As `run.rs`: a burst that a call ends, or that lasts until there is an interrupt.
    fn is_called_back(&self) -> bool {
        IrqsDisabled::with(0, |irqs| {
            let here = self.whereabouts.enter(irqs);
            let is_called = self.recall.is_called();
            if !is_called {
                core::mem::forget(here);
            }
            is_called
        })
    }

    /// Takes the kick that called it back. Returns what work there was then.
    fn take_kick(&self) -> usize {
        assert!(self.recall.take() == Some(Call::Kick));
        self.work.load(Relaxed)
    }
}

fn kicker(vcpu: &Arc<Endless>) -> Thread<()> {
    let vcpu = vcpu.clone();
    spawn(move || vcpu.kick())
}

const VCPU_IS_KICKED: Case = Case {
    name: "a vCPU is kicked as it enters its guest",
    body: vcpu_is_kicked,
    preemptions: 4,
};

fn vcpu_is_kicked() {
    let vcpu = Endless::new();
    let kicker = kicker(&vcpu);
    if vcpu.is_called_back() {
        assert_eq!(vcpu.take_kick(), 1);
        assert!(!vcpu.is_called_back());
        return kicker.join();
    }
    kicker.join();
    assert!(vcpu.interrupted.load(Relaxed));
    vcpu.take_kick();
}

const VCPU_IS_KICKED_BY_TWO: Case = Case {
    name: "two kick a vCPU, which looks for their work after each kick",
    body: vcpu_is_kicked_by_two,
    preemptions: 3,
};

fn vcpu_is_kicked_by_two() {
    let vcpu = Endless::new();
    let kickers = [kicker(&vcpu), kicker(&vcpu)];
    let mut seen = 0;
    while vcpu.is_called_back() {
        vcpu.interrupted.store(false, Relaxed);
        seen = vcpu.take_kick();
    }
    kickers.map(Thread::join);
    if seen < 2 {
        assert!(vcpu.interrupted.load(Relaxed));
        assert_eq!(vcpu.take_kick(), 2);
    }
}

#[test]
fn a_vcpu_is_kicked() {
    explore_and_tell(VCPU_IS_KICKED);
}

#[test]
fn a_vcpu_is_kicked_by_two() {
    explore_and_tell(VCPU_IS_KICKED_BY_TWO);
}
