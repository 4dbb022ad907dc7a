// SPDX-License-Identifier: GPL-2.0

//! Interrupts off, as a value.

use crate::world::{Processor, World};
use std::rc::Rc;

/// Proof that interrupts are off on a CPU, so that nobody else has it.
pub(crate) struct IrqsDisabled {
    cpu: usize,
    world: Rc<World>,
}

impl IrqsDisabled {
    /// Calls `body` on a CPU, with interrupts off there.
    pub(crate) fn with<R>(cpu: usize, body: impl FnOnce(&Self) -> R) -> R {
        let world = World::current();
        let _off = world.processors[cpu].interrupts.lock();
        body(&Self {
            cpu,
            world: world.clone(),
        })
    }

    /// Number of this CPU.
    pub(crate) fn cpu(&self) -> usize {
        self.cpu
    }

    /// This CPU.
    pub(crate) fn processor(&self) -> &Processor {
        &self.world.processors[self.cpu]
    }
}

/// Will the task be ended by a signal?
pub(crate) fn is_killed() -> bool {
    false
}

/// Lets the scheduler run another task if it wants to.
pub(crate) fn cond_resched() {}
