// SPDX-License-Identifier: GPL-2.0

//! An exit in the CPU's own terms.

use crate::reason::Reason;

/// The exit as the CPU reports it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ExitInformation {
    /// Basic exit reason, or one of the driver's own; see [`Self::reason`].
    pub reason: u32,
    /// The VM entry failed while loading guest state.
    pub entry_failure: bool,
    /// Exit qualification.
    pub qualification: u64,
    /// Guest-linear address, where the exit has one.
    pub linear_address: u64,
    /// Guest-physical address, where the exit has one.
    pub physical_address: u64,
    /// VM-exit instruction length in bytes.
    pub instruction_length: u32,
    /// VM-exit instruction information.
    pub instruction_info: u32,
    /// VM-exit interruption information.
    pub interruption_info: u32,
    /// VM-exit interruption error code.
    pub interruption_error: u32,
    /// IDT-vectoring information.
    pub vectoring_info: u32,
    /// IDT-vectoring error code.
    pub vectoring_error: u32,
}

impl ExitInformation {
    /// Why the guest stopped.
    pub fn reason(&self) -> Reason {
        Reason(self.reason)
    }
}
