// SPDX-License-Identifier: GPL-2.0

//! Where a vCPU has the registers that translation depends on.
//!
//! With EPT they are the guest's own, in the VMCS. With shadow paging the CPU translates by the
//! shadow tables, so some hold something else than the guest wrote there: CR3 has the root of the
//! shadow, CR0.PG, CR0.WP, CR4.PAE and IA32_EFER.NXE are 1. What the guest wrote is in
//! [`ShadowState`] and in the read shadows of CR0 and CR4.

use crate::{
    mmu::{
        guest_walk::{
            Mode,
            Paging, //
        },
        shadow::Written, //
    },
    vmx::{
        field::*,
        vmcs::CurrentVmcs, //
    },
    x86::pat, //
};

/// How a vCPU's addresses are translated, and what that takes besides the VMCS.
pub(crate) enum Translation {
    /// By EPT, from guest-physical addresses.
    Ept,
    /// By shadow tables.
    Shadow(ShadowState),
}

/// What the guest has in registers that hold something else.
pub(crate) struct ShadowState {
    /// CR3.
    pub(crate) cr3: u64,
    /// IA32_EFER.
    pub(crate) efer: u64,
    /// IA32_PAT, which shadow entries do not use: guest memory is cached as all memory is.
    pub(crate) pat: u64,
    /// How it translates, with the entries that a load of CR3 reads for PAE paging.
    pub(crate) paging: Paging,
    /// Error code of the guest's own page fault that waits for the program.
    pub(crate) fault_code: u32,
    /// Is an instruction being single-stepped for the driver?
    pub(crate) stepping: bool,
    /// If so, what it may write.
    pub(crate) step_writes: Written,
    /// If so, where the CPU has no monitor trap flag.
    pub(crate) before_step: BeforeStep,
}

/// What a step changes that is the guest's.
#[derive(Clone, Copy, Default)]
pub(crate) struct BeforeStep {
    /// Interruptibility state.
    pub(crate) interruptibility: u32,
    /// Pending debug exceptions.
    pub(crate) pending_debug: u64,
    /// Is it the delivery of an event that is stepped?
    pub(crate) delivers: bool,
    /// Is it an IRET, which ends the blocking of NMIs?
    pub(crate) unblocks_nmis: bool,
}

/// What there is to do before a VM entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    /// The program set the registers: whether they fit together has not been checked yet.
    Unchecked,
    /// The shadow may want another root or a flush.
    Changed,
    /// Nothing.
    Ready,
}

impl Standing {
    /// Something in the shadow may have changed: it is looked at before the next VM entry.
    pub(crate) fn set_changed(&mut self) {
        if *self == Self::Ready {
            *self = Self::Changed;
        }
    }

    /// What had changed the CPU knows by now.
    pub(crate) fn set_ready(&mut self) {
        if *self == Self::Changed {
            *self = Self::Ready;
        }
    }
}

/// No paging, as after power-up.
const NO_PAGING: Paging = Paging {
    mode: Mode::Off,
    cr3: 0,
    pdptes: Some([0; 4]),
    write_protect: false,
    no_execute: false,
    smep: false,
    smap: false,
    physical_bits: 0,
    pages_1g: false,
};

impl ShadowState {
    /// After power-up.
    fn new() -> Self {
        Self {
            cr3: 0,
            efer: 0,
            pat: pat::AFTER_RESET,
            paging: NO_PAGING,
            fault_code: 0,
            stepping: false,
            step_writes: Written::Anything,
            before_step: BeforeStep::default(),
        }
    }
}

impl Translation {
    /// After power-up.
    pub(super) fn new(shadow_paging: bool) -> Self {
        if shadow_paging {
            Self::Shadow(ShadowState::new())
        } else {
            Self::Ept
        }
    }

    /// What shadow paging takes.
    pub(crate) fn shadow(&mut self) -> Option<&mut ShadowState> {
        match self {
            Self::Ept => None,
            Self::Shadow(state) => Some(state),
        }
    }

    /// An event is about to be delivered: if a step was begun, that is what is stepped, with all
    /// that it pushes.
    pub(crate) fn deliver_in_step(&mut self) {
        if let Self::Shadow(state) = self {
            state.step_writes = Written::Anything;
        }
    }

    /// Is an instruction being single-stepped for the driver?
    pub(crate) fn is_stepping(&self) -> bool {
        matches!(self, Self::Shadow(state) if state.stepping)
    }

    /// CR3 as the guest reads it.
    pub(crate) fn cr3(&self, vmcs: &CurrentVmcs<'_>) -> u64 {
        match self {
            Self::Ept => vmcs.read(GUEST_CR3),
            Self::Shadow(state) => state.cr3,
        }
    }

    /// IA32_EFER as the guest reads it.
    pub(crate) fn efer(&self, vmcs: &CurrentVmcs<'_>) -> u64 {
        match self {
            Self::Ept => vmcs.read(GUEST_EFER),
            Self::Shadow(state) => state.efer,
        }
    }

    /// The guest-physical address of an exit: the CPU has the field with EPT.
    pub(crate) fn physical_address(&self, vmcs: &CurrentVmcs<'_>) -> u64 {
        match self {
            Self::Ept => vmcs.read(GUEST_PHYSICAL_ADDRESS),
            Self::Shadow(_) => 0,
        }
    }
}
