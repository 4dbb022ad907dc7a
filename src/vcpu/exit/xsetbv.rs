// SPDX-License-Identifier: GPL-2.0

//! XSETBV.

use crate::{
    vcpu::{
        context::{
            Context,
            Next, //
        },
        event::{
            self,
            Exception, //
        },
        paging, //
    },
    vmx::entry::Registers, //
};

/// Answers XSETBV (SDM Vol. 2, "XSETBV - Set Extended Control Register"). The CPU has checked CR4.OSXSAVE,
/// and by the SDM the CPL, too; Bochs (3.0) exits before that.
pub(super) fn handle(cx: &mut Context<'_>) -> Next {
    let index = cx.registers().low(Registers::RCX);
    let value = cx.registers().edx_eax();
    if paging::cpl(cx) != 0 || index != 0 || !cx.fpu.fpu().xcr0_valid(value) {
        return cx.inject(Exception::GENERAL_PROTECTION);
    }
    cx.fpu.set_xcr0(value);
    event::skip_instruction(cx.vmcs);
    Next::Enter
}
