// SPDX-License-Identifier: GPL-2.0

//! Counters: what the vCPUs of a VM did.

use super::Vm;
use crate::support::{
    uaccess::Argument,
    uapi, //
};
use core::{
    mem::offset_of,
    sync::atomic::{
        AtomicU64,
        Ordering, //
    }, //
};
use kernel::prelude::*;
use zerocopy::FromZeros;

/// A counter with one writer at a time, the holder of its vCPU.
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

    fn get(&self) -> u64 {
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
    kicks: Counter,
    exits: [Counter; EXITS],
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

    /// Counts an interrupt that stopped the vCPU. The caller holds the VM's `layout`.
    pub(crate) fn kick(&self) {
        self.kicks.count();
    }

    fn add_to(&self, stats: &mut uapi::minivmx_stats) {
        let sums = [
            (&mut stats.out_runs, &self.runs),
            (&mut stats.out_bursts, &self.bursts),
            (&mut stats.out_entries, &self.entries),
            (&mut stats.out_returns, &self.returns),
            (&mut stats.out_injections, &self.injections),
            (&mut stats.out_flushes, &self.flushes),
            (&mut stats.out_kicks, &self.kicks),
        ];
        for (sum, counter) in sums {
            *sum = sum.wrapping_add(counter.get());
        }
        for (sum, counter) in stats.out_exits.iter_mut().zip(&self.exits) {
            *sum = sum.wrapping_add(counter.get());
        }
    }
}

impl Vm {
    /// Answers `MINIVMX_GET_STATS`.
    pub(super) fn get_stats(&self, argument: usize) -> Result<isize> {
        const FIRST_SIZE: usize = offset_of!(uapi::minivmx_stats, out_guest_faults);
        let mut argument = Argument::<uapi::minivmx_stats>::read(argument, FIRST_SIZE)?;
        if argument.value.__reserved != 0 {
            return Err(EINVAL);
        }
        let stats = &mut argument.value;
        *stats = uapi::minivmx_stats::new_zeroed();
        for member in &self.layout.lock().members {
            member.counters.add_to(stats);
        }
        self.add_memory(stats);
        argument.write_back()?;
        Ok(0)
    }

    fn add_memory(&self, stats: &mut uapi::minivmx_stats) {
        let mut memory = self.memory.lock();
        (stats.out_pages, stats.out_tables) = memory.usage();
        let Some((shadow, _)) = memory.shadow() else {
            return;
        };
        let counts = shadow.counts();
        stats.out_guest_faults = counts.guest_faults;
        stats.out_shadow_misses = counts.misses;
        stats.out_table_writes = counts.table_writes;
        stats.out_syncs = counts.syncs;
        stats.out_reclaims = counts.reclaims;
        // CAST: `usize` is 64 bits wide.
        stats.out_shadow_tables = counts.tables as u64;
    }
}
