// SPDX-License-Identifier: GPL-2.0

//! SDM Vol. 3C, "Checks on Guest Non-Register State": the activity state.

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
        field::*,
        segment::SS, //
    },
    x86::event::{
        kind,
        vector,
        Interruption, //
    }, //
};

pub(super) const SECTION: Section = Section {
    title: "Checks on Guest Non-Register State",
    failure: Failure::GUEST,
    rules: rules! {
        activity_state_is_supported,
        halted_guest_is_of_ring_0,
        blocked_guest_is_active,
        event_wakes_the_guest,
    },
};

/// The processor has this activity state (bits 8:6 of IA32_VMX_MISC for those but "active").
fn activity_state_is_supported(v: &View<'_>) -> Verdict {
    let misc = v.processor.misc;
    v.each(&[GUEST_ACTIVITY], |state| match state {
        activity::ACTIVE => true,
        activity::HLT => misc.hlt(),
        activity::SHUTDOWN => misc.shutdown(),
        activity::WAIT_FOR_SIPI => misc.wait_for_sipi(),
        _ => false,
    })
}

/// In the state HLT the DPL of SS is 0.
fn halted_guest_is_of_ring_0(v: &View<'_>) -> Verdict {
    let cpl = v.dpl(SS);
    v.each(&[GUEST_ACTIVITY], |state| {
        state != activity::HLT || cpl == 0
    })
}

/// With blocking by STI or MOV SS the state is "active".
fn blocked_guest_is_active(v: &View<'_>) -> Verdict {
    let blocking = Interruptibility::from_raw(v.read(GUEST_INTERRUPTIBILITY));
    let blocked = blocking.sti() || blocking.mov_ss();
    v.each(&[GUEST_ACTIVITY], |state| {
        !blocked || state == activity::ACTIVE
    })
}

/// An event that is delivered is not one that the activity state blocks.
fn event_wakes_the_guest(v: &View<'_>) -> Verdict {
    let Some(event) = v.event() else {
        return Ok(());
    };
    v.each(&[GUEST_ACTIVITY], |state| match state {
        activity::HLT => wakes_from_hlt(event),
        activity::SHUTDOWN => is_nmi(event) || is_exception(event, vector::MACHINE_CHECK),
        activity::WAIT_FOR_SIPI => false,
        _ => true,
    })
}

/// External interrupts, NMIs, #DB, #MC, and the VM exit of the monitor trap flag do.
fn wakes_from_hlt(event: Interruption) -> bool {
    matches!(event.kind().get(), kind::EXTERNAL_INTERRUPT | kind::OTHER)
        || is_nmi(event)
        || is_exception(event, vector::DEBUG)
        || is_exception(event, vector::MACHINE_CHECK)
}

fn is_nmi(event: Interruption) -> bool {
    event.kind().get() == kind::NMI
}

fn is_exception(event: Interruption, vector: u8) -> bool {
    event.kind().get() == kind::HARDWARE_EXCEPTION && event.is(vector)
}
