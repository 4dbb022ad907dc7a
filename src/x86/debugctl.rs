// SPDX-License-Identifier: GPL-2.0

//! IA32_DEBUGCTL (SDM Vol. 3B, "IA32_DEBUGCTL MSR").

/// Single-stepping is by branches.
pub(crate) const BTF: u64 = 1 << 1;

/// Bits that mean something on some processor: 2:0 and 15:6. None has all of them.
pub(crate) const DEFINED: u64 = 0xffc7;
