// SPDX-License-Identifier: GPL-2.0

//! The state of a vCPU that is not in its VMCS.

use super::{
    cpuid::Cpuid,
    debug_register::DebugRegisters,
    run_page::Frame,
    shadow::ShadowState,
    switched::SwitchedMsrs,
    traps::Traps, //
};
use crate::{
    mmu::page::Stock,
    support::{
        descriptor::Descriptors,
        fpu::GuestFpu,
        uapi, //
    },
    vmx::{
        field::*,
        host::HostArea,
        vmcs::{
            CurrentVmcs,
            Vmcs, //
        }, //
    }, //
};
use kernel::prelude::*;
use zerocopy::FromZeros;

/// An exit that the program has, and that waits for its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pending {
    /// None, or one that wants no answer.
    Nothing,
    /// An I/O instruction at this RIP.
    Io {
        /// Where the instruction is.
        rip: u64,
    },
    /// RDMSR or WRMSR at this RIP.
    Msr {
        /// Where the instruction is.
        rip: u64,
        /// Is it WRMSR?
        write: bool,
    },
    /// Any other exit that can be skipped, or answered by the driver, with its basic reason.
    Other(u32),
}

/// What exit handlers change, besides the VMCS.
pub(crate) struct Guest {
    /// Number in the VM.
    pub(crate) id: u32,
    /// General registers; RIP and RFLAGS as of the beginning of the run.
    pub(crate) frame: Frame,
    /// CR2. In a burst the CPU has it.
    pub(crate) cr2: u64,
    /// Task priority.
    pub(crate) cr8: u64,
    /// Debug registers but DR7.
    pub(crate) debug: DebugRegisters,
    /// What CPUID answers.
    pub(crate) cpuid: Cpuid,
    /// Exits that the program wants to see.
    pub(crate) traps: Traps,
    /// Pages for page tables.
    pub(crate) stock: Stock,
    /// Tag of its translations.
    pub(crate) vpid: Option<u16>,
    /// With shadow paging, what it takes.
    pub(crate) shadow: Option<ShadowState>,
    /// Does it run without the detection of split locks?
    pub(crate) splits_locks: bool,
    /// Is an instruction being single-stepped for the driver?
    pub(crate) stepping: bool,
    /// What the program is told of an exit.
    pub(crate) report: uapi::minivmx_run,
    /// Has the report words?
    pub(crate) has_cause: bool,
    /// The exit that waits for an answer.
    pub(crate) pending: Pending,
}

impl Guest {
    /// The guest's time-stamp counter.
    pub(crate) fn tsc(&self, vmcs: &CurrentVmcs<'_>) -> u64 {
        host_tsc().wrapping_add(vmcs.read(TSC_OFFSET))
    }

    /// Sets the guest's time-stamp counter.
    pub(crate) fn set_tsc(&self, vmcs: &CurrentVmcs<'_>, value: u64) {
        vmcs.write(TSC_OFFSET, value.wrapping_sub(host_tsc()));
    }

    /// The guest-physical address of an exit: the CPU has the field with EPT.
    pub(crate) fn physical_address(&self, vmcs: &CurrentVmcs<'_>) -> u64 {
        match self.shadow {
            Some(_) => 0,
            None => vmcs.read(GUEST_PHYSICAL_ADDRESS),
        }
    }

    /// IA32_EFER as the guest reads it.
    pub(crate) fn efer(&self, vmcs: &CurrentVmcs<'_>) -> u64 {
        match &self.shadow {
            Some(state) => state.efer,
            None => vmcs.read(GUEST_EFER),
        }
    }

    /// Says the exit in words.
    pub(crate) fn set_cause(&mut self, cause: &str) {
        let report = &mut self.report.cause;
        report.fill(0);
        // The last byte stays 0.
        let room = report.len().saturating_sub(1);
        for (to, from) in report.iter_mut().take(room).zip(cause.bytes()) {
            *to = from;
        }
        self.has_cause = true;
    }

    /// What [`Self::set_cause`] said.
    pub(crate) fn cause(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.report.cause).unwrap_or_default()
    }
}

/// State of a vCPU, for the holder of its mutex.
pub(crate) struct State {
    /// The VMCS.
    pub(crate) vmcs: Vmcs,
    /// Has the VMCS its controls and the guest's state?
    pub(crate) configured: bool,
    /// What the host-state area holds.
    pub(crate) host: HostArea,
    /// Room for the host's descriptor tables and selectors during a burst.
    pub(crate) descriptors: Descriptors,
    /// The CPU of the last burst.
    pub(crate) last_cpu: Option<usize>,
    /// FPU registers.
    pub(crate) fpu: GuestFpu,
    /// MSRs that the VMCS does not hold.
    pub(crate) switched: SwitchedMsrs,
    /// The rest.
    pub(crate) guest: Guest,
}

impl State {
    /// A vCPU before its first burst.
    pub(crate) fn new(
        id: u32,
        revision: u32,
        vpid: Option<u16>,
        shadow_paging: bool,
    ) -> Result<Self> {
        Ok(Self {
            vmcs: Vmcs::new(revision)?,
            configured: false,
            host: HostArea::default(),
            descriptors: Descriptors::default(),
            last_cpu: None,
            fpu: GuestFpu::new()?,
            switched: SwitchedMsrs::default(),
            guest: Guest {
                id,
                frame: Frame::default(),
                cr2: 0,
                cr8: 0,
                debug: DebugRegisters::default(),
                cpuid: Cpuid::default(),
                traps: Traps::default(),
                stock: Stock::default(),
                vpid,
                shadow: shadow_paging.then(ShadowState::new),
                splits_locks: false,
                stepping: false,
                report: uapi::minivmx_run::new_zeroed(),
                has_cause: true,
                pending: Pending::Nothing,
            },
        })
    }
}

/// Reads the time-stamp counter.
pub(crate) fn host_tsc() -> u64 {
    crate::support::cpu::tsc()
}
