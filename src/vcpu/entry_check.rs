// SPDX-License-Identifier: GPL-2.0

//! The rules of VM entries, held against the guest of a burst: before entries with the module's
//! parameter `check_entries`, and after an entry that failed, to say why.

use super::{
    context::{
        Context,
        Next, //
    },
    event,
    guest_fields,
    state::Guest,
    trace, //
};
use crate::{
    support::uapi::minivmx_violation,
    vmx::{
        check::{
            Failure,
            Violation, //
        },
        checked,
        error,
        exit::{
            basic,
            describe_entry_failure, //
        },
        field::ENTRY_INTERRUPTION_INFO, //
    }, //
};
use kernel::{
    pr_warn_once,
    prelude::*, //
};
use zerocopy::FromZeros;

/// The rule that the next VM entry breaks, with the event that waits.
#[cold]
pub(super) fn find(cx: &Context<'_>) -> Option<Violation> {
    let delivers = cx.guest.event.is_some();
    if delivers {
        event::load(cx.vmcs, &cx.guest.event);
    }
    let machine = &cx.vm.machine;
    // Where each entry is to be checked, VMREAD is cheap.
    let remembers = machine.check_interval > 1;
    let found = checked::check(cx.vmcs, &machine.capabilities.processor, remembers).err();
    if delivers {
        cx.vmcs.write(ENTRY_INTERRUPTION_INFO, 0);
    }
    found
}

/// A violation in the form of the interface, which does not tell where something of the host is.
pub(super) fn told(cx: &Context<'_>, found: &Violation) -> minivmx_violation {
    let field = found.blame.field;
    let mut told = minivmx_violation::new_zeroed();
    // The last byte stays 0.
    let room = told.rule.len().saturating_sub(1);
    for (to, from) in told.rule.iter_mut().take(room).zip(found.rule.bytes()) {
        *to = from;
    }
    told.field = field;
    if !guest_fields::tells_of_host(cx.vm, field) {
        told.value = found.blame.value;
    }
    told
}

/// Names the rule that a failed entry broke in the report, if there is one that we know.
#[cold]
pub(super) fn explain(cx: &mut Context<'_>) -> Option<()> {
    let found = find(cx)?;
    let told = told(cx, &found);
    cx.guest
        .report
        .set_violation(class(found.failure), found.rule, told);
    Some(())
}

/// The same where it was the CPU that refused.
#[cold]
pub(super) fn explain_refusal(cx: &mut Context<'_>) {
    if explain(cx).is_none() && cx.vm.machine.checks_entries() {
        pr_warn_once!("the CPU refuses a VM entry that breaks no rule known here\n");
    }
}

/// What the fields are that the CPU did not like.
fn class(failure: Failure) -> &'static str {
    match failure {
        Failure::Instruction(7) => "invalid control fields",
        Failure::Instruction(_) => "invalid host-state fields",
        Failure::GuestState(_) => "invalid guest state",
    }
}

/// Makes a change for the program. The rules are held against the next entry if that is of what
/// they are about.
#[cold]
pub(super) fn watch(guest: &mut Guest, change: impl FnOnce(&mut Guest)) {
    let subject = |guest: &Guest| (guest.frame.rip, guest.frame.rflags, guest.event);
    let before = subject(guest);
    change(guest);
    if subject(guest) != before {
        guest.checked = None;
    }
}

/// Is it the turn of this entry?
///
/// Where VMREAD is a VM exit of our own, a check can take longer than a tick of the clock: then a
/// guest each of whose entries is checked would be interrupted before its first instruction, for
/// ever.
fn is_due(cx: &mut Context<'_>) -> bool {
    let now = cx.counters.entries.get();
    let interval = u64::from(cx.vm.machine.check_interval);
    let is_near = |last| now.wrapping_sub(last) < interval;
    let due = !cx.guest.checked.is_some_and(is_near);
    if due {
        cx.guest.checked = Some(now);
    }
    due
}

/// Reports what breaks a rule as a CPU would that refuses it.
#[cold]
pub(super) fn before_entry(cx: &mut Context<'_>) -> Result<(), Next> {
    if !is_due(cx) {
        return Ok(());
    }
    let Some(found) = find(cx) else {
        return Ok(());
    };
    // It will be no better at the next try.
    cx.guest.checked = None;
    cx.counters.entries.count();
    trace::entry(cx);
    let next = match found.failure {
        Failure::Instruction(number) => {
            trace::not_entered(cx, number);
            cx.not_entered(number, error::describe(number))
        }
        Failure::GuestState(qualification) => {
            cx.counters.exit(basic::INVALID_GUEST_STATE);
            trace::invalid_state(cx, qualification);
            let cause = describe_entry_failure(basic::INVALID_GUEST_STATE, qualification);
            cx.invalid_state(qualification, cause)
        }
    };
    let _found = explain(cx);
    Err(next)
}
