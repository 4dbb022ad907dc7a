// SPDX-License-Identifier: GPL-2.0

//! The last word on a table that firmware leaves: its bytes have the sum 0.

/// What makes the sum of all bytes 0.
pub fn checksum(bytes: &[u8]) -> u8 {
    let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    sum.wrapping_neg()
}
