// SPDX-License-Identifier: GPL-2.0

//! MSRs that neither the VMCS nor a VM exit switches: the base that SWAPGS exchanges, and where
//! SYSCALL goes.
//!
//! SWAPGS works in 64-bit mode only, which begins with IA32_EFER.LME, and SYSCALL with IA32_EFER.SCE;
//! for a guest without them the host's values stay where they are.

use crate::support::{
    irq::IrqsDisabled,
    msr::{
        LentMsr,
        Msr, //
    }, //
};
use core::cell::Cell;

/// The base that SWAPGS exchanges.
const KERNEL_GS_BASE: Msr = Msr(0xc000_0102);

/// Where SYSCALL goes, and what it does with the flags.
const SYSCALL: [Msr; 4] = [
    Msr(0xc000_0081),
    Msr(0xc000_0082),
    Msr(0xc000_0083),
    Msr(0xc000_0084),
];

/// Which of them must be in the CPU while the guest runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Needed {
    /// IA32_KERNEL_GS_BASE.
    pub(crate) swapgs: bool,
    /// The others.
    pub(crate) syscall: bool,
}

/// IA32_KERNEL_GS_BASE, IA32_STAR, IA32_LSTAR, IA32_CSTAR and IA32_FMASK of a guest.
#[derive(Default)]
pub(crate) struct SwitchedMsrs {
    kernel_gs_base: Cell<u64>,
    syscall: [Cell<u64>; SYSCALL.len()],
}

impl SwitchedMsrs {
    /// Puts the guest's values into the CPU, those that are needed.
    #[inline(always)]
    pub(crate) fn load<'a>(
        &'a mut self,
        irqs: &'a IrqsDisabled,
        needed: Needed,
    ) -> LoadedMsrs<'a> {
        let guest = &*self;
        let lend = |index: usize| LentMsr::new(irqs, SYSCALL[index], guest.syscall[index].get());
        LoadedMsrs {
            swapgs: needed
                .swapgs
                .then(|| LentMsr::new(irqs, KERNEL_GS_BASE, guest.kernel_gs_base.get())),
            syscall: needed
                .syscall
                .then(|| [lend(0), lend(1), lend(2), lend(3)]),
            guest,
        }
    }
}

/// Guard: the guest's values are in the CPU, those that are needed.
#[must_use = "the host's values are put back when the guard is dropped"]
pub(crate) struct LoadedMsrs<'a> {
    swapgs: Option<LentMsr<'a>>,
    syscall: Option<[LentMsr<'a>; SYSCALL.len()]>,
    guest: &'a SwitchedMsrs,
}

impl LoadedMsrs<'_> {
    /// What the guest has in an MSR; `None` if it is not one of these.
    pub(crate) fn read(&self, index: u32) -> Option<u64> {
        if index != KERNEL_GS_BASE.0 {
            return place(index).map(|place| self.guest.syscall[place].get());
        }
        match &self.swapgs {
            Some(lent) => Some(lent.get()),
            None => Some(self.guest.kernel_gs_base.get()),
        }
    }

    /// Writes an MSR of the guest. The caller checked that it is one of these and that the value can
    /// be in it.
    pub(crate) fn write(&self, index: u32, value: u64) {
        let (lent, kept) = match place(index) {
            Some(place) => (
                self.syscall.as_ref().map(|lent| &lent[place]),
                &self.guest.syscall[place],
            ),
            None => (self.swapgs.as_ref(), &self.guest.kernel_gs_base),
        };
        if let Some(lent) = lent {
            lent.set(value);
        }
        kept.set(value);
    }
}

impl Drop for LoadedMsrs<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // SWAPGS changes it without an exit; the others change by WRMSR only, which exits.
        if let Some(lent) = &self.swapgs {
            self.guest.kernel_gs_base.set(lent.get());
        }
    }
}

/// Is this one of the registers?
pub(crate) fn contains(index: u32) -> bool {
    index == KERNEL_GS_BASE.0 || place(index).is_some()
}

fn place(index: u32) -> Option<usize> {
    SYSCALL.iter().position(|msr| msr.0 == index)
}
