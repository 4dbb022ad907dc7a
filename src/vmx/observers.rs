// SPDX-License-Identifier: GPL-2.0

//! What may watch the host at work, and must not go on while a guest runs: branch records and block
//! stepping by IA32_DEBUGCTL, which a VM exit clears, and samples that the CPU takes (PEBS), whose
//! records would go to the guest's memory.
//!
//! Whether there are some is seen when a burst begins, since nothing turns them on in it.
//! `look_away.rs` has them look away.

use super::capability::Capabilities;
use crate::support::{
    msr::Msr,
    sampling, //
};

/// IA32_DEBUGCTL.
pub(super) const DEBUGCTL: Msr = Msr(0x1d9);

/// There are some.
#[derive(Clone, Copy)]
pub(super) struct Observers {
    /// Does the CPU take samples?
    pub(super) sampling: bool,
    /// Can a VM entry and an exit switch the counters that make it do so?
    pub(super) switches_counters: bool,
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
}
