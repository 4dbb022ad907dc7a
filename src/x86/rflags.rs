// SPDX-License-Identifier: GPL-2.0

//! RFLAGS (SDM Vol. 1, "EFLAGS Register").

/// Single-step.
pub(crate) const TF: u64 = 1 << 8;
/// Strings go downward.
pub(crate) const DF: u64 = 1 << 10;
/// Resume: the next instruction does not meet its own instruction breakpoint.
pub(crate) const RF: u64 = 1 << 16;
/// The supervisor may touch data of users; of users, alignment is checked.
pub(crate) const AC: u64 = 1 << 18;

/// After power-up: bit 1 is always 1.
pub(crate) const AFTER_RESET: u64 = 1 << 1;
