// SPDX-License-Identifier: GPL-2.0

//! Single-stepping: one instruction of the guest is carried out by itself, with what the shadow tables
//! grant it, and nothing of that is left for the next.

use super::{
    context::{
        Context,
        Next, //
    },
    shadow, //
};
use crate::vmx::{
    controls::Primary,
    field::*, //
};

/// The next instruction is the one.
pub(crate) fn begin(cx: &mut Context<'_>) {
    if !core::mem::replace(&mut cx.guest.stepping, true) {
        set_monitor_trap_flag(cx, true);
    }
}

/// Ends what was granted, if a step was begun.
pub(crate) fn end(cx: &mut Context<'_>) {
    if core::mem::take(&mut cx.guest.stepping) {
        set_monitor_trap_flag(cx, false);
        shadow::with(cx, |shadow, ram, _| shadow.end_step(ram));
    }
}

/// Answers the exit after the instruction.
pub(crate) fn monitor_trap(cx: &mut Context<'_>) -> Next {
    end(cx);
    Next::Enter
}

fn set_monitor_trap_flag(cx: &Context<'_>, set: bool) {
    let controls = cx.vmcs.read(PRIMARY_CONTROLS) & !Primary::MONITOR_TRAP_FLAG.raw();
    let flag = if set {
        Primary::MONITOR_TRAP_FLAG.raw()
    } else {
        0
    };
    cx.vmcs.write(PRIMARY_CONTROLS, controls | flag);
}
