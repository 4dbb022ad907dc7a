// SPDX-License-Identifier: GPL-2.0

//! Interrupts off, as a value.

use super::bindings;
use kernel::{
    error::to_result,
    prelude::*,
    types::NotThreadSafe, //
};

/// Proof that maskable interrupts are off on this CPU.
///
/// While a reference to it exists the task neither sleeps nor moves to another CPU. There is no
/// value of it to be dropped: of two, one within the other, the inner ends first, and so does
/// whatever borrows it.
///
/// # Invariants
///
/// Interrupts are off on the current CPU, which is number `cpu`, for as long as this value lives.
pub(crate) struct IrqsDisabled {
    cpu: usize,
    _not_send: NotThreadSafe,
}

impl IrqsDisabled {
    /// Calls `body` with interrupts off on this CPU.
    #[inline(always)]
    pub(crate) fn with<R>(body: impl FnOnce(&Self) -> R) -> R {
        // SAFETY: Saving the flags and turning interrupts off has no preconditions.
        let flags = unsafe { bindings::ext_local_irq_save() };
        // SAFETY: Interrupts are off, so the task stays on this CPU.
        let cpu = unsafe { bindings::ext_smp_processor_id() as usize };
        // INVARIANT: Interrupts are off until `body` has returned; the value cannot leave this
        // task.
        let result = body(&Self {
            cpu,
            _not_send: NotThreadSafe,
        });
        // SAFETY: The flags are those from above, on the same CPU.
        unsafe { bindings::ext_local_irq_restore(flags) };
        result
    }

    /// Number of this CPU.
    #[inline]
    pub(crate) fn cpu(&self) -> usize {
        self.cpu
    }
}

/// Does something wait that the task does only with interrupts on: a signal, another task, or what
/// [`do_work`] does?
#[inline]
pub(crate) fn work_is_pending(_irqs: &IrqsDisabled) -> bool {
    // SAFETY: Reads flags of the current task.
    unsafe { bindings::ext_work_is_pending() }
}

/// Does what the kernel wants of a task before it goes to user mode: lets another task run, ends a
/// memory error that it met, looks at its timers and quotas. May sleep.
///
/// Not to be called with an [`IrqsDisabled`] at hand; lockdep checks it.
///
/// # Errors
///
/// `EINTR` for a signal, which wants the task in user mode.
#[inline]
pub(crate) fn do_work() -> Result {
    // SAFETY: Called in process context, as all entries into the driver are.
    to_result(unsafe { bindings::ext_do_work() })
}

/// Will the task be ended by a signal? Nobody sees the result of a call then.
#[inline]
pub(crate) fn is_killed() -> bool {
    // SAFETY: Reads flags and signals of the current task.
    unsafe { bindings::ext_fatal_signal_pending() }
}

/// Lets the scheduler run another task if it wants to.
///
/// Not to be called with an [`IrqsDisabled`] at hand; lockdep checks it.
#[inline]
pub(crate) fn cond_resched() {
    // SAFETY: Called in process context, as all entries into the driver are.
    unsafe { bindings::ext_cond_resched() };
}
