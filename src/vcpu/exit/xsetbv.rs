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
        }, //
    },
    vmx::entry::Registers, //
};

/// Answers XSETBV (SDM Vol. 2, "XSETBV - Set Extended Control Register"). The CPU has checked CPL
/// and CR4.OSXSAVE.
pub(super) fn handle(cx: &mut Context<'_>) -> Next {
    let index = cx.registers().low(Registers::RCX);
    let value = cx.registers().edx_eax();
    if index != 0 || !cx.fpu.fpu().xcr0_valid(value) {
        return cx.inject(Exception::GENERAL_PROTECTION);
    }
    cx.fpu.set_xcr0(value);
    event::skip_instruction(cx.vmcs);
    Next::Enter
}
