// SPDX-License-Identifier: GPL-2.0

//! A TLB that remembers: CPUs that keep every translation for as long as they may, under the
//! driver's own code.
//!
//! Emulators forget all translations at each VM entry and VM exit, so that a flush which the driver
//! forgets shows nowhere but on real CPUs, and there once in a million times. Here the files of
//! `src/` that decide who must flush, who must be interrupted and when memory can be freed are
//! built for userspace. Below them is not the kernel but a [`world`] of CPUs ([`cpu`]) whose TLBs
//! drop only what INVEPT, INVVPID or a VM entry demands, and of pages that are poison from the
//! moment when they are freed.
//!
//! What the driver does is compared with what can happen in two ways ([`engine`]):
//!
//!  - small cases in all orders in which the steps of several CPUs can be seen, weak memory order
//!    included, by loom. How often a thread is interrupted in the middle of something is limited,
//!    by more with `MINIVMX_PREEMPTIONS=6`;
//!  - large cases in random order. A failing one says its seed: `MINIVMX_SEED=12345 cargo test -p
//!    tlb random` repeats it, and `MINIVMX_PROGRAMS=100000` tries more than usual.
//!
//! That such a model would fail is no matter of trust: [`omission`] leaves out each step of the
//! driver by itself, each flush, interrupt, barrier and step of a counter, and weakens each memory
//! order; every time a test has to fail.

#![cfg(test)]
// What the driver uses is no measure for what is used here.
#![allow(dead_code, unused_imports)]

/// The page-table engine, shadow paging, and what makes CPUs forget.
#[path = "../../../src/mmu"]
mod mmu {
    pub(crate) mod address;
    pub(crate) mod ept;
    /// Here the steps that it stands for can be left out.
    #[path = "../../tools/tlb/src/flush.rs"]
    pub(crate) mod flush;
    pub(crate) mod format;
    pub(crate) mod generation;
    pub(crate) mod guest_walk;
    pub(crate) mod ia32e;
    pub(crate) mod inspect;
    pub(crate) mod node;
    pub(crate) mod page;
    pub(crate) mod pte;
    pub(crate) mod shadow;
    pub(crate) mod table;
    pub(crate) mod tags;
    pub(crate) mod walk;
}

/// Guest memory, with the tables through which a CPU reaches it.
#[path = "../../../src"]
mod driver {
    pub(crate) mod memory;
}
use driver::memory;

/// How a vCPU is called back.
#[path = "../../../src/vm/recall.rs"]
mod recall;

/// The floor below, of which the driver sees what the kernel gives it.
mod support;

/// What the module is loaded with.
mod module_parameters {
    /// A parameter.
    pub(crate) struct Parameter(u32);

    impl Parameter {
        pub(crate) fn value(&self) -> u32 {
            self.0
        }
    }

    #[allow(non_upper_case_globals)]
    pub(crate) const max_memory_mib: Parameter = Parameter(0);
}

mod cpu;
#[path = "../../pure/src/dice.rs"]
mod dice;
mod engine;
mod omission;
mod vcpu;
mod vm;
mod world;

mod tests;
