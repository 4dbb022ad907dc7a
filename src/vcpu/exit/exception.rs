// SPDX-License-Identifier: GPL-2.0

//! Exceptions that exit, NMIs and machine checks: the host's, the program's, or the guest's.

use super::alignment_check;
use crate::{
    vcpu::{
        context::{
            Context,
            Next, //
        },
        event,
        translation, //
    },
    vmx::{
        entry,
        field::*, //
    },
    x86::event::{
        kind,
        vector,
        Interruption, //
    }, //
};

/// Answers an exit for an exception or an NMI.
pub(super) fn handle(cx: &mut Context<'_>) -> Next {
    let info = Interruption::from_raw(cx.vmcs.read(EXIT_INTERRUPTION_INFO));
    event::redeliver(cx.vmcs, cx.guest, event::Cut::ByException);
    let number = info.vector().get();
    if info.kind().get() == kind::NMI || info.is(vector::MACHINE_CHECK) {
        entry::deliver_host_event(cx.vmcs);
        return Next::Pause;
    }
    if info.is(vector::PAGE_FAULT) {
        if let Some(next) = translation::page_fault(cx) {
            return next;
        }
    }
    if info.is(vector::ALIGNMENT_CHECK) && !alignment_check::is_the_guests(cx) {
        return alignment_check::split_lock(cx);
    }
    if cx.guest.traps.contains_exception(number) {
        return cx.report_exited_exception();
    }
    deliver(cx)
}

/// Gives the guest the exception that exited.
pub(in crate::vcpu) fn deliver(cx: &mut Context<'_>) -> Next {
    let info = Interruption::from_raw(cx.vmcs.read(EXIT_INTERRUPTION_INFO));
    event::unblock_nmis(cx.vmcs, info);
    if info.is(vector::DEBUG) {
        return deliver_debug(cx);
    }
    if info.is(vector::PAGE_FAULT) {
        return translation::deliver_page_fault(cx);
    }
    reflect(cx)
}

/// Hands the guest its #DB, with the DR6 that the CPU would have left.
fn deliver_debug(cx: &mut Context<'_>) -> Next {
    let causes = cx.vmcs.read(EXIT_QUALIFICATION);
    event::enter_debug(cx.vmcs, cx.debug, causes);
    event::keep_step_pending(cx.vmcs);
    reflect(cx)
}

fn reflect(cx: &mut Context<'_>) -> Next {
    let outcome = event::reflect(cx.vmcs, cx.guest);
    cx.raised(outcome)
}
