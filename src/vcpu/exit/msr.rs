// SPDX-License-Identifier: GPL-2.0

//! RDMSR and WRMSR.

use crate::{
    support::uapi::minivmx_msr_exit,
    vcpu::{
        context::{
            Context,
            Next, //
        },
        msr::{
            self,
            Refusal, //
        },
        run_page::RunPage,
        state::Unanswered, //
    },
    vmx::{
        entry::Registers,
        exit::basic,
        field::*, //
    },
    x86::exception::Exception, //
};

/// Answers RDMSR.
pub(super) fn read(cx: &mut Context<'_>) -> Next {
    let index = cx.registers().low(Registers::RCX);
    match msr::read(cx, index) {
        Ok(value) => {
            set_edx_eax(cx, value);
            cx.skip()
        }
        Err(Refusal::Invalid) => cx.inject(Exception::GENERAL_PROTECTION),
        Err(Refusal::Unknown) => report(cx, false),
    }
}

/// Answers WRMSR.
pub(super) fn write(cx: &mut Context<'_>) -> Next {
    let index = cx.registers().low(Registers::RCX);
    let value = cx.registers().edx_eax();
    match msr::write(cx, index, value) {
        Ok(()) => cx.skip(),
        Err(Refusal::Invalid) => cx.inject(Exception::GENERAL_PROTECTION),
        Err(Refusal::Unknown) => report(cx, true),
    }
}

fn set_edx_eax(cx: &mut Context<'_>, value: u64) {
    let registers = cx.registers();
    // CAST: The two halves are taken apart on purpose.
    registers.set_low(Registers::RAX, value as u32);
    registers.set_low(Registers::RDX, (value >> 32) as u32);
}

/// Hands RDMSR or WRMSR to the program.
pub(super) fn report(cx: &mut Context<'_>, write: bool) -> Next {
    let registers = cx.registers();
    let index = registers.low(Registers::RCX);
    let value = if write { registers.edx_eax() } else { 0 };
    cx.guest.report.exit.msr = minivmx_msr_exit {
        index,
        fault: 0,
        value,
    };
    cx.guest.unanswered = Unanswered::Msr {
        rip: cx.vmcs.read(GUEST_RIP),
        write,
    };
    cx.report(if write { basic::WRMSR } else { basic::RDMSR })
}

/// Ends RDMSR or WRMSR with what the program answered.
pub(in crate::vcpu) fn finish(cx: &mut Context<'_>, write: bool, page: &RunPage) -> Next {
    let (fault, value) = page.msr();
    if fault {
        return cx.inject_unseen(Exception::GENERAL_PROTECTION);
    }
    if !write {
        set_edx_eax(cx, value);
    }
    cx.skip()
}

/// Answers a trapped access to an MSR; one that the driver does not keep, as the program says.
pub(in crate::vcpu) fn default(cx: &mut Context<'_>, write: bool, page: &RunPage) -> Next {
    let index = cx.registers().low(Registers::RCX);
    let value = cx.registers().edx_eax();
    let result = if write {
        msr::write(cx, index, value).map(|()| value)
    } else {
        msr::read(cx, index)
    };
    match result {
        Ok(value) if !write => {
            set_edx_eax(cx, value);
            cx.skip()
        }
        Ok(_) => cx.skip(),
        Err(Refusal::Invalid) => cx.inject(Exception::GENERAL_PROTECTION),
        Err(Refusal::Unknown) => finish(cx, write, page),
    }
}
