// SPDX-License-Identifier: GPL-2.0

//! Where a loop begins and ends, for the emulator that `make profile` counts in: see
//! `lab/profile/instrument.cc`. Nobody else notices.

use std::arch::x86_64::{
    _mm_prefetch,
    _MM_HINT_T0, //
};

/// Bits 63:48 of a mark. No canonical address has them.
const MARK: u64 = 0x6d76;

/// Begins or ends the loop of that number; `events` are those that it has.
pub fn mark(number: u64, events: u64) {
    let address = (MARK << 48) | (number << 32) | events;
    // SAFETY: Every CPU that has VMX has SSE. A prefetch is a hint, and faults at no address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address as *const i8) }
}
