// SPDX-License-Identifier: GPL-2.0

//! An exit that the program has.

use super::Operand;
use crate::mmu::address::Gpa;

/// An exit that the program has, and that waits for its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unanswered {
    /// None, or one that wants no answer.
    Nothing,
    /// An I/O instruction at this RIP, but for INS; with a [`Transfer`].
    Io {
        /// Where the instruction is.
        rip: u64,
    },
    /// INS, an element of it; with a [`Transfer`].
    Ins {
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
    /// An exception.
    Exception,
    /// An exception that the driver raised, [`Guest::raised`](super::Guest::raised), and which has
    /// not done anything yet.
    Raised,
    /// Any other exit that can be skipped, or answered by the driver, with its basic reason.
    Other(u32),
}

/// What an I/O instruction, or one iteration of it, moves.
#[derive(Clone, Copy)]
pub(crate) struct Transfer {
    /// The breakpoints that it meets, as pending debug exceptions.
    pub(crate) breakpoints: u64,
    /// Where an element of INS goes.
    pub(crate) destination: Operand,
    /// What the program answered to it, if that waits for memory.
    pub(crate) data: Option<u32>,
}

impl Transfer {
    /// None yet.
    pub(super) fn new() -> Self {
        Self {
            breakpoints: 0,
            destination: Operand::new(Gpa::new(0), Gpa::new(0)),
            data: None,
        }
    }
}
