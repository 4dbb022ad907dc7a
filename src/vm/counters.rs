// SPDX-License-Identifier: GPL-2.0

//! Counters: what the vCPUs of a VM did.

use crate::support::uapi;
use core::sync::atomic::{
    AtomicU64,
    Ordering, //
};

/// A counter with one writer at a time, the holder of its vCPU; but for `kicks`.
///
/// These are Rust's own atomics: the kernel's are calls of C functions, and one exit counts twice.
/// No order is asked of them.
pub(crate) struct Counter(AtomicU64);

impl Counter {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Counts one.
    #[inline]
    pub(crate) fn count(&self) {
        self.0.store(self.get().wrapping_add(1), Ordering::Relaxed);
    }

    /// How many it has counted.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Exit reasons that are counted.
const EXITS: usize = uapi::MINIVMX_STATS_EXITS as usize;

/// What a vCPU did.
pub(crate) struct Counters {
    /// Calls of RUN.
    pub(crate) runs: Counter,
    /// Stays in VMX operation.
    pub(crate) bursts: Counter,
    /// VM entries.
    pub(crate) entries: Counter,
    /// Exits that the program got.
    pub(crate) returns: Counter,
    /// Exceptions that the driver injected.
    pub(crate) injections: Counter,
    /// Flushes of translations.
    pub(crate) flushes: Counter,
    /// Interrupts that others sent to stop it.
    pub(crate) kicks: Counter,
    /// EPT violations that were answered by an entry.
    pub(crate) ept_fills: Counter,
    /// Page faults and EPT violations whose page had to be allocated.
    pub(crate) allocations: Counter,
    /// Those where there is no memory, or not for that.
    pub(crate) absences: Counter,
    /// Exits by basic reason.
    pub(crate) exits: [Counter; EXITS],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            runs: Counter::new(),
            bursts: Counter::new(),
            entries: Counter::new(),
            returns: Counter::new(),
            injections: Counter::new(),
            flushes: Counter::new(),
            kicks: Counter::new(),
            ept_fills: Counter::new(),
            allocations: Counter::new(),
            absences: Counter::new(),
            exits: [const { Counter::new() }; EXITS],
        }
    }
}

impl Counters {
    /// Counts an exit for this basic reason.
    #[inline]
    pub(crate) fn exit(&self, reason: u32) {
        if let Some(counter) = self.exits.get(reason as usize) {
            counter.count();
        }
    }

    /// Counts an interrupt that stopped the vCPU, as several threads may at once.
    pub(crate) fn kick(&self) {
        self.kicks.0.fetch_add(1, Ordering::Relaxed);
    }
}
