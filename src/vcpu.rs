// SPDX-License-Identifier: GPL-2.0

//! A vCPU.
//!
//! Its files are floors, each of which knows only those before it:
//!  1. `state` is data, and `run_page` what of it the program shares, such as the `windows` that it
//!     waits
//!     for.
//!  2. `tlb` drops translations; `context` is what there is to work with in a burst; `event`,
//!     `paging`, `operand` and `memory` are what every answer to an exit is made of; `trap` has
//!     more exits for the program, and `trace` tells tracepoints.
//!  3. `translation` is the one place that knows whether addresses are translated by EPT or by
//!     shadow tables. `linear`, `msr` and `guest_fields` stand on it, and `setup` writes a VMCS at
//!     its first use.
//!  4. `entry_check` holds the guest against the rules of VM entries. `exit` answers VM exits, with
//!     a file for
//!     each kind, `answer` ends those that the program answers, and `halt` is what comes of HLT.
//!  5. `burst` makes the CPU the guest's for a moment, and `run` does that until the program has to
//!     do something, within an `allowance` each, and until its `deadline`; `check` does it to see
//!     whether the guest could run, and `inspect` to show how an address is translated.

pub(crate) mod run_page;
pub(crate) mod state;
mod windows;

mod tlb;

pub(crate) mod context;
mod event;
mod memory;
mod operand;
mod paging;
mod trace;
pub(crate) mod trap;

pub(crate) mod guest_fields;
mod linear;
pub(crate) mod msr;
pub(crate) mod segments;
pub(crate) mod setup;
pub(crate) mod translation;

mod answer;
mod entry_check;
mod exit;
mod halt;

mod allowance;
mod burst;
mod check;
mod deadline;
pub(crate) mod inspect;
mod run;

use self::{
    deadline::Deadline,
    run_page::RunPage,
    state::State, //
};
use crate::{
    machine::Machine,
    mmu::tags::Tags,
    support::try_lock::TryLock,
    vm::{
        Member,
        Vm, //
    },
    vmx::mitigation::Branches, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// A vCPU. Who finds its state taken gets `EBUSY`.
#[pin_data(PinnedDrop)]
pub(crate) struct Vcpu {
    /// The VM that it is of.
    pub(crate) vm: Arc<Vm>,
    /// What the VM knows of it.
    pub(crate) member: Arc<Member>,
    /// What it shares with the program.
    pub(crate) page: RunPage,
    vpid: Option<u16>,
    branches: Branches,
    /// The rest.
    pub(crate) state: TryLock<State>,
}

impl Vcpu {
    /// Makes a vCPU in its state after power-up.
    pub(crate) fn new(vm: Arc<Vm>, member: Arc<Member>, id: u32) -> Result<Arc<Self>> {
        let capabilities = &vm.machine.capabilities;
        let page = RunPage::new()?;
        setup::initial(&page);
        let vpid = match capabilities.vpid_extent() {
            Some(_) => vm.machine.vpids.take()?,
            None => None,
        };
        let state = setup::execution(&vm, vpid).and_then(|execution| {
            State::new(
                vm.machine.identity(id),
                capabilities.revision(),
                execution,
                Tags::new(vm.eptp, vpid),
                vm.mmu.is_shadow(),
                Deadline::new(member.clone())?,
            )
        });
        let machine = vm.machine.clone();
        Arc::pin_init(
            try_pin_init!(Self {
                vm,
                member,
                page,
                vpid,
                branches: Branches::of_new_vcpu(),
                state: TryLock::new(state?),
            }),
            GFP_KERNEL_ACCOUNT,
        )
        .inspect_err(|_| give_back(&machine, vpid))
    }
}

fn give_back(machine: &Machine, vpid: Option<u16>) {
    if let Some(vpid) = vpid {
        machine.vpids.give_back(vpid);
    }
}

#[pinned_drop]
impl PinnedDrop for Vcpu {
    fn drop(self: Pin<&mut Self>) {
        // Its translations stay in TLBs: whoever gets the VPID next flushes before the first entry.
        give_back(&self.vm.machine, self.vpid);
    }
}
