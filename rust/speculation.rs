// SPDX-License-Identifier: GPL-2.0

//! Commands that empty what instructions leave behind in a CPU, and others could see or be led by.

use super::{
    bindings,
    irq::IrqsDisabled,
    msr::Msr, //
};
use kernel::prelude::*;

/// Did the administrator turn all mitigations off?
pub(crate) fn mitigations_off() -> bool {
    // SAFETY: Reads what the kernel was told at boot.
    unsafe { bindings::ext_mitigations_off() }
}

/// Empties the L1 data cache (SDM Vol. 4, IA32_FLUSH_CMD).
pub(crate) fn flush_l1d(_irqs: &IrqsDisabled) {
    command(Msr(0x10b), "the L1 data cache could not be flushed");
}

/// Makes the CPU forget the targets of indirect branches (SDM Vol. 4, IA32_PRED_CMD).
pub(crate) fn predictor_barrier(_irqs: &IrqsDisabled) {
    command(Msr(0x49), "the branch predictor could not be emptied");
}

/// The same, by the kernel, when this CPU returns to userspace the next time.
pub(crate) fn predictor_barrier_before_user(_irqs: &IrqsDisabled) {
    // SAFETY: Sets a flag of this CPU, which the task cannot leave.
    unsafe { bindings::ext_predictor_barrier_before_user() };
}

/// Writes 1 to a register that does something then, and keeps nothing.
fn command(msr: Msr, failure: &str) {
    // SAFETY: The command changes no state that a program can see.
    if unsafe { msr.try_write(1) }.is_err() {
        pr_err!("{failure}\n");
    }
}
