// SPDX-License-Identifier: GPL-2.0

//! MOV to and from debug registers.

use crate::{
    vcpu::{
        context::{
            Context,
            Next, //
        },
        event::Exception, //
    },
    vmx::{
        exit::DrAccess,
        field::*, //
    },
    x86::{
        cr4,
        debug_register::{
            dr6,
            dr7, //
        }, //
    }, //
};

/// Answers MOV to and from a debug register.
pub(super) fn handle(cx: &mut Context<'_>) -> Next {
    let dr7 = cx.vmcs.read(GUEST_DR7);
    if dr7 & dr7::GD != 0 {
        cx.guest.debug.dr6 |= dr6::BD;
        cx.vmcs.write(GUEST_DR7, dr7 & !dr7::GD);
        return cx.inject(Exception::DEBUG);
    }
    let access = DrAccess::from_raw(cx.vmcs.read(EXIT_QUALIFICATION));
    // CAST: The fields have 3 and 4 bits.
    let number = access.debug_register().get() as usize;
    let register = access.register().get() as usize;
    if matches!(number, 4 | 5) && cx.cr4() & cr4::DE != 0 {
        return cx.inject(Exception::INVALID_OPCODE);
    }
    if access.from_dr() {
        let value = read(cx, number);
        cx.set_register(register, value);
    } else if write(cx, number, cx.register(register)).is_none() {
        return cx.inject(Exception::GENERAL_PROTECTION);
    }
    cx.skip()
}

fn read(cx: &Context<'_>, number: usize) -> u64 {
    match number {
        0..=3 => cx.guest.debug.address[number],
        4 | 6 => cx.guest.debug.dr6,
        _ => cx.vmcs.read(GUEST_DR7),
    }
}

fn write(cx: &mut Context<'_>, number: usize, value: u64) -> Option<()> {
    match number {
        0..=3 => cx.guest.debug.address[number] = value,
        4 | 6 => cx.guest.debug.dr6 = dr6::valid(value)?,
        _ => cx.vmcs.write(GUEST_DR7, dr7::valid(value)?),
    }
    if dr7::has_breakpoints(cx.vmcs.read(GUEST_DR7)) {
        // The addresses go into the CPU at the beginning of the next burst.
        cx.end_burst();
    }
    Some(())
}
