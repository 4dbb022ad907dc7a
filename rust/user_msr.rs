// SPDX-License-Identifier: GPL-2.0

//! MSRs that matter in user mode only, lent to a guest.

use super::{
    descriptor::SavedDescriptors,
    msr::Msr, //
};
use core::cell::Cell;

/// An MSR that the kernel needs only in user mode, and on the ways there and back: with interrupts
/// off it can hold whatever WRMSR takes.
///
/// Handlers that come all the same, those of NMIs and machine checks, find the kernel's GS base in
/// place, and do not execute SWAPGS.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct UserMsr(Msr);

impl UserMsr {
    /// IA32_STAR: selectors that SYSCALL and SYSRET load.
    pub(crate) const STAR: Self = Self(Msr(0xc000_0081));
    /// IA32_LSTAR: where SYSCALL goes.
    pub(crate) const LSTAR: Self = Self(Msr(0xc000_0082));
    /// IA32_CSTAR: where SYSCALL goes from compatibility mode, on other vendors' CPUs.
    pub(crate) const CSTAR: Self = Self(Msr(0xc000_0083));
    /// IA32_FMASK: flags that SYSCALL clears.
    pub(crate) const FMASK: Self = Self(Msr(0xc000_0084));
    /// IA32_KERNEL_GS_BASE: the base that SWAPGS exchanges.
    pub(crate) const KERNEL_GS_BASE: Self = Self(Msr::KERNEL_GS_BASE);

    /// Its number.
    pub(crate) const fn number(self) -> u32 {
        self.0 .0
    }
}

/// An MSR that the host and a guest have by turns, with the value of who does not have it now.
pub(crate) struct SwitchedMsr {
    msr: UserMsr,
    /// The guest's value; not up to date while it is in the CPU, for a register in `unwatched`.
    guest: Cell<u64>,
    host: Cell<u64>,
    /// Can the guest change it without an exit?
    unwatched: bool,
}

impl SwitchedMsr {
    /// A register that changes by WRMSR, which exits. The guest has 0 in it.
    pub(crate) const fn new(msr: UserMsr) -> Self {
        Self {
            msr,
            guest: Cell::new(0),
            host: Cell::new(0),
            unwatched: false,
        }
    }

    /// The same for a register that instructions change that do not exit.
    pub(crate) const fn unwatched(msr: UserMsr) -> Self {
        Self {
            unwatched: true,
            ..Self::new(msr)
        }
    }

    /// Puts the guest's value in the place of the host's. For [`LentMsrs`] alone.
    #[inline(always)]
    fn lend(&self) {
        let host = self.msr.0.read();
        self.host.set(host);
        if host != self.guest.get() {
            // SAFETY: `LentMsrs` puts the host's value back before interrupts come back on.
            unsafe { self.msr.0.write(self.guest.get()) };
        }
    }

    /// Puts the host's value back. For [`LentMsrs`] alone.
    #[inline(always)]
    fn take_back(&self) {
        if self.unwatched {
            self.guest.set(self.msr.0.read());
        }
        if self.host.get() != self.guest.get() {
            // SAFETY: This is the value that the host had when interrupts went off.
            unsafe { self.msr.0.write(self.host.get()) };
        }
    }
}

/// Guard: MSRs hold a guest's values; the drop puts the host's back.
///
/// # Invariants
///
/// The registers of `lent` hold the guest's value, and `host` is what they held when interrupts
/// went off.
#[must_use = "the host's values are put back when the guard is dropped"]
pub(crate) struct LentMsrs<'a> {
    /// The first of `msrs`.
    lent: &'a [SwitchedMsr],
    msrs: &'a [SwitchedMsr],
}

impl<'a> LentMsrs<'a> {
    /// Puts the guest's values into the first `count` of `msrs`, as far as there are so many.
    ///
    /// IA32_KERNEL_GS_BASE is spoiled and put back with the selector of GS: so `_descriptors` has
    /// to be saved before this, and is put back behind it.
    #[inline(always)]
    pub(crate) fn new(
        _descriptors: &'a SavedDescriptors<'_>,
        msrs: &'a mut [SwitchedMsr],
        count: usize,
    ) -> Self {
        let msrs = &*msrs;
        let lent = msrs.get(..count).unwrap_or(msrs);
        lent.iter().for_each(SwitchedMsr::lend);
        // INVARIANT: Interrupts are off, as `_descriptors` knows, so the values were the host's.
        Self { lent, msrs }
    }

    /// What the guest has in the register at this place of `msrs`.
    pub(crate) fn get(&self, place: usize) -> Option<u64> {
        let each = self.msrs.get(place)?;
        if place < self.lent.len() && each.unwatched {
            each.guest.set(each.msr.0.read());
        }
        Some(each.guest.get())
    }

    /// Changes the guest's value. The caller checked that the register can have it: else the kernel
    /// warns.
    pub(crate) fn set(&self, place: usize, value: u64) {
        let Some(each) = self.msrs.get(place) else {
            return;
        };
        each.guest.set(value);
        if place < self.lent.len() {
            // SAFETY: The host's value comes back in `drop`.
            unsafe { each.msr.0.write(value) };
        }
    }
}

impl Drop for LentMsrs<'_> {
    #[inline]
    fn drop(&mut self) {
        self.lent.iter().for_each(SwitchedMsr::take_back);
    }
}
