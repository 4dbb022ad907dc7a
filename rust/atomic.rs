// SPDX-License-Identifier: GPL-2.0

//! Rust's own atomics: the kernel's are calls of C functions, and these are on the way into the
//! guest.
//!
//! They have a name of their own here so that the model in `tools/tlb` can put others in their
//! place, which show all that memory order leaves open.

pub(crate) use core::sync::atomic::{
    fence,
    AtomicI32,
    AtomicU64,
    Ordering, //
};
