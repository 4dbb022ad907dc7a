// SPDX-License-Identifier: GPL-2.0

//! Events that a guest can take at some times only.

use std::ops::BitOr;

use crate::uapi;

/// Some of these events.
///
/// ```
/// use minivmx::Windows;
///
/// let both = Windows::INTERRUPT | Windows::NMI;
/// assert!(both.contains(Windows::NMI));
/// assert!(!Windows::NONE.contains(Windows::NMI));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Windows(u32);

impl Windows {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// An external interrupt: RFLAGS.IF is 1, and nothing blocks it.
    pub const INTERRUPT: Self = Self(uapi::MINIVMX_WINDOW_INTERRUPT);
    /// An NMI that nothing blocks.
    pub const NMI: Self = Self(uapi::MINIVMX_WINDOW_NMI);

    /// Whether all of these are among them.
    pub const fn contains(self, windows: Self) -> bool {
        self.0 & windows.0 == windows.0
    }

    /// The mask, as `enum minivmx_window` has it.
    pub(crate) const fn bits(self) -> u32 {
        self.0
    }
}

impl From<u32> for Windows {
    fn from(mask: u32) -> Self {
        Self(mask)
    }
}

impl BitOr for Windows {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
