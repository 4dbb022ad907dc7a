// SPDX-License-Identifier: GPL-2.0

//! What becomes of an exit that the program has: it answers by `enum minivmx_answer`.

use super::{
    context::{
        Context,
        Next, //
    },
    exit::{
        self,
        exception,
        io,
        msr, //
    },
    run_page::RunPage,
    state::Pending, //
};
use crate::{
    support::uapi::answer,
    vmx::{
        exit::basic,
        field::*, //
    }, //
};

/// Does with the exit that waits for it what the program answered.
///
/// If that takes a page that is not allocated yet, the exit waits on.
#[inline]
pub(crate) fn finish(cx: &mut Context<'_>, request: u32, page: &RunPage) -> Next {
    if cx.guest.pending == Pending::Nothing {
        return Next::Enter;
    }
    let pending = core::mem::replace(&mut cx.guest.pending, Pending::Nothing);
    let next = finish_pending(cx, pending, request, page);
    if matches!(next, Next::Populate(_)) && cx.guest.pending == Pending::Nothing {
        cx.guest.pending = pending;
    }
    next
}

fn finish_pending(cx: &mut Context<'_>, pending: Pending, request: u32, page: &RunPage) -> Next {
    match (pending, request) {
        (Pending::Nothing, _) => Next::Enter,
        (_, answer::MINIVMX_ANSWER_SKIP) => cx.skip(),
        (Pending::Other(basic::EXCEPTION_OR_NMI), answer::MINIVMX_ANSWER_DEFAULT) => {
            exception::deliver(cx)
        }
        (Pending::Other(basic), answer::MINIVMX_ANSWER_DEFAULT) => exit::answer(cx, basic),
        (Pending::Other(_), _) => Next::Enter,
        (Pending::Io { rip }, _) if at(cx, rip) => io::finish(cx, page.io_data()),
        (Pending::Io { .. }, _) => Next::Enter,
        (Pending::Ins { rip }, _) if at(cx, rip) => io::finish_ins(cx, rip, page.io_data()),
        (Pending::Ins { .. }, _) => Next::Enter,
        (Pending::Msr { write, .. }, answer::MINIVMX_ANSWER_DEFAULT) => {
            msr::default(cx, write, page)
        }
        (Pending::Msr { rip, write }, _) if at(cx, rip) => msr::finish(cx, write, page),
        (Pending::Msr { .. }, _) => Next::Enter,
    }
}

/// Is the guest still at the instruction that exited?
fn at(cx: &Context<'_>, rip: u64) -> bool {
    cx.vmcs.read(GUEST_RIP) == rip
}
