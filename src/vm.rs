// SPDX-License-Identifier: GPL-2.0

//! A VM: memory, vCPUs, and what is counted.
//!
//! Lock order, outermost first:
//!  1. a vCPU's `state`, which nobody waits for: held by RUN and every call on the vCPU
//!  2. `layout` (mutex): held while regions are added or removed, and vCPUs created
//!  3. `memory` (spinlock): regions, pages and page tables; held for a bounded time, with
//!     interrupts
//!     on or off, never while waiting for another CPU
//!
//! RUN takes 1 and 3. A call on the VM takes 2 and 3, and waits for vCPUs to leave the guest with 2
//! held: a vCPU needs 1 and 3 only to get there. Who waits for 3 waits for one operation of each
//! other vCPU at most.

mod counters;
mod inspect;
mod memory;
mod mmu;
mod recall;

pub(crate) use self::{
    counters::Counters,
    memory::MAX_REGIONS,
    mmu::Mmu,
    recall::{
        Call,
        Recall, //
    }, //
};

use crate::{
    machine::{
        ControlRegisters,
        Machine, //
    },
    memory::{
        CpuTables,
        Memory, //
    },
    mmu::{
        ept::Eptp,
        generation::{
            Generation,
            Whereabouts, //
        }, //
    },
    support::{
        cpu,
        irq::IrqsDisabled,
        per_cpu,
        wait_queue::WaitQueue, //
    }, //
};
use kernel::{
    new_mutex,
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        Mutex,
        SpinLock, //
    }, //
};

/// vCPUs that a VM may have.
pub(crate) const MAX_VCPUS: u32 = 64;

/// What a VM knows of one of its vCPUs. It outlives the vCPU, so that nothing is lost of its
/// counts.
#[pin_data]
pub(crate) struct Member {
    /// Its number.
    pub(crate) id: u32,
    /// Where the vCPU runs.
    pub(crate) whereabouts: Whereabouts,
    /// What it did so far.
    pub(crate) counters: Counters,
    /// What calls it back to the program.
    pub(crate) recall: Recall,
    /// Its thread, while that waits in HLT for the guest.
    #[pin]
    waiting: WaitQueue,
}

impl Member {
    /// Calls the vCPU back to the program: out of the guest, out of its sleep, or before it enters
    /// the guest.
    pub(crate) fn call_back(&self, call: Call) {
        self.recall.leave(call);
        self.waiting.wake();
        IrqsDisabled::with(|irqs| {
            if let Some(cpu) = self.whereabouts.cpu() {
                per_cpu::interrupt_soon(irqs, cpu);
                self.counters.kick();
            }
        });
    }

    /// Waits for a call, in the guest's place; `EINTR` if a signal comes first.
    pub(crate) fn wait_for_call(&self) -> Result {
        self.waiting.wait_until_set(self.recall.word())
    }
}

/// What changes with `layout` held.
struct Layout {
    members: KVec<Arc<Member>>,
}

/// A VM.
#[pin_data]
pub(crate) struct Vm {
    /// The machine that it is on.
    pub(crate) machine: Arc<Machine>,
    /// How its memory is translated.
    pub(crate) mmu: Mmu,
    /// Where its extended page tables are, if it has any.
    pub(crate) eptp: Option<Eptp>,
    /// Which bits of CR0 and CR4 are the guest's own.
    pub(crate) control_registers: ControlRegisters,
    /// The host's time-stamp counter when those of all vCPUs were 0: one reset is for all of them.
    pub(crate) tsc_zero: u64,
    /// Which translations CPUs must have forgotten.
    pub(crate) generation: Generation,
    /// Its memory.
    #[pin]
    pub(crate) memory: SpinLock<Memory>,
    #[pin]
    layout: Mutex<Layout>,
}

impl Vm {
    /// Makes a VM without memory and vCPUs.
    pub(crate) fn new(machine: Arc<Machine>, mmu: Mmu) -> Result<Arc<Self>> {
        let tables = mmu.tables(&machine)?;
        let eptp = match &tables {
            CpuTables::Ept(tables) => Some(tables.eptp()),
            CpuTables::Shadow(_) => None,
        };
        let memory = Memory::new(tables);
        Arc::pin_init(
            try_pin_init!(Self {
                mmu,
                eptp,
                control_registers: machine.control_registers(mmu.is_shadow()),
                tsc_zero: cpu::tsc(),
                generation: Generation::new()?,
                memory <- new_spinlock!(memory, "minivmx::Vm::memory"),
                layout <- new_mutex!(Layout { members: KVec::new() }, "minivmx::Vm::layout"),
                machine,
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// Counts a vCPU in.
    ///
    /// # Errors
    ///
    /// `EEXIST` if its number was used before, `EOPNOTSUPP` if there cannot be another one,
    /// `ENOMEM`.
    pub(crate) fn add_member(&self, id: u32) -> Result<Arc<Member>> {
        let mut layout = self.layout.lock();
        if layout.members.iter().any(|member| member.id == id) {
            return Err(EEXIST);
        }
        if self.mmu.is_for_one_vcpu() && !layout.members.is_empty() {
            return Err(EOPNOTSUPP);
        }
        let shadow = self.mmu.shadow()?;
        let member = Arc::pin_init(
            pin_init!(Member {
                id,
                whereabouts: Whereabouts::new(),
                counters: Counters::default(),
                recall: Recall::new(),
                waiting <- WaitQueue::new(),
            }),
            GFP_KERNEL_ACCOUNT,
        )?;
        layout.members.push(member.clone(), GFP_KERNEL_ACCOUNT)?;
        if let Some(shadow) = shadow {
            self.memory.lock().add_shadow(id, shadow);
        }
        Ok(member)
    }

    /// Forgets a vCPU that did not come into being. Its number and its tables go together: else
    /// they could be those of the next with that number.
    pub(crate) fn remove_member(&self, id: u32) {
        let mut layout = self.layout.lock();
        layout.members.retain(|member| member.id != id);
        let shadow = self.memory.lock().take_shadow(id);
        drop(layout);
        // Freed without a lock.
        drop(shadow);
    }

    /// Does something with each of the vCPUs that the VM has or had.
    pub(crate) fn for_each_member(&self, mut body: impl FnMut(&Member)) {
        for member in &self.layout.lock().members {
            body(member);
        }
    }
}
