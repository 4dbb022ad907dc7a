// SPDX-License-Identifier: GPL-2.0

//! A VM, as `src/vm.rs` puts it together of the kernel's locks. How memory is added and taken away
//! is the driver's own.

#[path = "../../../src/vm/memory.rs"]
mod memory;

use crate::{
    engine::{self, Guard, Mutex},
    memory::{CpuTables, EptTables, Kind, Memory, RegionId, Shadows},
    mmu::{
        address::{Gpa, GpaRange},
        ept::Eptp,
        generation::{Generation, Whereabouts},
        shadow::{Shadow, ShadowPolicy, PAGES_PER_TABLE},
    },
    support::page::KernelPage,
};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use kernel::prelude::*;
use std::sync::Arc;

/// What is counted.
#[derive(Default)]
pub(crate) struct Counters {
    kicks: AtomicU64,
}

impl Counters {
    fn kick(&self) {
        self.kicks.fetch_add(1, Relaxed);
    }
}

/// What a VM knows of one of its vCPUs.
pub(crate) struct Member {
    pub(crate) id: u32,
    pub(crate) whereabouts: Whereabouts,
    counters: Counters,
}

pub(crate) struct Layout {
    members: Vec<Arc<Member>>,
}

pub(crate) struct Machine;

impl Machine {
    fn memory_bits(&self) -> u32 {
        39
    }
}

/// A lock of what CPUs reach without it, too: taking it is a step.
pub(crate) struct SpinLock<T>(Mutex<T>);

impl<T> SpinLock<T> {
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        let guard = self.0.lock();
        engine::step();
        guard
    }
}

/// vCPUs that a VM may have.
const MAX_VCPUS: u32 = 8;

/// How each vCPU gets its shadow tables.
#[derive(Clone, Copy)]
struct Shadowing {
    policy: &'static dyn ShadowPolicy<KernelPage>,
    tables: usize,
}

impl Shadowing {
    fn tables(self) -> KBox<Shadow<KernelPage>> {
        const RANDOM: [u64; 2] = [0x1234_5678_9abc_def1, 0xfedc_ba98_7654_3211];
        let pae = [(); PAGES_PER_TABLE].map(|()| KernelPage::new().unwrap());
        let shadow = Shadow::new(self.policy, self.tables, RANDOM, pae).unwrap();
        KBox::new(shadow, GFP_KERNEL).unwrap()
    }
}

/// A VM.
pub(crate) struct Vm {
    machine: Machine,
    shadowing: Option<Shadowing>,
    pub(crate) eptp: Option<Eptp>,
    pub(crate) generation: Generation,
    pub(crate) memory: SpinLock<Memory>,
    layout: Mutex<Layout>,
}

impl Vm {
    /// With EPT.
    pub(crate) fn with_ept() -> Arc<Self> {
        let tables = EptTables::new(KernelPage::new().unwrap(), true);
        let eptp = tables.eptp();
        Self::new(CpuTables::Ept(tables), Some(eptp), None)
    }

    /// With shadow paging, by at most so many tables for a vCPU.
    pub(crate) fn with_shadow(
        policy: &'static dyn ShadowPolicy<KernelPage>,
        tables: usize,
    ) -> Arc<Self> {
        let none = Shadows::new(MAX_VCPUS).unwrap();
        let shadowing = Shadowing { policy, tables };
        Self::new(CpuTables::Shadow(none), None, Some(shadowing))
    }

    fn new(tables: CpuTables, eptp: Option<Eptp>, shadowing: Option<Shadowing>) -> Arc<Self> {
        Arc::new(Self {
            machine: Machine,
            shadowing,
            eptp,
            generation: Generation::new().unwrap(),
            memory: SpinLock(Mutex::new(Memory::new(tables))),
            layout: Mutex::new(Layout {
                members: Vec::new(),
            }),
        })
    }

    /// Counts a vCPU in.
    pub(crate) fn add_member(&self) -> Arc<Member> {
        let mut layout = self.layout.lock();
        let id = layout.members.len() as u32;
        let member = Arc::new(Member {
            id,
            whereabouts: Whereabouts::new(),
            counters: Counters::default(),
        });
        layout.members.push(member.clone());
        if let Some(shadowing) = self.shadowing {
            self.memory.lock().add_shadow(id, shadowing.tables());
        }
        member
    }

    /// Adds memory, if there is none yet.
    pub(crate) fn add(&self, start: u64, length: u64, kind: Kind) -> Result<RegionId> {
        self.add_region(self.range(start, length)?, kind)
    }

    /// Takes memory away, and waits until no CPU can use it.
    pub(crate) fn remove(&self, start: u64, length: u64) -> Result {
        self.remove_range(self.range(start, length)?)
    }

    /// The program writes 8 bytes, if there is memory.
    pub(crate) fn write(&self, gpa: u64, value: u64) {
        let _absent = self.populate(Gpa::new(gpa));
        let memory = self.memory.lock();
        if let Some(page) = memory.chunks.page(Gpa::new(gpa)) {
            page.words()[(gpa as usize & 0xfff) / 8].store(value, Relaxed);
        }
    }
}
