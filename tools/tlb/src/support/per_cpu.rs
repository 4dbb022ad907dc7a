// SPDX-License-Identifier: GPL-2.0

//! One value for each CPU, and interrupts sent to a CPU.

use super::irq::IrqsDisabled;
use crate::{omission, world::World};
use kernel::prelude::*;
use std::sync::atomic::Ordering::Relaxed;

/// One `T` for each CPU that there can be.
pub(crate) struct PerCpu<T>(Vec<T>);

impl<T> PerCpu<T> {
    pub(crate) fn new(mut make: impl FnMut() -> Result<T>) -> Result<Self> {
        let processors = World::current().processors.len();
        Ok(Self(
            (0..processors).map(|_| make()).collect::<Result<_>>()?,
        ))
    }

    pub(crate) fn this(&self, irqs: &IrqsDisabled) -> Option<&T> {
        self.0.get(irqs.cpu())
    }
}

/// Interrupts a CPU and waits until it has taken the interrupt: until interrupts are on there.
#[track_caller]
pub(crate) fn interrupt(cpu: i32) {
    if omission::leaves_out("interrupt") {
        return;
    }
    let world = World::current();
    world.interrupts.fetch_add(1, Relaxed);
    drop(world.processors[cpu as usize].interrupts.lock());
}
