// SPDX-License-Identifier: GPL-2.0

//! Linear addresses (SDM Vol. 1, "Canonical Addressing").

/// Is this an address that 64-bit code of a guest can use? Its addresses have 48 bits; the others
/// are copies of the highest.
pub(crate) fn is_canonical(address: u64) -> bool {
    is_canonical_in(address, 48)
}

/// Is this an address where addresses have so many bits? For MSRs and VM entries they have those of
/// the processor, however many levels of paging there are at present
/// (SDM Vol. 3A, "Canonicality Checking for Data Addresses Written to Control Registers and MSRs").
pub(crate) fn is_canonical_in(address: u64, bits: u32) -> bool {
    is_extended_from(address, bits.saturating_sub(1))
}

/// Are all bits from this one on the same?
pub(crate) fn is_extended_from(address: u64, bit: u32) -> bool {
    let high = u64::MAX.checked_shl(bit).unwrap_or(0);
    address & high == 0 || address & high == high
}
