// SPDX-License-Identifier: GPL-2.0

//! Stand-in for the kernel's `pin_init` crate, of which `kernel::bitfield!` names one trait.

/// Types of which the all-zero bit pattern is a value.
///
/// # Safety
///
/// The all-zero bit pattern is a value of the type.
pub unsafe trait Zeroable: Sized {
    /// The value of which all bits are zero.
    fn zeroed() -> Self {
        // SAFETY: The implementor says that this is a value.
        unsafe { core::mem::zeroed() }
    }
}

macro_rules! impl_zeroable {
    ($($integer:ty),*) => {
        $(
        // SAFETY: Zero is an integer.
        unsafe impl Zeroable for $integer {}
        )*
    };
}

impl_zeroable!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);
