// SPDX-License-Identifier: GPL-2.0

//! XSETBV.

use crate::{
    vcpu::{
        context::{
            Context,
            Next, //
        },
        event,
        paging, //
    },
    vmx::entry::Registers,
    x86::exception::Exception, //
};

/// Answers XSETBV (SDM Vol. 2, "XSETBV - Set Extended Control Register"). The CPU has checked
/// CR4.OSXSAVE, and by the SDM the CPL, too; Bochs (3.0) exits before that.
pub(super) fn handle(cx: &mut Context<'_>) -> Next {
    let index = cx.registers().low(Registers::RCX);
    let allowed = paging::cpl(cx) == 0 && index == 0;
    match cx.fpu.fpu().check_xcr0(cx.registers().edx_eax()) {
        Some(xcr0) if allowed => cx.fpu.set_xcr0(xcr0),
        _ => return cx.inject(Exception::GENERAL_PROTECTION),
    }
    event::skip_instruction(cx.vmcs);
    Next::Enter
}
