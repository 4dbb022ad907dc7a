// SPDX-License-Identifier: GPL-2.0

//! An exit that the program has.

use super::Operand;

/// An exit that the program has, and that waits for its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pending {
    /// None, or one that wants no answer.
    Nothing,
    /// An I/O instruction at this RIP, but for INS.
    Io {
        /// Where the instruction is.
        rip: u64,
    },
    /// INS, an element of it.
    Ins {
        /// Where the instruction is.
        rip: u64,
        /// Where the element goes.
        destination: Operand,
        /// What the program answered, if that waits for memory.
        data: Option<u32>,
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
