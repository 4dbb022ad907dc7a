// SPDX-License-Identifier: GPL-2.0

//! The guest's debug registers.
//!
//! DR7 is in the VMCS. DR0 to DR3 matter only while DR7 enables a breakpoint; only then are they in
//! the CPU. DR6 never is: #DB exits, and a VM exit for it leaves DR6 alone. So the host's debug
//! registers are the guest's only during bursts of guests that are being debugged.

use crate::x86::debug_register::dr6;

/// DR0 to DR3 and DR6.
pub(crate) struct DebugRegisters {
    /// Addresses of breakpoints.
    pub(crate) address: [u64; 4],
    /// Debug status.
    pub(crate) dr6: u64,
}

impl Default for DebugRegisters {
    fn default() -> Self {
        Self {
            address: [0; 4],
            dr6: dr6::FIXED,
        }
    }
}
