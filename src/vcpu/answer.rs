// SPDX-License-Identifier: GPL-2.0

//! What becomes of an exit that the program has: it answers by `enum minivmx_answer`.

use super::{
    context::{
        Context,
        Next, //
    },
    exit::{
        self,
        ept_violation,
        exception,
        io,
        msr, //
    },
    run_page::RunPage,
    state::{
        Guest,
        Unanswered, //
    }, //
};
use crate::{
    support::uapi::answer,
    vmx::{
        exit::{
            basic,
            has_length, //
        },
        field::*, //
    },
    x86::event::{
        Interruption,
        Waiting, //
    }, //
};
use kernel::prelude::*;

/// `EINVAL` for an answer that the exit which waits cannot have, with this event.
#[inline]
pub(crate) fn check(guest: &Guest, event: &Waiting, request: u32) -> Result {
    let possible = match request {
        answer::MINIVMX_ANSWER_FINISH => true,
        answer::MINIVMX_ANSWER_SKIP => can_skip(guest),
        answer::MINIVMX_ANSWER_DEFAULT => can_deliver(guest, event),
        _ => false,
    };
    if possible {
        Ok(())
    } else {
        Err(EINVAL)
    }
}

/// Is there an instruction to be skipped, and did the exit say how long it is?
fn can_skip(guest: &Guest) -> bool {
    let exception = || Interruption::from_raw(guest.report.exit.interruption_info);
    match guest.unanswered {
        Unanswered::Nothing | Unanswered::Raised => false,
        Unanswered::Io { .. } | Unanswered::Ins { .. } | Unanswered::Msr { .. } => true,
        Unanswered::Exception => has_length(basic::EXCEPTION_OR_NMI, 0, exception()),
        Unanswered::Other(basic) => has_length(basic, 0, Interruption::NOTHING),
    }
}

/// An exception that the driver is to give the guest takes the place of the event that waits. That
/// is right for the one whose delivery it cut short, but one of the program's would be lost.
fn can_deliver(guest: &Guest, event: &Waiting) -> bool {
    let raises = matches!(guest.unanswered, Unanswered::Exception | Unanswered::Raised);
    let cut_short = Interruption::from_raw(guest.report.exit.vectoring_info);
    !raises || event.is_nothing() || event.info.event() == cut_short.event()
}

/// Does with the exit that waits for it what the program answered, which [`check`] let pass.
///
/// If that takes a page that is not allocated yet, the exit waits on.
#[inline]
pub(crate) fn finish(cx: &mut Context<'_>, request: u32, page: &RunPage) -> Next {
    if cx.guest.unanswered == Unanswered::Nothing {
        return Next::Enter;
    }
    let exit = core::mem::replace(&mut cx.guest.unanswered, Unanswered::Nothing);
    let next = finish_exit(cx, exit, request, page);
    if matches!(next, Next::Populate(_)) {
        cx.guest.unanswered = exit;
    }
    next
}

fn finish_exit(cx: &mut Context<'_>, exit: Unanswered, request: u32, page: &RunPage) -> Next {
    match (exit, request) {
        (Unanswered::Nothing, _) => Next::Enter,
        (_, answer::MINIVMX_ANSWER_SKIP) => cx.skip(),
        (Unanswered::Io { rip }, _) if at(cx, rip) => io::finish(cx, page.io_data()),
        (Unanswered::Ins { rip }, _) if at(cx, rip) => io::finish_ins(cx, rip, page.io_data()),
        (Unanswered::Msr { write, .. }, answer::MINIVMX_ANSWER_DEFAULT) => {
            msr::default(cx, write, page)
        }
        (Unanswered::Msr { rip, write }, _) if at(cx, rip) => msr::finish(cx, write, page),
        (Unanswered::Exception, answer::MINIVMX_ANSWER_DEFAULT) => exception::deliver(cx),
        (Unanswered::Raised, answer::MINIVMX_ANSWER_DEFAULT) => cx.deliver(cx.guest.raised),
        (Unanswered::Other(basic), answer::MINIVMX_ANSWER_DEFAULT) => answer_default(cx, basic),
        _ => Next::Enter,
    }
}

fn answer_default(cx: &mut Context<'_>, basic: u32) -> Next {
    match basic {
        basic::EPT_VIOLATION => ept_violation::answer(cx),
        _ => exit::answer(cx, basic),
    }
}

/// Is the guest still at the instruction that exited?
fn at(cx: &Context<'_>, rip: u64) -> bool {
    cx.vmcs.read(GUEST_RIP) == rip
}
