// SPDX-License-Identifier: GPL-2.0

//! IA32_PAT: memory types by page (SDM Vol. 3A, "IA32_PAT MSR").

/// After power-up.
pub(crate) const AFTER_RESET: u64 = 0x0007_0406_0007_0406;

/// Is this a memory type?
pub(crate) fn is_type(byte: u8) -> bool {
    matches!(byte, 0 | 1 | 4..=7)
}

/// Is each byte a memory type?
pub(crate) fn is_valid(value: u64) -> bool {
    value.to_le_bytes().into_iter().all(is_type)
}
