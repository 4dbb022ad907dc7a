// SPDX-License-Identifier: GPL-2.0

//! The state of a vCPU that is not in its VMCS: data, which knows nothing of who works with it.

mod cpuid;
mod delivery;
mod operand;
mod report;
mod switched;
mod translation;
mod traps;
mod unanswered;

pub(crate) use self::{
    cpuid::{
        Cpuid,
        CpuidEntry, //
    },
    delivery::Delivery,
    operand::Operand,
    switched::{
        lend_efer,
        lend_split_locks,
        Needed,
        SwitchedMsrs, //
    },
    translation::{
        Standing,
        Translation, //
    },
    traps::{
        Traps,
        TRAPPABLE, //
    },
    unanswered::{
        Transfer,
        Unanswered, //
    }, //
};

use self::{
    report::Report, //
};
use super::{
    deadline::Deadline,
    run_page::Frame,
    windows::Windows, //
};
use crate::{
    machine::cpuid::Identity,
    mmu::{
        page::Stock,
        tags::Tags, //
    },
    support::{
        cpu,
        debug_register::{
            DebugRegisters,
            SwitchedDebugRegisters, //
        },
        descriptor::Descriptors,
        fpu::GuestFpu, //
    },
    vmx::{
        execution::Execution,
        field::*,
        inactive::Vmcs,
        vmcs::CurrentVmcs, //
    },
    x86::{
        debug_register::dr6,
        event::Waiting,
        exception::Exception, //
    }, //
};
use kernel::prelude::*;

/// What exit handlers change, besides the VMCS.
pub(crate) struct Guest {
    /// What CPUID tells it of itself.
    pub(crate) identity: Identity,
    /// General registers; RIP and RFLAGS as of the beginning of the run.
    pub(crate) frame: Frame,
    /// CR2. In a burst the CPU has it.
    pub(crate) cr2: u64,
    /// Task priority.
    pub(crate) cr8: u64,
    /// What CPUID answers.
    pub(crate) cpuid: Cpuid,
    /// Exits that the program wants to see.
    pub(crate) traps: Traps,
    /// Pages for page tables.
    pub(crate) stock: Stock,
    /// Tags of its translations.
    pub(crate) tags: Tags,
    /// How its addresses are translated.
    pub(crate) translation: Translation,
    /// What there is to do before the next VM entry.
    pub(crate) standing: Standing,
    /// Does it run without the detection of split locks, in the next burst that enters it?
    pub(crate) splits_lock: bool,
    /// What the next VM entry delivers. While the vCPU does not run, the run page has it.
    pub(crate) event: Waiting,
    /// Windows that the program asks for: exits as soon as the guest can take such an event.
    pub(crate) windows_asked: Windows,
    /// Windows that the VMCS has, to which the driver may have added its own.
    pub(crate) windows_set: Windows,
    /// Does the program let it wait at HLT?
    pub(crate) waits_at_hlt: bool,
    /// What the guest can take where it is. Up to date between bursts.
    pub(crate) ready: Windows,
    /// The delivery that was begun last.
    pub(crate) delivery: Delivery,
    /// What the program is told of an exit.
    pub(crate) report: Report,
    /// The exit that waits for an answer.
    pub(crate) unanswered: Unanswered,
    /// What belongs to it if it is an I/O instruction.
    pub(crate) transfer: Transfer,
    /// The exception that it is if the driver raised it.
    pub(crate) raised: Exception,
    /// How many VM entries there were when the rules were held against one; none since the program
    /// may have changed something.
    pub(crate) checked: Option<u64>,
}

impl Guest {
    /// The guest's time-stamp counter.
    pub(crate) fn tsc(&self, vmcs: &CurrentVmcs<'_>) -> u64 {
        cpu::tsc().wrapping_add(vmcs.read(TSC_OFFSET))
    }

    /// Sets the guest's time-stamp counter.
    pub(crate) fn set_tsc(&self, vmcs: &CurrentVmcs<'_>, value: u64) {
        vmcs.write(TSC_OFFSET, value.wrapping_sub(cpu::tsc()));
    }
}

/// State of a vCPU, for the holder of its lock.
pub(crate) struct State {
    /// The VMCS.
    pub(crate) vmcs: Vmcs,
    /// Has the VMCS the state after power-up?
    pub(crate) configured: bool,
    /// Room for the host's descriptor tables and selectors during a burst.
    pub(crate) descriptors: Descriptors,
    /// FPU registers.
    pub(crate) fpu: GuestFpu,
    /// MSRs that the VMCS does not hold.
    pub(crate) switched: SwitchedMsrs,
    /// Debug registers but DR7, which the VMCS holds.
    pub(crate) debug: SwitchedDebugRegisters,
    /// When a run is to end.
    pub(crate) deadline: Deadline,
    /// The rest.
    pub(crate) guest: Guest,
}

impl State {
    /// A vCPU before its first burst.
    pub(crate) fn new(
        identity: Identity,
        revision: u32,
        execution: Execution,
        tags: Tags,
        shadow_paging: bool,
        deadline: Deadline,
    ) -> Result<Self> {
        Ok(Self {
            vmcs: Vmcs::new(revision, execution)?,
            configured: false,
            descriptors: Descriptors::default(),
            fpu: GuestFpu::new()?,
            switched: SwitchedMsrs::default(),
            debug: SwitchedDebugRegisters::new(DebugRegisters {
                address: [0; 4],
                dr6: dr6::FIXED,
            }),
            deadline,
            guest: Guest {
                identity,
                frame: Frame::default(),
                cr2: 0,
                cr8: 0,
                cpuid: Cpuid::default(),
                traps: Traps::default(),
                stock: Stock::default(),
                tags,
                translation: Translation::new(shadow_paging),
                standing: Standing::Unchecked,
                event: Waiting::NOTHING,
                windows_asked: Windows::NONE,
                waits_at_hlt: false,
                windows_set: Windows::NONE,
                ready: Windows::NONE,
                delivery: Delivery::NOTHING,
                report: Report::new(),
                splits_lock: false,
                unanswered: Unanswered::Nothing,
                transfer: Transfer::new(),
                raised: Exception::INVALID_OPCODE,
                checked: None,
            },
        })
    }
}
