// SPDX-License-Identifier: GPL-2.0

//! Model-specific registers, read and written so that a missing one is an error and not an oops.

use super::irq::IrqsDisabled;
use kernel::{
    asm,
    prelude::*, //
};

/// Number of a model-specific register (SDM Vol. 4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Msr(pub(crate) u32);

impl Msr {
    /// Reads the register; `EIO` if this CPU has none of that number.
    #[inline]
    pub(crate) fn read(self) -> Result<u64> {
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
    #[inline]
    pub(crate) unsafe fn write(self, value: u64) -> Result {
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
    /// Reads the register.
    #[inline]
    pub(crate) fn save(_irqs: &IrqsDisabled, msr: Msr) -> Result<Self> {
        // INVARIANT: Interrupts are off, and this is the value now.
        Ok(Self {
            msr,
            value: msr.read()?,
        })
    }

    /// What the host has in the register.
    #[inline]
    pub(crate) fn value(&self) -> u64 {
        self.value
    }

    /// Puts the host's value back.
    #[inline]
    pub(crate) fn restore(&self, _irqs: &IrqsDisabled) {
        // SAFETY: By the type invariant this is the host's value.
        if unsafe { self.msr.write(self.value) }.is_err() {
            pr_err!("MSR {:#x} did not take its own value back\n", self.msr.0);
        }
    }
}

/// Guard: an MSR holds a guest's value; the drop puts the host's back.
#[must_use = "the host's value is put back when the guard is dropped"]
pub(crate) struct LentMsr<'a> {
    irqs: &'a IrqsDisabled,
    host: SavedMsr,
}

impl<'a> LentMsr<'a> {
    /// Puts the guest's value into the register.
    ///
    /// # Errors
    ///
    /// `EIO` if the CPU refuses the value; the register is as it was then.
    #[inline]
    pub(crate) fn new(irqs: &'a IrqsDisabled, msr: Msr, value: u64) -> Result<Self> {
        let host = SavedMsr::save(irqs, msr)?;
        if host.value != value {
            // SAFETY: The host's value comes back in `drop`.
            unsafe { msr.write(value) }?;
        }
        Ok(Self { irqs, host })
    }

    /// What the guest has in the register now.
    pub(crate) fn get(&self) -> Result<u64> {
        self.host.msr.read()
    }

    /// Changes the guest's value.
    pub(crate) fn set(&self, value: u64) -> Result {
        // SAFETY: The host's value comes back in `drop`.
        unsafe { self.host.msr.write(value) }
    }
}

impl Drop for LentMsr<'_> {
    #[inline]
    fn drop(&mut self) {
        self.host.restore(self.irqs);
    }
}
