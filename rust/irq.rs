// SPDX-License-Identifier: GPL-2.0

//! Interrupts off, as a value.

use super::bindings;
use kernel::{
    prelude::*,
    types::NotThreadSafe, //
};

/// Guard and proof that maskable interrupts are off on this CPU.
///
/// While a reference to it exists the task neither sleeps nor moves to another CPU.
///
/// # Invariants
///
/// Interrupts have been off on the current CPU, which is number `cpu`, since this value was made;
/// `flags` are those from before.
#[must_use = "interrupts come back on when the guard is dropped"]
pub(crate) struct IrqsDisabled {
    flags: c_ulong,
    cpu: usize,
    _not_send: NotThreadSafe,
}

impl IrqsDisabled {
    /// Turns interrupts off on this CPU.
    #[inline]
    pub(crate) fn new() -> Self {
        // SAFETY: Saving the flags and turning interrupts off has no preconditions.
        let flags = unsafe { bindings::ext_local_irq_save() };
        // SAFETY: Interrupts are off, so the task stays on this CPU.
        let cpu = unsafe { bindings::ext_smp_processor_id() as usize };
        // INVARIANT: Interrupts are off now; the value cannot leave this CPU's task.
        Self {
            flags,
            cpu,
            _not_send: NotThreadSafe,
        }
    }

    /// Number of this CPU.
    #[inline]
    pub(crate) fn cpu(&self) -> usize {
        self.cpu
    }
}

impl Drop for IrqsDisabled {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariant the flags come from the matching save on this CPU.
        unsafe { bindings::ext_local_irq_restore(self.flags) };
    }
}

/// Does something wait that the task does only with interrupts on: a signal, or another task?
#[inline]
pub(crate) fn work_is_pending(_irqs: &IrqsDisabled) -> bool {
    // SAFETY: Reads flags of the current task.
    unsafe { bindings::ext_work_is_pending() }
}

/// Lets the scheduler run another task if it wants to.
///
/// Interrupts are on: no caller can hold an [`IrqsDisabled`] by value and sleep; lockdep checks it.
#[inline]
pub(crate) fn cond_resched() {
    // SAFETY: Called in process context, as all entries into the driver are.
    unsafe { bindings::ext_cond_resched() };
}
