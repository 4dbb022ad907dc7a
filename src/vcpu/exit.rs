// SPDX-License-Identifier: GPL-2.0

//! Every VM exit, and who answers it.

mod alignment_check;
mod control_register;
mod cpuid;
mod debug_register;
mod ept_violation;
pub(super) mod exception;
mod hypercall;
mod invlpg;
pub(super) mod io;
pub(super) mod msr;
mod xsetbv;

use super::{
    context::{
        Context,
        Next, //
    },
    event::{
        self,
        Exception, //
    },
    state::Pending,
    translation, //
};
use crate::vmx::{
    entry,
    exit::{
        basic,
        describe_entry_failure,
        ExitReason, //
    }, //
};

/// Answers an exit, or hands it to the program.
#[inline]
pub(crate) fn handle(cx: &mut Context<'_>, reason: ExitReason) -> Next {
    let basic = reason.basic();
    cx.counters.exit(basic);
    if reason.entry_failure() {
        return entry_failure(cx, basic);
    }
    if cx.guest.traps.contains(basic) {
        return trapped(cx, basic);
    }
    answer(cx, basic)
}

/// Hands an exit that the driver could answer to the program.
fn trapped(cx: &mut Context<'_>, basic: u32) -> Next {
    match basic {
        basic::RDMSR => return msr::report(cx, false),
        basic::WRMSR => return msr::report(cx, true),
        _ => {}
    }
    cx.guest.pending = Pending::Other(basic);
    cx.report(basic)
}

/// Answers an exit as if it were not trapped; these are the frequent ones.
#[inline]
pub(super) fn answer(cx: &mut Context<'_>, basic: u32) -> Next {
    match basic {
        basic::EXTERNAL_INTERRUPT | basic::PREEMPTION_TIMER => Next::Pause,
        basic::CPUID => cpuid::handle(cx),
        basic::VMCALL => hypercall::handle(cx),
        basic::EPT_VIOLATION => ept_violation::handle(cx),
        basic::IO => io::handle(cx),
        basic::HLT => hlt(cx),
        _ => answer_rare(cx, basic),
    }
}

/// Answers the others: apart, so that the frequent ones need not make room on the stack for these.
#[inline(never)]
fn answer_rare(cx: &mut Context<'_>, basic: u32) -> Next {
    match basic {
        basic::RDMSR => msr::read(cx),
        basic::WRMSR => msr::write(cx),
        basic::CR_ACCESS => control_register::handle(cx),
        basic::INVLPG => invlpg::handle(cx),
        basic::MONITOR_TRAP_FLAG | basic::NMI_WINDOW => translation::stepped(cx),
        basic::DR_ACCESS => debug_register::handle(cx),
        basic::XSETBV => xsetbv::handle(cx),
        basic::EXCEPTION_OR_NMI => exception::handle(cx),
        // Nothing for the guest to see: its caches are the host's, and waiting is over at once.
        basic::INVD | basic::WBINVD | basic::PAUSE => cx.skip(),
        // There are no performance counters.
        basic::RDPMC => cx.inject(Exception::GENERAL_PROTECTION),
        // Instructions that guests do not have, by what CPUID says.
        basic::GETSEC
        | basic::RSM
        | basic::VMCLEAR
        | basic::VMLAUNCH
        | basic::VMPTRLD
        | basic::VMPTRST
        | basic::VMREAD
        | basic::VMRESUME
        | basic::VMWRITE
        | basic::VMXOFF
        | basic::VMXON
        | basic::MONITOR
        | basic::MWAIT
        | basic::INVEPT
        | basic::INVVPID
        | basic::INVPCID
        | basic::RDTSCP
        | basic::VMFUNC
        | basic::ENCLS
        | basic::ENCLV
        | basic::XSAVES
        | basic::XRSTORS
        | basic::PCONFIG
        | basic::UMWAIT
        | basic::TPAUSE
        | basic::LOADIWKEY => cx.inject(Exception::INVALID_OPCODE),
        basic::TRIPLE_FAULT | basic::TASK_SWITCH => cx.report(basic),
        basic::EPT_MISCONFIGURATION => cx.internal_error("EPT misconfiguration"),
        // INIT and SIPI are for processors without VMX to wait for; what else there is cannot occur
        // with the controls as they are.
        _ => cx.internal_error("an exit that the controls do not ask for"),
    }
}

#[inline]
fn hlt(cx: &mut Context<'_>) -> Next {
    event::skip_instruction(cx.vmcs);
    cx.report(basic::HLT)
}

#[cold]
fn entry_failure(cx: &mut Context<'_>, basic: u32) -> Next {
    // Else the next machine check would find this one unhandled, and shut the machine down.
    entry::deliver_host_event(cx.vmcs);
    let next = cx.report(basic);
    cx.guest.report.exit.entry_failure = 1;
    let qualification = cx.guest.report.exit.qualification;
    cx.guest
        .report
        .set_cause(describe_entry_failure(basic, qualification));
    next
}
