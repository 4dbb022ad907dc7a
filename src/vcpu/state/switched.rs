// SPDX-License-Identifier: GPL-2.0

//! MSRs that neither the VMCS nor a VM exit switches: the base that SWAPGS exchanges, and where
//! SYSCALL goes.
//!
//! SWAPGS does not exit, nor does an access to that base by RDMSR or WRMSR, so it is the guest's in
//! every burst. SYSCALL works with IA32_EFER.SCE only: for a guest without it the host's values
//! stay where they are.

use crate::{
    support::{
        irq::IrqsDisabled,
        msr::LentMsr,
        try_lock::{
            TryLock,
            TryLockGuard, //
        },
        user_msr::{
            LentMsrs,
            SwitchedMsr,
            UserMsr, //
        }, //
    },
    vmx::{
        capability::Capabilities,
        host::HostState, //
    },
    x86::efer, //
};

/// Where SYSCALL goes, and what it does with the flags.
const SYSCALL: [UserMsr; 4] = [
    UserMsr::STAR,
    UserMsr::LSTAR,
    UserMsr::CSTAR,
    UserMsr::FMASK,
];

/// How many of [`SwitchedMsrs`] must be in the CPU while the guest runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needed {
    /// IA32_KERNEL_GS_BASE.
    Swapgs = 1,
    /// All.
    Syscall = 1 + SYSCALL.len() as isize,
}

impl Needed {
    /// What SYSCALL needs with this IA32_EFER, now or before the next exit.
    #[inline]
    pub(crate) fn with(efer: u64) -> Self {
        if efer & efer::SCE != 0 {
            Self::Syscall
        } else {
            Self::Swapgs
        }
    }
}

/// These registers of a guest, that of SWAPGS first.
pub(crate) struct SwitchedMsrs([SwitchedMsr; Needed::Syscall as usize]);

impl Default for SwitchedMsrs {
    fn default() -> Self {
        let [star, lstar, cstar, fmask] = SYSCALL.map(SwitchedMsr::new);
        // SWAPGS does not exit.
        let swapgs = SwitchedMsr::unwatched(UserMsr::KERNEL_GS_BASE);
        Self([swapgs, star, lstar, cstar, fmask])
    }
}

impl SwitchedMsrs {
    /// Puts the guest's values into the CPU, those that are needed.
    #[inline]
    pub(crate) fn load<'a>(&'a mut self, host: &'a HostState<'_>, needed: Needed) -> LentMsrs<'a> {
        LentMsrs::new(host.descriptors(), &mut self.0, needed as usize)
    }

    /// Place of an MSR among them, if it is one of them.
    pub(crate) fn place(index: u32) -> Option<usize> {
        let syscall = || SYSCALL.iter().position(|msr| msr.number() == index);
        if index == UserMsr::KERNEL_GS_BASE.number() {
            return Some(0);
        }
        Some(1 + syscall()?)
    }
}

/// Lets SYSCALL work in the guest only if the guest's IA32_EFER says so: of what VM entries and
/// exits leave alone on CPUs that do not switch IA32_EFER, this is all that differs from the host.
pub(crate) fn lend_efer<'a>(
    irqs: &'a IrqsDisabled,
    capabilities: &Capabilities,
    efer: u64,
) -> Option<LentMsr<'a>> {
    let lend = || LentMsr::syscall(irqs, efer & efer::SCE != 0);
    (!capabilities.switches_efer()).then(lend)
}

/// Turns the detection of split locks off, for a guest that splits them; not while it is off for
/// another.
#[cold]
pub(crate) fn lend_split_locks<'a>(
    irqs: &'a IrqsDisabled,
    turn: &'a TryLock<()>,
) -> Option<(LentMsr<'a>, TryLockGuard<'a, ()>)> {
    let turn = turn.try_lock()?;
    Some((LentMsr::split_locks(irqs), turn))
}
