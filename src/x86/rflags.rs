// SPDX-License-Identifier: GPL-2.0

//! RFLAGS (SDM Vol. 1, "EFLAGS Register").

/// Single-step.
pub(crate) const TF: u64 = 1 << 8;
/// Interrupts are enabled.
pub(crate) const IF: u64 = 1 << 9;
/// Strings go downward.
pub(crate) const DF: u64 = 1 << 10;
/// Resume: the next instruction does not meet its own instruction breakpoint.
pub(crate) const RF: u64 = 1 << 16;
/// Virtual-8086 mode.
pub(crate) const VM: u64 = 1 << 17;
/// The supervisor may touch data of users; of users, alignment is checked.
pub(crate) const AC: u64 = 1 << 18;

/// After power-up: bit 1 is always 1.
pub(crate) const AFTER_RESET: u64 = 1 << 1;

/// Are the reserved bits as they always are? Bits 63:22, 15, 5 and 3 are 0, bit 1 is 1.
pub(crate) fn has_fixed_bits(value: u64) -> bool {
    const ZERO: u64 = !0x3f_ffff | 1 << 15 | 1 << 5 | 1 << 3;
    value & ZERO == 0 && value & 1 << 1 != 0
}
