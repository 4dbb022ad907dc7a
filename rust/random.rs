// SPDX-License-Identifier: GPL-2.0

//! Random numbers.

/// One that nobody can guess.
pub(crate) fn word() -> u64 {
    // SAFETY: It may be called anywhere.
    unsafe { kernel::bindings::get_random_u64() }
}
