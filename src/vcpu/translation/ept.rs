// SPDX-License-Identifier: GPL-2.0

//! A vCPU with EPT: the CPU translates the guest's addresses by the guest's own registers.

use super::ia32e_mode;
use crate::{
    mmu::{
        address::{
            Gpa,
            Gva, //
        },
        guest_walk::Access, //
    },
    vcpu::{
        context::Context,
        trace, //
    },
    vmx::field::*, //
};

pub(super) fn load_cr3(cx: &Context<'_>, value: u64) {
    cx.vmcs.write(GUEST_CR3, value);
    cx.flush_guest_tlb();
}

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

/// A page fault exits for a program only that wants to see it, and is always the guest's own.
pub(super) fn tell_of_page_fault(cx: &Context<'_>) {
    let address = Gva::new(cx.vmcs.read(EXIT_QUALIFICATION));
    let access = Access::of_fault(cx.vmcs.read(EXIT_INTERRUPTION_ERROR_CODE), false, false);
    let told = trace::PageFault { address, access };
    told.tell(cx, trace::FAULT_GUEST, trace::ACTION_REPORT, Gpa::new(0));
}
