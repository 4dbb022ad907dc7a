// SPDX-License-Identifier: GPL-2.0

//! MOV to and from debug registers.
//!
//! Most guests do not use them, so they are the host's as a burst begins, unless DR7, which is in
//! the VMCS, enables a breakpoint. The first MOV DR exits. Then they are the guest's for the rest
//! of the burst, and the next ones do not exit. The first is done by the driver: if bursts were so
//! short that nothing else comes to its end, it would exit for ever.
//!
//! If the program wants to see each, they go on to exit. That comes before all faults of the
//! instruction (SDM Vol. 3C, "Instructions That Cause VM Exits Conditionally"). #DB exits always,
//! which leaves DR6 alone.

use crate::{
    vcpu::{
        context::{
            Context,
            Next, //
        },
        event,
        operand,
        paging, //
    },
    vmx::{
        exit::{
            basic,
            DrAccess, //
        },
        field::*, //
    },
    x86::{
        cr4,
        debug_register::{
            dr6,
            dr7, //
        },
        event::vector,
        exception::Exception, //
    }, //
};

/// Answers MOV to and from a debug register.
pub(super) fn handle(cx: &mut Context<'_>) -> Next {
    if !cx.guest.traps.contains(basic::DR_ACCESS) {
        cx.vmcs.give_debug_registers(&cx.debug.lend());
    }
    let access = DrAccess::from_raw(cx.vmcs.read(EXIT_QUALIFICATION));
    // CAST: The fields have 3 and 4 bits.
    let number = access.debug_register().get() as usize;
    let register = access.register().get() as usize;
    if let Some(exception) = fault(cx, number) {
        if exception.vector == vector::DEBUG {
            // Other than that of a breakpoint, this one pushes RF.
            event::resume_instruction(cx.vmcs);
        }
        return cx.inject(exception);
    }
    if access.from_dr() {
        let value = read(cx, number);
        operand::write(cx, register, value);
    } else if write(cx, number, operand::read(cx, register)).is_none() {
        return cx.inject(Exception::GENERAL_PROTECTION);
    }
    cx.skip()
}

/// What the instruction raises before it looks at a value.
fn fault(cx: &Context<'_>, number: usize) -> Option<Exception> {
    if matches!(number, 4 | 5) && cx.cr4() & cr4::DE != 0 {
        return Some(Exception::INVALID_OPCODE);
    }
    if paging::cpl(cx) != 0 {
        return Some(Exception::GENERAL_PROTECTION);
    }
    let dr7 = cx.vmcs.read(GUEST_DR7);
    if dr7 & dr7::GD != 0 {
        return Some(Exception::debug(dr6::BD));
    }
    None
}

fn read(cx: &Context<'_>, number: usize) -> u64 {
    match number {
        0..=3 => cx.debug.get().address[number],
        4 | 6 => cx.debug.get().dr6,
        _ => cx.vmcs.read(GUEST_DR7),
    }
}

fn write(cx: &mut Context<'_>, number: usize, value: u64) -> Option<()> {
    let mut registers = cx.debug.get();
    match number {
        0..=3 => registers.address[number] = value,
        4 | 6 => registers.dr6 = dr6::valid(value)?,
        _ => cx.vmcs.write(GUEST_DR7, dr7::valid(value)?),
    }
    cx.debug.set(registers);
    if dr7::has_breakpoints(cx.vmcs.read(GUEST_DR7)) {
        let _in_cpu = cx.debug.lend();
    }
    Some(())
}
