// SPDX-License-Identifier: GPL-2.0

//! Model-specific registers.
//!
//! As with the kernel's own functions there are two ways to each: [`Msr::try_read`] finds out
//! whether there is such a register, and [`Msr::read`] is for those that every CPU has that comes
//! this far: if it fails all the same, the kernel warns, and the value is 0.

use super::{
    bindings,
    irq::IrqsDisabled, //
};
use core::marker::PhantomData;
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
    /// IA32_KERNEL_GS_BASE: the base that SWAPGS exchanges; in the kernel, that of user mode.
    pub(super) const KERNEL_GS_BASE: Self = Self(0xc000_0102);

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
/// `value` is what the register held on this CPU, where interrupts have been off since.
pub(crate) struct SavedMsr<'a> {
    msr: Msr,
    value: u64,
    _irqs: PhantomData<&'a IrqsDisabled>,
}

impl<'a> SavedMsr<'a> {
    /// Reads the register, one that every CPU has.
    #[inline(always)]
    pub(crate) fn save(_irqs: &'a IrqsDisabled, msr: Msr) -> Self {
        // INVARIANT: This is the value now; interrupts stay off for as long as `'a` lasts.
        Self {
            msr,
            value: msr.read(),
            _irqs: PhantomData,
        }
    }

    /// What the host has in the register.
    #[inline]
    pub(crate) fn value(&self) -> u64 {
        self.value
    }

    /// Puts the host's value back.
    #[inline(always)]
    pub(crate) fn restore(&self) {
        // SAFETY: By the type invariant this is the host's value.
        unsafe { self.msr.write(self.value) };
    }
}

/// Guard: the drop puts back what the register held, which something else changes meanwhile.
#[must_use = "the host's value is put back when the guard is dropped"]
pub(crate) struct KeptMsr<'a>(SavedMsr<'a>);

impl<'a> KeptMsr<'a> {
    /// Reads the register, one that every CPU has; [`None`] if it is 0.
    #[inline(always)]
    pub(crate) fn new(irqs: &'a IrqsDisabled, msr: Msr) -> Option<Self> {
        let host = SavedMsr::save(irqs, msr);
        // Not `then_some`: a guard that nobody gets would write the register, too.
        (host.value != 0).then(|| Self(host))
    }
}

impl Drop for KeptMsr<'_> {
    #[cold]
    fn drop(&mut self) {
        self.0.restore();
    }
}

/// Guard: an MSR holds something else than the host's value, which the drop puts back.
#[must_use = "the host's value is put back when the guard is dropped"]
pub(crate) struct LentMsr<'a>(SavedMsr<'a>);

/// IA32_EFER, and its bit for SYSCALL.
const EFER: Msr = Msr(0xc000_0080);
const EFER_SCE: u64 = 1 << 0;

/// MSR_TEST_CTRL, and its bit for the detection of split locks.
const TEST_CTRL: Msr = Msr(0x33);
const TEST_CTRL_SPLIT_LOCK: u64 = 1 << 29;

impl<'a> LentMsr<'a> {
    /// Lets SYSCALL work, or not, by IA32_EFER.SCE. The kernel needs it in user mode, and for the
    /// way there.
    pub(crate) fn syscall(irqs: &'a IrqsDisabled, enabled: bool) -> Self {
        let host = SavedMsr::save(irqs, EFER);
        let bit = if enabled { EFER_SCE } else { 0 };
        let value = host.value & !EFER_SCE | bit;
        if value != host.value {
            // SAFETY: Nothing leads to user mode before the host's value comes back in `drop`.
            unsafe { EFER.write(value) };
        }
        Self(host)
    }

    /// Turns the detection of split locks off. To be called where the kernel turned it on.
    #[cold]
    pub(crate) fn split_locks(irqs: &'a IrqsDisabled) -> Self {
        let host = SavedMsr::save(irqs, TEST_CTRL);
        // SAFETY: The kernel splits no locks itself; the host's value comes back in `drop`.
        unsafe { TEST_CTRL.write(host.value & !TEST_CTRL_SPLIT_LOCK) };
        Self(host)
    }
}

impl Drop for LentMsr<'_> {
    fn drop(&mut self) {
        self.0.restore();
    }
}
