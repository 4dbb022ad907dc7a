// SPDX-License-Identifier: GPL-2.0

//! The guest's debug registers.
//!
//! DR7 is in the VMCS. DR0 to DR3 matter only while DR7 enables a breakpoint; only then are they in
//! the CPU. DR6 never is: #DB exits, and a VM exit for it leaves DR6 alone. So the host's debug
//! registers are the guest's only during bursts of guests that are being debugged.

use super::{
    context::{
        Context,
        Next, //
    },
    event::{
        self,
        Exception, //
    }, //
};
use crate::vmx::{
    exit::DrAccess,
    field::*, //
};

/// Bits of DR6 that read as 1 (SDM Vol. 3B, "Debug Status Register (DR6)").
const DR6_FIXED: u64 = 0xffff_0ff0;
/// B0 to B3, BD, BS: what the exit qualification of #DB has in the place that DR6 has it.
const DR6_CAUSES: u64 = 0x600f;
/// B0 to B3: set anew by each #DB.
const DR6_BREAKPOINTS: u64 = 0xf;
/// BD: access to a debug register while DR7.GD is 1.
const DR6_BD: u64 = 1 << 13;
/// L0 to G3: any breakpoint enabled.
const DR7_ENABLED: u64 = 0xff;
/// GD: accesses to debug registers raise #DB.
const DR7_GD: u64 = 1 << 13;
/// Bit 10 of DR7 reads as 1.
const DR7_FIXED: u64 = 1 << 10;
/// Bits of DR7 that are reserved and read as 0.
const DR7_ZERO: u64 = 0xd000;
/// CR4.DE: DR4 and DR5 do not exist.
const CR4_DE: u64 = 1 << 3;

/// DR0 to DR3 and DR6.
pub(crate) struct DebugRegisters {
    /// Addresses of breakpoints.
    pub(crate) address: [u64; 4],
    /// Debug status.
    pub(crate) dr6: u64,
}

impl Default for DebugRegisters {
    fn default() -> Self {
        Self {
            address: [0; 4],
            dr6: DR6_FIXED,
        }
    }
}

/// Does this DR7 enable a breakpoint?
pub(crate) fn has_breakpoints(dr7: u64) -> bool {
    dr7 & DR7_ENABLED != 0
}

/// DR7 as the CPU keeps it, if it can have this value.
pub(crate) fn valid_dr7(value: u64) -> Option<u64> {
    (value >> 32 == 0).then_some(value & !DR7_ZERO | DR7_FIXED)
}

/// DR6 as the CPU keeps it, if it can have this value.
pub(crate) fn valid_dr6(value: u64) -> Option<u64> {
    (value >> 32 == 0).then_some(value & (DR6_CAUSES | 1 << 15) | DR6_FIXED)
}

/// Answers MOV to and from a debug register.
pub(crate) fn handle(cx: &mut Context<'_>) -> Next {
    let dr7 = cx.vmcs.read(GUEST_DR7);
    if dr7 & DR7_GD != 0 {
        cx.guest.debug.dr6 |= DR6_BD;
        cx.vmcs.write(GUEST_DR7, dr7 & !DR7_GD);
        return cx.inject(Exception::DEBUG);
    }
    let access = DrAccess::from_raw(cx.vmcs.read(EXIT_QUALIFICATION));
    // CAST: The fields have 3 and 4 bits.
    let number = access.debug_register().get() as usize;
    let register = access.register().get() as usize;
    if matches!(number, 4 | 5) && cx.cr4_rules().get(cx.vmcs) & CR4_DE != 0 {
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
        4 | 6 => cx.guest.debug.dr6 = valid_dr6(value)?,
        _ => cx.vmcs.write(GUEST_DR7, valid_dr7(value)?),
    }
    if has_breakpoints(cx.vmcs.read(GUEST_DR7)) {
        // The addresses go into the CPU at the beginning of the next burst.
        cx.end_burst();
    }
    Some(())
}

/// Hands the guest its #DB, with the DR6 that the CPU would have left.
pub(crate) fn deliver(cx: &mut Context<'_>) -> Next {
    let causes = cx.vmcs.read(EXIT_QUALIFICATION) & DR6_CAUSES;
    let debug = &mut cx.guest.debug;
    debug.dr6 = debug.dr6 & !DR6_BREAKPOINTS | causes | DR6_FIXED;
    let dr7 = cx.vmcs.read(GUEST_DR7);
    cx.vmcs.write(GUEST_DR7, dr7 & !DR7_GD);
    event::reflect(cx.vmcs);
    cx.count_injection();
    Next::Enter
}
