// SPDX-License-Identifier: GPL-2.0

//! Linear addresses.

/// Is this an address that 64-bit code can use?
/// (SDM Vol. 1, "Canonical Addressing"). Addresses have 48 bits here; the others are copies of the
/// highest.
pub(crate) fn is_canonical(address: u64) -> bool {
    // CAST: The sign is what matters.
    ((address as i64) << 16 >> 16) as u64 == address
}
