// SPDX-License-Identifier: GPL-2.0

//! What a page of host memory knows of the shadow entries that refer to it; what is done with it is
//! in [`rmap`](super::rmap).

use core::sync::atomic::AtomicU64;

/// The newest entry that refers to a page, and how many there are.
pub(crate) struct Referrers(pub(super) AtomicU64);

impl Referrers {
    /// None.
    pub(crate) const fn new() -> Self {
        // Some entry, which does not refer to the page.
        Self(AtomicU64::new(0))
    }
}
