// SPDX-License-Identifier: GPL-2.0

//! Events that a guest can take at some times only: external interrupts and NMIs.

use crate::{
    support::uapi::window::{
        MINIVMX_WINDOW_INTERRUPT,
        MINIVMX_WINDOW_NMI, //
    },
    vmx::exit::Interruptibility,
    x86::rflags, //
};
use kernel::prelude::*;

/// Some of these events, `enum minivmx_window`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Windows(u32);

impl Windows {
    /// None of them.
    pub(crate) const NONE: Self = Self(0);
    /// An external interrupt.
    pub(crate) const INTERRUPT: Self = Self(MINIVMX_WINDOW_INTERRUPT);

    /// What the program asks for; `EINVAL` if it is not defined.
    #[inline]
    pub(crate) fn asked(windows: u32) -> Result<Self> {
        if windows & !(MINIVMX_WINDOW_INTERRUPT | MINIVMX_WINDOW_NMI) != 0 {
            return Err(EINVAL);
        }
        Ok(Self(windows))
    }

    /// What can be taken with these flags and this interruptibility (SDM Vol. 3C, "Checks on Guest
    /// Non-Register State"). Some CPUs do not take an NMI behind STI.
    #[inline]
    pub(crate) fn open(flags: u64, blocking: u32) -> Self {
        let blocking = Interruptibility::from_raw(blocking);
        if blocking.sti() || blocking.mov_ss() {
            return Self::NONE;
        }
        let interrupt = match flags & rflags::IF {
            0 => 0,
            _ => MINIVMX_WINDOW_INTERRUPT,
        };
        let nmi = match blocking.nmi() {
            true => 0,
            false => MINIVMX_WINDOW_NMI,
        };
        Self(interrupt | nmi)
    }

    /// The same for a CPU without NMIs of the guest's.
    pub(crate) fn without_nmi(self) -> Self {
        Self(self.0 & !MINIVMX_WINDOW_NMI)
    }

    /// Is one of these among those?
    pub(crate) fn meets(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// Is an external interrupt among them?
    pub(crate) fn interrupt(self) -> bool {
        self.0 & MINIVMX_WINDOW_INTERRUPT != 0
    }

    /// Is an NMI?
    pub(crate) fn nmi(self) -> bool {
        self.0 & MINIVMX_WINDOW_NMI != 0
    }

    /// As the run page has them.
    pub(crate) fn bits(self) -> u32 {
        self.0
    }
}
