// SPDX-License-Identifier: GPL-2.0

//! IA32_PAT: memory types by page (SDM Vol. 3A, "IA32_PAT MSR").

/// After power-up.
pub(crate) const AFTER_RESET: u64 = 0x0007_0406_0007_0406;

/// Is each byte a memory type?
pub(crate) fn is_valid(value: u64) -> bool {
    let is_type = |byte: &u8| matches!(byte, 0 | 1 | 4..=7);
    value.to_le_bytes().iter().all(is_type)
}
