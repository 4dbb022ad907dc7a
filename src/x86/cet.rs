// SPDX-License-Identifier: GPL-2.0

//! IA32_S_CET: control-flow enforcement of the supervisor (SDM Vol. 1, "Control-Flow Enforcement
//! Technology").

/// Bits 9:6.
const RESERVED: u64 = 0x3c0;
/// Indirect branches are not tracked for now.
const SUPPRESS: u64 = 1 << 10;
/// The next instruction has to be an ENDBRANCH.
const WAIT_FOR_ENDBRANCH: u64 = 1 << 11;

/// Can the register have this value, addresses aside?
pub(crate) fn is_valid(value: u64) -> bool {
    const BOTH: u64 = SUPPRESS | WAIT_FOR_ENDBRANCH;
    value & RESERVED == 0 && value & BOTH != BOTH
}
