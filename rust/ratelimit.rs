// SPDX-License-Identifier: GPL-2.0

//! Keeping the log from being flooded.

use super::bindings;

/// May something that fills a screen be logged now? It is true once a second at most; the kernel
/// tells how often it was not.
pub(crate) fn may_log_at_length() -> bool {
    // SAFETY: No preconditions.
    unsafe { bindings::ext_may_log_at_length() }
}
