// SPDX-License-Identifier: GPL-2.0

//! Generations of a VM's translations: how a CPU comes to know that it must flush.
//!
//! Who removes or narrows a translation
//!  1. changes the tables,
//!  2. begins a new generation,
//!  3. interrupts every CPU that runs a vCPU of the VM, and waits for that,
//!
//! and only then frees what it removed. Who enters the guest
//!  1. says on which CPU it runs,
//!  2. compares the generation with the last that this CPU has flushed for, and flushes if it
//!     differs; or with the last that the vCPU has been told of, where its translations are not the
//!     others'.
//!
//! Memory order: both sides have a full barrier between their first and their last step, so that at
//! least one sees the other. Either the vCPU sees the new generation and flushes, or the remover
//! sees the vCPU and interrupts it, which ends its burst. Who sees that a vCPU is gone sees all
//! that it did before, so that nothing of it comes after memory was freed.
//!
//! `tools/tlb` tries all orders in which these steps can be seen, and leaves out each of them in
//! turn.

use crate::support::{
    atomic::{
        fence,
        AtomicI32,
        AtomicU64,
        Ordering::{
            Acquire,
            Relaxed,
            Release,
            SeqCst, //
        }, //
    },
    irq::IrqsDisabled,
    per_cpu::PerCpu, //
};
use kernel::prelude::*;

/// The generation of a VM's translations, and what each CPU knows of it.
pub(crate) struct Generation {
    current: AtomicU64,
    flushed: PerCpu<AtomicU64>,
}

impl Generation {
    /// The first generation, for which no CPU has flushed: tables of a VM that is gone may have had
    /// the same address.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            current: AtomicU64::new(1),
            flushed: PerCpu::new(|| Ok(AtomicU64::new(0)))?,
        })
    }

    /// Begins a new generation.
    pub(crate) fn advance(&self) {
        self.current.fetch_add(1, Relaxed);
        // Pairs with the full barrier of `Whereabouts::enter`.
        fence(SeqCst);
    }

    /// The number of this generation. That the vCPU is `here` comes before this CPU looks.
    #[inline]
    pub(crate) fn number(&self, _here: &Here<'_>) -> u64 {
        self.current.load(Relaxed)
    }

    /// Calls `flush` if this CPU may hold translations of an older generation.
    #[inline]
    pub(crate) fn catch_up(&self, here: &Here<'_>, flush: impl FnOnce()) {
        let Some(flushed) = self.flushed.this(here.irqs) else {
            return flush();
        };
        let current = self.number(here);
        if flushed.load(Relaxed) != current {
            flush();
            flushed.store(current, Relaxed);
        }
    }
}

/// Where a vCPU runs.
pub(crate) struct Whereabouts(AtomicI32);

impl Whereabouts {
    const NOWHERE: i32 = -1;

    /// Nowhere.
    pub(crate) fn new() -> Self {
        Self(AtomicI32::new(Self::NOWHERE))
    }

    /// The vCPU is on this CPU until the returned guard is dropped.
    #[inline]
    pub(crate) fn enter<'a>(&'a self, irqs: &'a IrqsDisabled) -> Here<'a> {
        // CAST: There are far fewer CPUs than that.
        self.0.store(irqs.cpu() as i32, Relaxed);
        // Pairs with the full barrier of `Generation::advance`.
        fence(SeqCst);
        Here {
            whereabouts: self,
            irqs,
        }
    }

    /// The CPU that the vCPU runs on.
    pub(crate) fn cpu(&self) -> Option<i32> {
        let cpu = self.0.load(Acquire);
        (cpu != Self::NOWHERE).then_some(cpu)
    }
}

/// Guard: a vCPU is on this CPU, whose flushes others have to wait for.
#[must_use = "the vCPU is nowhere when the guard is dropped"]
pub(crate) struct Here<'a> {
    whereabouts: &'a Whereabouts,
    irqs: &'a IrqsDisabled,
}

impl Here<'_> {
    /// Number of this CPU.
    #[inline]
    pub(crate) fn cpu(&self) -> usize {
        self.irqs.cpu()
    }
}

impl Drop for Here<'_> {
    #[inline]
    fn drop(&mut self) {
        // Pairs with `Whereabouts::cpu`.
        self.whereabouts.0.store(Whereabouts::NOWHERE, Release);
    }
}
