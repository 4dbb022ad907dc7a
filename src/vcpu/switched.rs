// SPDX-License-Identifier: GPL-2.0

//! MSRs that neither the VMCS nor a VM exit switches: the base that SWAPGS exchanges, and where
//! SYSCALL goes.
//!
//! SWAPGS and SYSCALL work in 64-bit mode only, which begins with IA32_EFER.LME; so a guest without
//! it leaves the host's values where they are.

use crate::support::{
    irq::IrqsDisabled,
    msr::{
        LentMsr,
        Msr, //
    }, //
};
use kernel::prelude::*;

const KERNEL_GS_BASE: usize = 0;

/// The registers.
const MSRS: [Msr; 5] = [
    Msr(0xc000_0102),
    Msr(0xc000_0081),
    Msr(0xc000_0082),
    Msr(0xc000_0083),
    Msr(0xc000_0084),
];

/// IA32_KERNEL_GS_BASE, IA32_STAR, IA32_LSTAR, IA32_CSTAR and IA32_FMASK of a guest.
#[derive(Default)]
pub(crate) struct SwitchedMsrs([u64; MSRS.len()]);

impl SwitchedMsrs {
    /// Puts the guest's values into the CPU if `needed`.
    #[inline]
    pub(crate) fn load<'a>(
        &'a mut self,
        irqs: &'a IrqsDisabled,
        needed: bool,
    ) -> Result<LoadedMsrs<'a>> {
        let lent = if needed { Some(self.lend(irqs)?) } else { None };
        Ok(LoadedMsrs { lent, guest: self })
    }

    fn lend<'a>(&self, irqs: &'a IrqsDisabled) -> Result<[LentMsr<'a>; MSRS.len()]> {
        let lend = |index: usize| LentMsr::new(irqs, MSRS[index], self.0[index]);
        Ok([lend(0)?, lend(1)?, lend(2)?, lend(3)?, lend(4)?])
    }
}

/// Guard: the guest's values are in the CPU, if they were needed.
#[must_use = "the host's values are put back when the guard is dropped"]
pub(crate) struct LoadedMsrs<'a> {
    lent: Option<[LentMsr<'a>; MSRS.len()]>,
    guest: &'a mut SwitchedMsrs,
}

impl LoadedMsrs<'_> {
    /// What the guest has in an MSR; `None` if it is not one of these.
    pub(crate) fn read(&self, index: u32) -> Option<u64> {
        let place = place(index)?;
        match &self.lent {
            Some(lent) => lent[place].get().ok(),
            None => Some(self.guest.0[place]),
        }
    }

    /// Writes an MSR of the guest. The caller checked that it is one of these and that the value can
    /// be in it.
    pub(crate) fn write(&mut self, index: u32, value: u64) -> Result {
        let place = place(index).ok_or(ENOENT)?;
        if let Some(lent) = &self.lent {
            lent[place].set(value)?;
        }
        self.guest.0[place] = value;
        Ok(())
    }
}

impl Drop for LoadedMsrs<'_> {
    #[inline]
    fn drop(&mut self) {
        let Some(lent) = &self.lent else { return };
        if let Ok(value) = lent[KERNEL_GS_BASE].get() {
            self.guest.0[KERNEL_GS_BASE] = value;
        }
    }
}

/// Is this one of the registers?
pub(crate) fn contains(index: u32) -> bool {
    place(index).is_some()
}

fn place(index: u32) -> Option<usize> {
    MSRS.iter().position(|msr| msr.0 == index)
}
