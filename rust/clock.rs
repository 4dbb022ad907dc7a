// SPDX-License-Identifier: GPL-2.0

//! CLOCK_MONOTONIC, whose moments the `kernel` crate shows to itself only.

use kernel::bindings;

/// Nanoseconds until a moment; `None` if it is over.
pub(crate) fn until(moment: u64) -> Option<i64> {
    // SAFETY: The kernel keeps the time since long before it loads modules.
    let now = unsafe { bindings::ktime_get() };
    // What is beyond the clock's range does not come.
    let rest = i64::try_from(moment)
        .unwrap_or(i64::MAX)
        .saturating_sub(now);
    (rest > 0).then_some(rest)
}
