// SPDX-License-Identifier: GPL-2.0

//! MSRs that neither the VMCS nor a VM exit switches: the base that SWAPGS exchanges, and where
//! SYSCALL goes.
//!
//! SWAPGS works in 64-bit mode only, which begins with IA32_EFER.LME, and SYSCALL with IA32_EFER.SCE;
//! for a guest without them the host's values stay where they are.

use super::msr::efer;
use crate::{
    support::{
        irq::IrqsDisabled,
        msr::{
            LentMsr,
            LentMsrs,
            Msr,
            SwitchedMsr, //
        }, //
    },
    vmx::capability::Capabilities, //
};

/// IA32_KERNEL_GS_BASE: the base that SWAPGS exchanges, which does not exit.
const KERNEL_GS_BASE: Msr = Msr(0xc000_0102);

/// IA32_STAR, IA32_LSTAR, IA32_CSTAR and IA32_FMASK: where SYSCALL goes, and what it does with the
/// flags.
const SYSCALL: [Msr; 4] = [
    Msr(0xc000_0081),
    Msr(0xc000_0082),
    Msr(0xc000_0083),
    Msr(0xc000_0084),
];

/// How many of [`SwitchedMsrs`] must be in the CPU while the guest runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needed {
    /// None.
    Nothing = 0,
    /// IA32_KERNEL_GS_BASE.
    Swapgs = 1,
    /// All.
    Syscall = 1 + SYSCALL.len() as isize,
}

/// These registers of a guest, that of SWAPGS first.
pub(crate) struct SwitchedMsrs([SwitchedMsr; Needed::Syscall as usize]);

impl Default for SwitchedMsrs {
    fn default() -> Self {
        let [star, lstar, cstar, fmask] = SYSCALL.map(SwitchedMsr::new);
        let swapgs = SwitchedMsr::unwatched(KERNEL_GS_BASE);
        Self([swapgs, star, lstar, cstar, fmask])
    }
}

impl SwitchedMsrs {
    /// Puts the guest's values into the CPU, those that are needed.
    #[inline]
    pub(crate) fn load<'a>(&'a mut self, irqs: &'a IrqsDisabled, needed: Needed) -> LentMsrs<'a> {
        LentMsrs::new(irqs, &mut self.0, needed as usize)
    }
}

/// IA32_EFER, where VM entries and exits do not switch it.
const EFER: Msr = Msr(0xc000_0080);

/// Lets SYSCALL work in the guest only if the guest's IA32_EFER says so: of what VM entries and exits
/// leave alone on CPUs that do not switch IA32_EFER, this is all that differs from the host.
pub(crate) fn lend_efer<'a>(
    irqs: &'a IrqsDisabled,
    capabilities: &Capabilities,
    efer: u64,
) -> Option<LentMsr<'a>> {
    let lend = || LentMsr::new(irqs, EFER, |host| host & !efer::SCE | efer & efer::SCE);
    (!capabilities.switches_efer()).then(lend)
}

/// Place of an MSR among [`SwitchedMsrs`], if it is one of them.
pub(crate) fn place(index: u32) -> Option<usize> {
    let syscall = || SYSCALL.iter().position(|msr| msr.0 == index);
    if index == KERNEL_GS_BASE.0 {
        return Some(0);
    }
    Some(1 + syscall()?)
}
