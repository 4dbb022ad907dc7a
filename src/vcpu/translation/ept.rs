// SPDX-License-Identifier: GPL-2.0

//! A vCPU with EPT: the CPU translates the guest's addresses by the guest's own registers.

use super::ia32e_mode;
use crate::{
    vcpu::context::Context,
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
