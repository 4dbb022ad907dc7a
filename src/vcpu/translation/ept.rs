// SPDX-License-Identifier: GPL-2.0

//! A vCPU with EPT: the CPU translates the guest's addresses by the guest's own registers.

use super::ia32e_mode;
use crate::{
    mmu::guest_walk::{
        self,
        Mode,
        PhysicalMemory, //
    },
    vcpu::{
        context::Context,
        paging, //
    },
    vmx::field::*, //
};

pub(super) fn set_efer(cx: &Context<'_>, value: u64) {
    ia32e_mode::write(cx.vmcs, value);
    cx.vmcs.write(GUEST_EFER, value);
}

pub(super) fn pat(cx: &Context<'_>) -> Option<u64> {
    let switched = cx.vm.machine.capabilities.switches_pat();
    switched.then(|| cx.vmcs.read(GUEST_PAT))
}

pub(super) fn set_pat(cx: &Context<'_>, value: u64) -> Option<()> {
    let switched = cx.vm.machine.capabilities.switches_pat();
    switched.then(|| cx.vmcs.write(GUEST_PAT, value))
}

pub(super) fn reset(cx: &Context<'_>, cr3: u64) {
    cx.vmcs.write(GUEST_CR3, cr3);
    if paging::mode(cx.cr0(), cx.cr4(), cx.efer()) == Mode::Pae {
        load_pdptes(cx, cr3);
    }
}

/// Loads what a load of CR3 reads with PAE paging. A VM entry takes it from the VMCS, and fails if a
/// processor cannot have it.
fn load_pdptes(cx: &Context<'_>, cr3: u64) {
    let memory = cx.vm.memory.lock();
    for (field, gpa) in GUEST_PDPTES.into_iter().zip(guest_walk::pdptes_at(cr3)) {
        // Memory that nobody has written to is zero, and where there is none, nothing is mapped.
        cx.vmcs.write(field, memory.ram().read(gpa).unwrap_or(0));
    }
}
