// SPDX-License-Identifier: GPL-2.0

//! What is not needed is not done: a flush costs the guest its translations, and an interrupt stops
//! a CPU.

use crate::{
    cpu::Touch::Read,
    engine::Engine,
    memory::Kind,
    mmu::shadow::policy::Wp,
    omission::Step,
    vcpu::{End, Vcpu},
    vm::Vm,
    world::World,
};
use std::{collections::BTreeSet, sync::atomic::Ordering::Relaxed};

const PAGE: u64 = 0x5000;
const LENGTH: u64 = 0x1000;
const KIND: Kind = Kind {
    readonly: false,
    huge: false,
};

/// With a step left out; returns the steps that there were.
pub(super) fn run(omission: Option<Step>) -> BTreeSet<Step> {
    let world = World::enter(Engine::dice(0), 2, omission);
    with_ept(&world);
    with_shadow(&world);
    let met = world.met();
    World::leave();
    met
}

fn with_ept(world: &World) {
    let vm = Vm::with_ept();
    vm.add(PAGE, 2 * LENGTH, KIND).unwrap();
    let mut vcpu = Vcpu::with_ept(&vm, Some(1));
    vcpu.access(0, PAGE, Read);
    vcpu.access(0, PAGE + LENGTH, Read);
    // What comes new takes no flush.
    stays_as_it_is(world, || {
        vcpu.access(0, PAGE, Read);
    });
    // One flush tells a CPU of all that was removed.
    vm.remove(PAGE, LENGTH).unwrap();
    vcpu.access(0, PAGE + LENGTH, Read);
    stays_as_it_is(world, || {
        vcpu.access(0, PAGE + LENGTH, Read);
    });
    // Nobody runs who would have to be interrupted.
    assert_eq!(world.interrupts.load(Relaxed), 0);
    // What nobody has seen yet is removed without a flush.
    stays_as_it_is(world, || {
        vm.add(PAGE, LENGTH, KIND).unwrap();
        vm.remove(PAGE, LENGTH).unwrap();
        vcpu.access(0, PAGE + LENGTH, Read);
    });
}

fn with_shadow(world: &World) {
    let vm = Vm::with_shadow(&Wp, 9);
    vm.add(0, 8 * LENGTH, KIND).unwrap();
    for (table, below) in [(0, 1), (1, 2), (2, 3), (3, 5)] {
        vm.write(table * LENGTH, below * LENGTH | 0x63);
    }
    let mut vcpu = Vcpu::with_shadow(&vm, Some(2), &Wp, 0);
    for _ in 0..2 {
        assert_eq!(vcpu.access(1, 0, Read), End::Done(0));
    }
    stays_as_it_is(world, || {
        vcpu.access(1, 0, Read);
        // The guest's own: the shadow has been asked, and nothing has changed.
        assert_eq!(vcpu.access(1, LENGTH, Read), End::PageFault);
    });
}

/// There is no flush, and no interrupt.
fn stays_as_it_is(world: &World, body: impl FnOnce()) {
    let count = || (world.flushes.load(Relaxed), world.interrupts.load(Relaxed));
    let before = count();
    body();
    assert_eq!(count(), before);
}

#[test]
fn nothing_is_flushed_in_vain() {
    run(None);
}
