// SPDX-License-Identifier: GPL-2.0

//! SDM Vol. 3C, "Checks on Guest Non-Register State": the pending debug exceptions.

use super::{
    rule::{
        rules,
        Failure,
        Section,
        Verdict, //
    },
    view::View, //
};
use crate::{
    vmx::{
        exit::{
            activity,
            Interruptibility, //
        },
        field::*, //
    },
    x86::{
        debug_register::pending,
        debugctl,
        rflags, //
    }, //
};

pub(super) const SECTION: Section = Section {
    title: "Checks on Guest Non-Register State",
    failure: Failure::GUEST,
    rules: rules! {
        pending_debug_has_no_reserved_bits,
        blocked_guest_that_steps_has_a_step_pending,
        blocked_guest_has_no_other_step_pending,
        pending_transaction_is_alone,
        pending_transaction_needs_rtm,
        pending_transaction_is_not_behind_mov_ss,
    },
};

/// Something holds of the pending debug exceptions.
fn causes(v: &View<'_>, holds: impl Fn(u64) -> bool) -> Verdict {
    v.each(&[GUEST_PENDING_DEBUG_EXCEPTIONS], holds)
}

/// Bits 10:4, 13, 15 and 63:17 are 0; bit 11 is for bus locks.
fn pending_debug_has_no_reserved_bits(v: &View<'_>) -> Verdict {
    let bus_lock = if v.processor.features.bus_lock {
        pending::BUS_LOCK
    } else {
        0
    };
    causes(v, |bits| bits & !(pending::DEFINED | bus_lock) == 0)
}

/// Has the last instruction ended with more to come: STI, MOV SS or HLT?
fn is_behind_an_instruction(v: &View<'_>) -> bool {
    let blocking = Interruptibility::from_raw(v.read(GUEST_INTERRUPTIBILITY));
    blocking.sti() || blocking.mov_ss() || v.read(GUEST_ACTIVITY) == activity::HLT
}

/// Is the guest stepped by instructions, and not by branches?
fn steps(v: &View<'_>) -> bool {
    let by_branches = v.read(GUEST_DEBUGCTL) & debugctl::BTF != 0;
    v.read(GUEST_RFLAGS) & rflags::TF != 0 && !by_branches
}

/// Behind STI, MOV SS or HLT, a guest that is stepped has BS pending.
fn blocked_guest_that_steps_has_a_step_pending(v: &View<'_>) -> Verdict {
    let due = is_behind_an_instruction(v) && steps(v);
    causes(v, |bits| !due || bits & pending::BS != 0)
}

/// Behind STI, MOV SS or HLT, a guest that is not stepped has no BS pending.
fn blocked_guest_has_no_other_step_pending(v: &View<'_>) -> Verdict {
    let undue = is_behind_an_instruction(v) && !steps(v);
    causes(v, |bits| !undue || bits & pending::BS == 0)
}

/// With RTM, bit 12 is 1, and all others are 0.
fn pending_transaction_is_alone(v: &View<'_>) -> Verdict {
    const ALONE: u64 = pending::RTM | pending::ENABLED_BREAKPOINT;
    causes(v, |bits| bits & pending::RTM == 0 || bits == ALONE)
}

/// RTM is for processors that have it.
fn pending_transaction_needs_rtm(v: &View<'_>) -> Verdict {
    let has_rtm = v.processor.features.rtm;
    causes(v, |bits| has_rtm || bits & pending::RTM == 0)
}

/// With RTM there is no blocking by MOV SS.
fn pending_transaction_is_not_behind_mov_ss(v: &View<'_>) -> Verdict {
    let blocking = Interruptibility::from_raw(v.read(GUEST_INTERRUPTIBILITY));
    causes(v, |bits| !blocking.mov_ss() || bits & pending::RTM == 0)
}
