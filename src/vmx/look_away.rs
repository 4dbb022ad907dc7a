// SPDX-License-Identifier: GPL-2.0

//! What watches the host looks away while the guest runs, see `observers.rs`.
//!
//! That is done for each VM entry and not for each burst: a handler of NMIs that comes in between
//! finds the host's registers, and what it turns off stays off. What one does that comes in the few
//! instructions around the entry is undone: a sample may be lost, and sampling that it ended stay
//! on until perf next writes that register.

use super::{
    controls::{
        Controls,
        Entry,
        Exit, //
    },
    field::*,
    observers::{
        Observers,
        DEBUGCTL, //
    },
    vmcs::CurrentVmcs, //
};
use crate::support::{
    msr::KeptMsr,
    sampling::SamplingOff, //
};

/// Guard: nobody watches the host, until the drop behind the VM exit.
#[must_use = "observers go on when the guard is dropped"]
pub(super) struct LookAway<'a> {
    _counters: Option<SwitchedCounters<'a>>,
    _sampling: Option<SamplingOff<'a>>,
    _debugctl: Option<KeptMsr<'a>>,
}

impl<'a> LookAway<'a> {
    /// Right before a VM entry.
    #[cold]
    pub(super) fn new(observers: Observers, vmcs: &'a CurrentVmcs<'_>) -> Self {
        let sampling = match observers.sampling {
            true => SamplingOff::new(vmcs.irqs()),
            false => None,
        };
        Self {
            _counters: match (&sampling, observers.switches_counters) {
                (Some(sampling), true) => Some(SwitchedCounters::new(vmcs, sampling)),
                _ => None,
            },
            _sampling: sampling,
            _debugctl: KeptMsr::new(vmcs.irqs(), DEBUGCTL),
        }
    }
}

/// Guard: the counters whose overflow is to make a record do not count in the guest, since nobody
/// would see it.
struct SwitchedCounters<'a>(&'a CurrentVmcs<'a>);

impl<'a> SwitchedCounters<'a> {
    fn new(vmcs: &'a CurrentVmcs<'_>, sampling: &SamplingOff<'_>) -> Self {
        // SAFETY: It is what the host has there now; that is so for each entry that loads it.
        unsafe { vmcs.write_unchecked(HOST_PERF_GLOBAL_CTRL, sampling.counting()) };
        // SAFETY: It is less than what the host has there.
        unsafe { vmcs.write_unchecked(GUEST_PERF_GLOBAL_CTRL, sampling.counting_in_guest()) };
        switch(vmcs, true);
        Self(vmcs)
    }
}

impl Drop for SwitchedCounters<'_> {
    fn drop(&mut self) {
        switch(self.0, false);
    }
}

/// Has VM entries and exits load IA32_PERF_GLOBAL_CTRL, or leave it.
fn switch(vmcs: &CurrentVmcs<'_>, on: bool) {
    let exit = Exit::from_bits(vmcs.read(EXIT_CONTROLS));
    let entry = Entry::from_bits(vmcs.read(ENTRY_CONTROLS));
    let exit = exit.with_if(Exit::LOAD_PERF_GLOBAL_CTRL, on);
    let entry = entry.with_if(Entry::LOAD_PERF_GLOBAL_CTRL, on);
    // SAFETY: The other controls stay. What is loaded was written by `SwitchedCounters::new`.
    unsafe { vmcs.write_unchecked(EXIT_CONTROLS, exit.raw()) };
    // SAFETY: The same.
    unsafe { vmcs.write_unchecked(ENTRY_CONTROLS, entry.raw()) };
}
