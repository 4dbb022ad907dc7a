// SPDX-License-Identifier: GPL-2.0

//! Exits that a program wants to see although the driver could answer them.

use crate::vmx::exit::basic;
use kernel::prelude::*;

/// Exits that can be trapped, by basic exit reason. All of them occur anyway: trapping changes who
/// answers, and for MSRs, control and debug registers how many there are.
pub(crate) const TRAPPABLE: [u64; 2] = mask(&[
    basic::CPUID,
    basic::INVD,
    basic::RDPMC,
    basic::VMCALL,
    basic::CR_ACCESS,
    basic::DR_ACCESS,
    basic::RDMSR,
    basic::WRMSR,
    basic::MWAIT,
    basic::MONITOR,
    basic::EPT_VIOLATION,
    basic::WBINVD,
    basic::XSETBV,
]);

/// So one word is enough for those that are.
const _: () = assert!(TRAPPABLE[1] == 0);

const fn mask(reasons: &[u32]) -> [u64; 2] {
    let mut mask = [0; 2];
    let mut index = 0;
    while index < reasons.len() {
        mask[(reasons[index] / 64) as usize] |= 1 << (reasons[index] % 64);
        index += 1;
    }
    mask
}

/// What a program wants to see.
#[derive(Clone, Copy, Default)]
pub(crate) struct Traps {
    /// Exits by basic exit reason.
    exits: u64,
    /// Exceptions by vector.
    pub(crate) exceptions: u32,
}

impl Traps {
    /// As asked for; `EOPNOTSUPP` if an exit cannot be trapped.
    pub(crate) fn new(exits: [u64; 2], exceptions: u32) -> Result<Self> {
        let [low, high] = exits;
        if low & !TRAPPABLE[0] != 0 || high & !TRAPPABLE[1] != 0 {
            return Err(EOPNOTSUPP);
        }
        Ok(Self {
            exits: low,
            exceptions,
        })
    }

    /// Does the program want exits for this reason?
    #[inline]
    pub(crate) fn contains(&self, reason: u32) -> bool {
        self.exits
            .checked_shr(reason)
            .is_some_and(|exits| exits & 1 != 0)
    }

    /// Does the program want to see the exception of this vector?
    pub(crate) fn contains_exception(&self, vector: u32) -> bool {
        self.exceptions & 1u32.wrapping_shl(vector) != 0
    }

    /// Does the program want to see all accesses to MSRs?
    pub(crate) fn all_msrs(&self) -> bool {
        self.contains(basic::RDMSR) || self.contains(basic::WRMSR)
    }
}
