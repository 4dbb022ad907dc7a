// SPDX-License-Identifier: GPL-2.0

//! Model-specific registers.
//!
//! As with the kernel's own functions there are two ways to each: [`Msr::try_read`] finds out whether
//! there is such a register, and [`Msr::read`] is for those that every CPU has that comes this far: if
//! it fails all the same, the kernel warns, and the value is 0.

use super::{
    bindings,
    irq::IrqsDisabled, //
};
use core::cell::Cell;
use kernel::{
    asm,
    prelude::*, //
};

/// What the exception table says of RDMSR and WRMSR that are not expected to fault: warn and go on.
const EX_TYPE_WRMSR: u32 = bindings::ext_EX_TYPE_WRMSR;
const EX_TYPE_RDMSR: u32 = bindings::ext_EX_TYPE_RDMSR;

/// Number of a model-specific register (SDM Vol. 4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Msr(pub(crate) u32);

impl Msr {
    /// Reads a register that every CPU has.
    #[inline(always)]
    pub(crate) fn read(self) -> u64 {
        let (low, high): (u32, u32);
        // SAFETY: RDMSR has no side effect on the registers that this driver names; after a fault
        // the kernel goes on at the label.
        unsafe {
            asm!(
                "
                1: rdmsr
                2:
                .pushsection __ex_table, \"a\"
                .balign 4
                .long 1b - .
                .long 2b - .
                .long {fixup}
                .popsection
                ";
                fixup = const EX_TYPE_RDMSR,
                in("ecx") self.0, out("eax") low, out("edx") high,
                options(nomem, nostack, preserves_flags)
            )
        };
        u64::from(high) << 32 | u64::from(low)
    }

    /// Writes a register that every CPU has.
    ///
    /// # Safety
    ///
    /// The kernel goes on correctly with this value, or it gets its own back before interrupts come
    /// back on.
    #[inline(always)]
    pub(crate) unsafe fn write(self, value: u64) {
        // SAFETY: The caller answers for the value; after a fault the kernel goes on at the label.
        unsafe {
            asm!(
                "
                1: wrmsr
                2:
                .pushsection __ex_table, \"a\"
                .balign 4
                .long 1b - .
                .long 2b - .
                .long {fixup}
                .popsection
                ";
                fixup = const EX_TYPE_WRMSR,
                in("ecx") self.0, in("eax") value as u32, in("edx") (value >> 32) as u32,
                options(nostack, preserves_flags)
            )
        };
    }

    /// Reads the register; `EIO` if this CPU has none of that number.
    pub(crate) fn try_read(self) -> Result<u64> {
        let (low, high): (u32, u32);
        let mut failed: u32 = 1;
        // SAFETY: RDMSR has no side effect on the registers that this driver names; a fault goes to
        // the label behind the line that says that all went well.
        unsafe {
            asm!(
                "
                1: rdmsr
                xor {failed:e}, {failed:e}
                2:
                .pushsection __ex_table, \"a\"
                .balign 4
                .long 1b - .
                .long 2b - .
                .long 1
                .popsection
                ";
                failed = inout(reg) failed,
                in("ecx") self.0, out("eax") low, out("edx") high,
                options(nostack)
            )
        };
        if failed != 0 {
            return Err(EIO);
        }
        Ok(u64::from(high) << 32 | u64::from(low))
    }

    /// Writes the register; `EIO` if this CPU has none of that number or refuses the value.
    ///
    /// # Safety
    ///
    /// The kernel goes on correctly with this value, or it gets its own back before interrupts come
    /// back on.
    pub(crate) unsafe fn try_write(self, value: u64) -> Result {
        let mut failed: u32 = 1;
        // SAFETY: The caller answers for the value; a fault goes to the label behind the line that
        // says that all went well.
        unsafe {
            asm!(
                "
                1: wrmsr
                xor {failed:e}, {failed:e}
                2:
                .pushsection __ex_table, \"a\"
                .balign 4
                .long 1b - .
                .long 2b - .
                .long 1
                .popsection
                ";
                failed = inout(reg) failed,
                in("ecx") self.0, in("eax") value as u32, in("edx") (value >> 32) as u32,
                options(nostack)
            )
        };
        if failed != 0 {
            return Err(EIO);
        }
        Ok(())
    }
}

/// An MSR of the host with the value that it had, to write others and then put it back.
///
/// # Invariants
///
/// `value` is what the register held on this CPU when interrupts went off.
pub(crate) struct SavedMsr {
    msr: Msr,
    value: u64,
}

impl SavedMsr {
    /// Reads the register, one that every CPU has.
    #[inline(always)]
    pub(crate) fn save(_irqs: &IrqsDisabled, msr: Msr) -> Self {
        let value = msr.read();
        // INVARIANT: Interrupts are off, and this is the value now.
        Self { msr, value }
    }

    /// What the host has in the register.
    #[inline]
    pub(crate) fn value(&self) -> u64 {
        self.value
    }

    /// Puts the host's value back.
    #[inline(always)]
    pub(crate) fn restore(&self, _irqs: &IrqsDisabled) {
        // SAFETY: By the type invariant this is the host's value.
        unsafe { self.msr.write(self.value) };
    }
}

/// Guard: an MSR holds something else than the host's value, which the drop puts back.
#[must_use = "the host's value is put back when the guard is dropped"]
pub(crate) struct LentMsr<'a> {
    irqs: &'a IrqsDisabled,
    host: SavedMsr,
}

impl<'a> LentMsr<'a> {
    /// Puts something else into a register that every CPU has. The caller checked that the register
    /// can have it.
    pub(crate) fn new(irqs: &'a IrqsDisabled, msr: Msr, change: impl FnOnce(u64) -> u64) -> Self {
        let host = SavedMsr::save(irqs, msr);
        let value = change(host.value());
        if value != host.value() {
            // SAFETY: The host's value comes back in `drop`.
            unsafe { msr.write(value) };
        }
        Self { irqs, host }
    }
}

impl Drop for LentMsr<'_> {
    fn drop(&mut self) {
        self.host.restore(self.irqs);
    }
}

/// An MSR that the host and a guest have by turns, with the value of who does not have it now.
pub(crate) struct SwitchedMsr {
    msr: Msr,
    /// The guest's value; not up to date while it is in the CPU, for a register in `unwatched`.
    guest: Cell<u64>,
    host: Cell<u64>,
    /// Can the guest change it without an exit?
    unwatched: bool,
}

impl SwitchedMsr {
    /// A register that every CPU has and that changes by WRMSR, which exits. The guest has 0 in it.
    pub(crate) const fn new(msr: Msr) -> Self {
        Self {
            msr,
            guest: Cell::new(0),
            host: Cell::new(0),
            unwatched: false,
        }
    }

    /// The same for a register that instructions change that do not exit.
    pub(crate) const fn unwatched(msr: Msr) -> Self {
        Self {
            unwatched: true,
            ..Self::new(msr)
        }
    }

    /// Puts the guest's value in the place of the host's. For [`LentMsrs`] alone.
    #[inline(always)]
    fn lend(&self) {
        let host = self.msr.read();
        self.host.set(host);
        if host != self.guest.get() {
            // SAFETY: `LentMsrs` puts the host's value back before interrupts come back on.
            unsafe { self.msr.write(self.guest.get()) };
        }
    }

    /// Puts the host's value back. For [`LentMsrs`] alone.
    #[inline(always)]
    fn take_back(&self) {
        if self.unwatched {
            self.guest.set(self.msr.read());
        }
        if self.host.get() != self.guest.get() {
            // SAFETY: This is the value that the host had when interrupts went off.
            unsafe { self.msr.write(self.host.get()) };
        }
    }
}

/// Guard: MSRs hold a guest's values; the drop puts the host's back.
///
/// # Invariants
///
/// The registers of `lent` hold the guest's value, and `host` is what they held when interrupts went
/// off.
#[must_use = "the host's values are put back when the guard is dropped"]
pub(crate) struct LentMsrs<'a> {
    _irqs: &'a IrqsDisabled,
    /// The first of `msrs`.
    lent: &'a [SwitchedMsr],
    msrs: &'a [SwitchedMsr],
}

impl<'a> LentMsrs<'a> {
    /// Puts the guest's values into the first `count` of `msrs`, as far as there are so many.
    #[inline(always)]
    pub(crate) fn new(irqs: &'a IrqsDisabled, msrs: &'a mut [SwitchedMsr], count: usize) -> Self {
        let msrs = &*msrs;
        let lent = msrs.get(..count).unwrap_or(msrs);
        lent.iter().for_each(SwitchedMsr::lend);
        // INVARIANT: Interrupts are off, so the values were the host's.
        Self {
            _irqs: irqs,
            lent,
            msrs,
        }
    }

    /// What the guest has in the register at this place of `msrs`.
    pub(crate) fn get(&self, place: usize) -> Option<u64> {
        let each = self.msrs.get(place)?;
        if place < self.lent.len() && each.unwatched {
            each.guest.set(each.msr.read());
        }
        Some(each.guest.get())
    }

    /// Changes the guest's value. The caller checked that the register can have it.
    pub(crate) fn set(&self, place: usize, value: u64) {
        let Some(each) = self.msrs.get(place) else {
            return;
        };
        each.guest.set(value);
        if place < self.lent.len() {
            // SAFETY: The host's value comes back in `drop`.
            unsafe { each.msr.write(value) };
        }
    }
}

impl Drop for LentMsrs<'_> {
    #[inline]
    fn drop(&mut self) {
        self.lent.iter().for_each(SwitchedMsr::take_back);
    }
}
