// SPDX-License-Identifier: GPL-2.0

//! What may watch the host at work, and must not go on while a guest runs: branch records and block
//! stepping by IA32_DEBUGCTL, which a VM exit clears, and samples that the CPU takes (PEBS), whose
//! records would go to the guest's memory.
//!
//! Whether there are some is seen when a burst begins, since nothing turns them on in it. Then they are looked
//! at for each VM entry: a handler of NMIs that comes in between finds the host's registers, and what it turns
//! off stays off. What one does that comes in the few instructions around the entry is lost, as with KVM.

use super::{
    capability::Capabilities,
    controls::{
        Controls,
        Entry,
        Exit, //
    },
    field::*,
    vmcs::CurrentVmcs, //
};
use crate::support::{
    msr::{
        KeptMsr,
        Msr, //
    },
    sampling::{
        self,
        SamplingOff, //
    }, //
};

/// IA32_DEBUGCTL.
const DEBUGCTL: Msr = Msr(0x1d9);

/// There are some.
#[derive(Clone, Copy)]
pub(super) struct Observers {
    /// Does the CPU take samples?
    sampling: bool,
    /// Can a VM entry and an exit switch the counters that make it do so?
    switches_counters: bool,
}

impl Observers {
    /// Looks for them. Most of the time there are none, and this is all.
    #[inline]
    pub(super) fn find(capabilities: &Capabilities) -> Option<Self> {
        let sampling = capabilities.has_sampling && sampling::is_on();
        (sampling || DEBUGCTL.read() != 0).then(|| Self {
            sampling,
            switches_counters: capabilities.switches_perf_global_ctrl(),
        })
    }

    /// Has them look away, right before a VM entry.
    #[cold]
    pub(super) fn look_away<'a>(self, vmcs: &'a CurrentVmcs<'_>) -> LookAway<'a> {
        let sampling = match self.sampling {
            true => SamplingOff::new(vmcs.irqs()),
            false => None,
        };
        LookAway {
            _counters: match (&sampling, self.switches_counters) {
                (Some(sampling), true) => Some(SwitchedCounters::new(vmcs, sampling)),
                _ => None,
            },
            _sampling: sampling,
            _debugctl: KeptMsr::new(vmcs.irqs(), DEBUGCTL),
        }
    }
}

/// Guard: nobody watches the host, until the drop behind the VM exit.
#[must_use = "observers go on when the guard is dropped"]
pub(super) struct LookAway<'a> {
    _counters: Option<SwitchedCounters<'a>>,
    _sampling: Option<SamplingOff<'a>>,
    _debugctl: Option<KeptMsr<'a>>,
}

/// Guard: the counters whose overflow is to make a record do not count in the guest, since nobody would see it.
struct SwitchedCounters<'a>(&'a CurrentVmcs<'a>);

impl<'a> SwitchedCounters<'a> {
    fn new(vmcs: &'a CurrentVmcs<'_>, sampling: &SamplingOff<'_>) -> Self {
        vital(vmcs, HOST_PERF_GLOBAL_CTRL, sampling.counting());
        vital(vmcs, GUEST_PERF_GLOBAL_CTRL, sampling.counting_in_guest());
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
    vital(vmcs, EXIT_CONTROLS, exit.raw());
    vital(vmcs, ENTRY_CONTROLS, entry.raw());
}

/// Writes a field of this file.
fn vital<W: Width, A: Access>(vmcs: &CurrentVmcs<'_>, field: Field<W, A>, value: W::Value) {
    // SAFETY: All callers write what the host has in IA32_PERF_GLOBAL_CTRL now, less of that for the guest, or
    // the controls that have it loaded: it is read anew before each entry that they are set for.
    unsafe { vmcs.write_vital(field, value) };
}
