// SPDX-License-Identifier: GPL-2.0

//! CR8, the task priority (SDM Vol. 3A, "Control Registers").

/// Without an APIC it is a register of 4 bits.
pub(crate) const GREATEST: u64 = 0xf;
