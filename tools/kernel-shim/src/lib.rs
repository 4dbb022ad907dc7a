// SPDX-License-Identifier: GPL-2.0

//! `kernel::bitfield!` and `kernel::num::Bounded` in userspace, from the kernel's own source.
//!
//! The driver's files that touch little else of the kernel are built against this crate by
//! `tools/pure` and `tools/tlb`, so that the tests there run the same macro as the driver. The
//! modules here besides [`bitfield`](mod@bitfield) and [`num`] hold the names that these two refer
//! to, and of the kernel's collections and errors as much as the driver uses.

// The kernel's files link to items of the kernel crate that are not here.
#![allow(rustdoc::broken_intra_doc_links)]

extern crate self as kernel;

include!(concat!(env!("OUT_DIR"), "/root.rs"));

pub mod alloc;
pub mod error;
pub mod rbtree;
pub mod task;

/// Names that the kernel's files take for granted.
pub mod prelude {
    pub use crate::alloc::{KBox, KVVec, KVec, GFP_KERNEL, GFP_KERNEL_ACCOUNT};
    pub use crate::error::{code::*, Error, Result};
    pub use crate::{const_assert, current};
    pub use core::format_args as fmt;
    pub use kernel_macros::kunit_tests;
    pub use pin_init::Zeroable;
}

/// `paste!`, which builds identifiers.
pub mod macros {
    pub use paste::paste;
}

/// Formatting.
pub mod fmt {
    pub use core::fmt::{Debug, Formatter, Result};
}

/// Assertions that the kernel leaves to the optimiser, and this crate to the run.
pub mod build_assert {
    pub use core::assert as build_assert;
}

/// Asserts a condition at build time, where an item may stand.
#[macro_export]
macro_rules! static_assert {
    ($condition:expr $(, $text:literal)? $(,)?) => {
        const _: () = ::core::assert!($condition $(, $text)?);
    };
}

/// Asserts a condition at build time, where an expression may stand.
#[macro_export]
macro_rules! const_assert {
    ($condition:expr $(, $text:literal)? $(,)?) => {
        const { ::core::assert!($condition $(, $text)?) }
    };
}
