// SPDX-License-Identifier: GPL-2.0

//! An exit that the program has.

/// An exit that the program has, and that waits for its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pending {
    /// None, or one that wants no answer.
    Nothing,
    /// An I/O instruction at this RIP.
    Io {
        /// Where the instruction is.
        rip: u64,
    },
    /// RDMSR or WRMSR at this RIP.
    Msr {
        /// Where the instruction is.
        rip: u64,
        /// Is it WRMSR?
        write: bool,
    },
    /// Any other exit that can be skipped, or answered by the driver, with its basic reason.
    Other(u32),
}
