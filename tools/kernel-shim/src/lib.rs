// SPDX-License-Identifier: GPL-2.0

//! `kernel::bitfield!` and `kernel::num::Bounded` in userspace, from the kernel's own source.
//!
//! The driver's files that touch nothing else of the kernel are built against this crate by
//! `tools/pure`, so that the tests there run the same macro as the driver. The modules here
//! besides [`bitfield`](mod@bitfield) and [`num`] hold the names that these two refer to.

// The kernel's files link to items of the kernel crate that are not here.
#![allow(rustdoc::broken_intra_doc_links)]

extern crate self as kernel;

include!(concat!(env!("OUT_DIR"), "/root.rs"));

/// Names that the kernel's files take for granted.
pub mod prelude {
    pub use crate::alloc::{KVVec, GFP_KERNEL_ACCOUNT};
    pub use crate::const_assert;
    pub use core::format_args as fmt;
    pub use pin_init::Zeroable;
}

/// Allocation, from userspace's allocator, which does not fail.
pub mod alloc {
    /// Flags of an allocation: without a meaning here.
    #[derive(Clone, Copy, Debug)]
    pub struct Flags;

    /// May sleep, and is charged to the program.
    pub const GFP_KERNEL_ACCOUNT: Flags = Flags;

    /// There is no memory.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct AllocError;

    /// A vector in memory that need not be contiguous.
    #[derive(Debug, Default)]
    pub struct KVVec<T>(Vec<T>);

    impl<T> KVVec<T> {
        /// Room for so many values.
        pub fn with_capacity(capacity: usize, _flags: Flags) -> Result<Self, AllocError> {
            Ok(Self(Vec::with_capacity(capacity)))
        }

        /// Adds a value.
        pub fn push(&mut self, value: T, _flags: Flags) -> Result<(), AllocError> {
            self.0.push(value);
            Ok(())
        }

        /// Adds a value, or gives it back if there is no room.
        pub fn push_within_capacity(&mut self, value: T) -> Result<(), T> {
            if self.0.len() == self.0.capacity() {
                return Err(value);
            }
            self.0.push(value);
            Ok(())
        }
    }

    impl<T> core::ops::Deref for KVVec<T> {
        type Target = [T];

        fn deref(&self) -> &[T] {
            &self.0
        }
    }

    impl<T> core::ops::DerefMut for KVVec<T> {
        fn deref_mut(&mut self) -> &mut [T] {
            &mut self.0
        }
    }
}

/// `paste!`, which builds identifiers.
pub mod macros {
    pub use paste::paste;
}

/// Formatting.
pub mod fmt {
    pub use core::fmt::{Debug, Formatter, Result};
}

/// Errors.
pub mod error {
    /// An errno.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Error(pub i32);

    /// Result of a kernel function.
    pub type Result<T = ()> = core::result::Result<T, Error>;

    /// Errnos by name.
    pub mod code {
        /// Value too large.
        pub const EOVERFLOW: super::Error = super::Error(-75);
    }
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
