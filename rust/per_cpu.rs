// SPDX-License-Identifier: GPL-2.0

//! One value for each CPU, and interrupts sent to a CPU.

use super::{
    bindings,
    irq::IrqsDisabled, //
};
use kernel::{
    bindings as kernel_bindings,
    cpu::nr_cpu_ids,
    prelude::*, //
};

/// One `T` for each CPU that there can be.
pub(crate) struct PerCpu<T>(KVVec<T>);

impl<T> PerCpu<T> {
    /// Makes the values one by one, charged to the calling program's memory cgroup.
    pub(crate) fn new(mut make: impl FnMut() -> Result<T>) -> Result<Self> {
        let count = nr_cpu_ids() as usize;
        let mut values = KVVec::with_capacity(count, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..count {
            values.push(make()?, GFP_KERNEL_ACCOUNT)?;
        }
        Ok(Self(values))
    }

    /// This CPU's value; `None` only for a CPU that the kernel did not announce.
    #[inline]
    pub(crate) fn this(&self, irqs: &IrqsDisabled) -> Option<&T> {
        self.0.get(irqs.cpu())
    }
}

/// Interrupts a CPU, and does not wait for it.
///
/// One that is offline is left alone. A CPU that was seen to do something while interrupts are off
/// here is online: none goes before all the others have let it.
pub(crate) fn interrupt_soon(_irqs: &IrqsDisabled, cpu: i32) {
    // SAFETY: Can be called in any context, for any number.
    unsafe { bindings::ext_send_reschedule(cpu) };
}

/// Interrupts a CPU and waits until it has taken the interrupt.
///
/// May sleep. A CPU that is offline runs nothing that needs to be interrupted.
pub(crate) fn interrupt(cpu: i32) {
    extern "C" fn nothing(_: *mut c_void) {}
    // SAFETY: `nothing` can be called in any context; called with interrupts on.
    let _offline = unsafe {
        kernel_bindings::smp_call_function_single(cpu, Some(nothing), core::ptr::null_mut(), true)
    };
}
