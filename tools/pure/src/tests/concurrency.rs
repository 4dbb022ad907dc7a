// SPDX-License-Identifier: GPL-2.0

//! A CPU that sets flags while the engine changes the entries.

use super::machine::{walk, Machine, TestPage, TestTable};
use crate::mmu::{
    address::{Gpa, GpaRange, Hpa, PageSize},
    ept::{Access, Attributes, Ept},
};
use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        Barrier,
    },
    thread,
};

const ROUNDS: usize = 300;

/// Sets the dirty flag where the CPU would, by one attempt of compare-and-exchange. Returns whether
/// that worked.
fn set_dirty(root: Hpa, at: Gpa) -> bool {
    let Some(walk) = walk::<Ept>(root, at) else {
        return false;
    };
    let raw = walk.slot.load(Ordering::Relaxed);
    let leaf = walk.size == PageSize::Size4K || raw & 0x80 != 0;
    let dirty = raw | Ept::ACCESSED | Ept::DIRTY;
    let order = Ordering::SeqCst;
    leaf && walk.slot.compare_exchange(raw, dirty, order, order).is_ok()
}

/// Runs `change` while another thread sets the dirty flag at `at` until that worked.
fn race(table: &mut TestTable<Ept>, at: Gpa, mut change: impl FnMut(&mut TestTable<Ept>)) {
    let root = table.get().root();
    let (barrier, done) = (Barrier::new(2), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            barrier.wait();
            while !set_dirty(root, at) {}
            done.store(true, Ordering::Release);
        });
        barrier.wait();
        change(table);
        while !done.load(Ordering::Acquire) {
            thread::yield_now();
        }
    });
    assert!(
        table.get().translate(at).unwrap().dirty,
        "a dirty flag is lost"
    );
}

fn memory(access: Access) -> Attributes {
    Attributes::memory(access)
}

fn protect(table: &mut TestTable<Ept>, access: Access) {
    let page = GpaRange::page(Gpa::new(0), PageSize::Size4K).unwrap();
    let mut pages = || Some(TestPage::new());
    let progress = table.get().protect(page, memory(access), &mut pages);
    assert_eq!(progress.rest, None);
}

fn mapped(size: PageSize) -> TestTable<Ept> {
    let mut table = TestTable::<Ept>::new();
    let mut pages = || Some(TestPage::new());
    let attributes = memory(Access::ReadWrite);
    let zero = Gpa::new(0);
    table
        .get()
        .map(zero, size, Hpa::new(0), attributes, &mut pages)
        .unwrap();
    table
}

#[test]
fn protecting_keeps_a_flag_set_at_the_same_time() {
    for _ in 0..ROUNDS {
        race(&mut mapped(PageSize::Size4K), Gpa::new(0), |table| {
            for _ in 0..50 {
                protect(table, Access::Read);
                protect(table, Access::ReadWrite);
            }
        });
    }
}

// Both in the page that changes and in one that only becomes smaller.
#[test]
fn splitting_keeps_a_flag_set_at_the_same_time() {
    for round in 0..ROUNDS {
        let at = Gpa::new([0, 0x5000][round % 2]);
        race(&mut mapped(PageSize::Size2M), at, |table| {
            protect(table, Access::Read);
        });
    }
}
