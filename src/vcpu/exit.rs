// SPDX-License-Identifier: GPL-2.0

//! Every VM exit, and who answers it.
//!
//! A VM exit comes after some faults of the instruction and before the others: what the CPU has not
//! checked yet, the handler checks first. In general #UD and faults for want of privilege come
//! before the exit, and all others would have come after it (SDM Vol. 3C, "Relative Priority of
//! Faults and VM Exits", and in Vol. 2 the instruction's own page).
//!
//! | exit | the CPU has checked | the handler checks, in this order |
//! |---|---|---|
//! | CPUID | there is nothing | |
//! | HLT, INVD, WBINVD | CPL | |
//! | INVLPG | CPL | the address: does nothing if it is not canonical |
//! | RDPMC | CPL, or CR4.PCE | there is no counter: always #GP |
//! | VMCALL | nothing: it exits in all modes | CPL, operand size |
//! | MOV to CR0 | CPL | operand size; high half, NW without CD, PG without PE; IA-32e mode: CR4.PAE, CS.L, TR; PDPTEs |
//! | MOV to CR3 | CPL | operand size; bits beyond physical addresses; PDPTEs |
//! | MOV to CR4 | CPL | operand size; bits that guests do not have; PAE in IA-32e mode; PDPTEs |
//! | MOV to CR8 | CPL, 64-bit mode | more than 15 |
//! | MOV from CR3, CR8 | CPL | operand size |
//! | MOV DR, the first of a burst, or for the program | nothing | DR4 and DR5 with CR4.DE, CPL, DR7.GD; operand size; high halves of DR6 and DR7 |
//! | IN, OUT, INS, OUTS | IOPL, I/O bitmap of the TSS | INS and OUTS: segment and page, see [`io`] |
//! | RDMSR, WRMSR | CPL | whether there is the MSR; its value |
//! | XSETBV | CR4.OSXSAVE, CPL | CPL (for Bochs 3.0); index, value |
//! | MONITOR, MWAIT, VMX, SMX, SGX, TDX and other instructions that CPUID denies | CPL, or nothing | always #UD |
//! | exception | all | what comes of it within the delivery of another event |
//! | #PF with shadow paging | that it is not as the shadow tables say | the guest's own tables |
//! | EPT violation | all but memory | memory |
//! | task switch | descriptors and CPL | left to the program |
//!
//! MOV from CR0 and CR4 exits in no case, CLTS and LMSW only for a program that traps them: the CPU
//! works on the guest's bits and the shadow. A handler that carries its instruction out ends it by
//! [`Context::skip`]: RIP goes on, and is cut to 32 bits outside 64-bit mode; RF and blocking by
//! STI and MOV SS are over; TF leaves a trap pending. One that faults goes by [`Context::inject`]:
//! RIP stays, RF is set for the image, and nothing else has changed.

mod alignment_check;
mod control_register;
mod cpuid;
mod debug_register;
pub(super) mod ept_violation;
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
    entry_check,
    event,
    halt,
    state::Unanswered,
    trace,
    translation,
    trap,
    windows::Windows, //
};
use crate::{
    vmx::{
        entry,
        exit::{
            basic,
            describe_entry_failure,
            ExitReason, //
        }, //
    },
    x86::exception::Exception, //
};

/// Answers an exit, or hands it to the program.
#[inline]
pub(crate) fn handle(cx: &mut Context<'_>, reason: ExitReason) -> Next {
    let basic = reason.basic();
    cx.counters.exit(basic);
    trace::exit(cx, reason);
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
        basic::EPT_VIOLATION => ept_violation::begin(cx),
        _ => {}
    }
    cx.guest.unanswered = Unanswered::Other(basic);
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
        basic::MONITOR_TRAP_FLAG => translation::stepped(cx),
        basic::INTERRUPT_WINDOW => interrupt_window(cx),
        basic::NMI_WINDOW => nmi_window(cx),
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
        | basic::LOADIWKEY
        | basic::SEAMCALL
        | basic::TDCALL
        | basic::RDMSR_IMMEDIATE
        | basic::WRMSR_IMMEDIATE => cx.inject(Exception::INVALID_OPCODE),
        basic::TRIPLE_FAULT => cx.report(basic),
        basic::TASK_SWITCH => {
            event::redeliver(cx.vmcs, cx.guest, event::Cut::ByOther);
            cx.report(basic)
        }
        basic::EPT_MISCONFIGURATION => cx.internal_error("EPT misconfiguration"),
        // INIT and SIPI are for processors without VMX to wait for; what else there is cannot occur
        // with the controls as they are.
        _ => cx.internal_error("an exit that the controls do not ask for"),
    }
}

#[inline]
fn hlt(cx: &mut Context<'_>) -> Next {
    event::skip_instruction(cx.vmcs);
    match cx.guest.waits_at_hlt {
        true => halt::begin(cx),
        false => cx.report(basic::HLT),
    }
}

/// The end of a step on CPUs that step by it, or what the program waits for. Some CPUs open the
/// window behind STI, and yet take no NMI there. The next instruction ends that, and if interrupts
/// are still on behind it, their window opens; else the next burst looks again.
fn nmi_window(cx: &mut Context<'_>) -> Next {
    if cx.guest.translation.is_stepping() {
        return translation::stepped(cx);
    }
    if event::is_behind_sti(cx.vmcs) {
        trap::open_windows(cx, Windows::INTERRUPT);
        return Next::Enter;
    }
    cx.report(basic::NMI_WINDOW)
}

/// What the program waits for, or the window for NMIs will open, too.
fn interrupt_window(cx: &mut Context<'_>) -> Next {
    trap::renew_windows(cx);
    if cx.guest.windows_asked.interrupt() {
        cx.report(basic::INTERRUPT_WINDOW)
    } else {
        Next::Enter
    }
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
    if basic == basic::INVALID_GUEST_STATE {
        entry_check::explain_refusal(cx);
    }
    next
}
