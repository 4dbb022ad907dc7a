// SPDX-License-Identifier: GPL-2.0

//! HLT: a guest that waits for an event, where the program lets RUN wait for it.
//!
//! That it waits is in its activity state, as on a CPU; so it is seen, saved and restored with the
//! rest. The CPU is given back meanwhile: a VM entry in this state is for what ends it, an event, a
//! window that is open, or a debug trap of the last instruction (SDM Vol. 2, "HLT", and Vol. 3C,
//! "Guest Non-Register State").

use super::{
    context::{
        Context,
        Next, //
    },
    windows::Windows, //
};
use crate::{
    vmx::{
        exit::{
            activity,
            basic, //
        },
        field::*,
        guest_state::Activity, //
    },
    x86::{
        debug_register::pending,
        rflags, //
    }, //
};

/// The guest has executed HLT, and the program lets it wait. With interrupts off it may never go
/// on: that is for the program to know.
#[cold]
pub(crate) fn begin(cx: &mut Context<'_>) -> Next {
    if cx.vmcs.read(GUEST_RFLAGS) & rflags::IF == 0 {
        return cx.report(basic::HLT);
    }
    if has_trap(cx) {
        return Next::Enter;
    }
    cx.vmcs.set_activity(Activity::Halted);
    match has_event(cx) {
        true => Next::Enter,
        false => Next::Wait,
    }
}

/// Is the guest in HLT, with nothing that would end that, and does the program wait for it?
#[inline]
pub(crate) fn is_waited_for(cx: &Context<'_>) -> bool {
    cx.guest.waits_at_hlt && cx.vmcs.read(GUEST_ACTIVITY) == activity::HLT && !has_event(cx)
}

fn has_event(cx: &Context<'_>) -> bool {
    let (flags, blocking) = (
        cx.vmcs.read(GUEST_RFLAGS),
        cx.vmcs.read(GUEST_INTERRUPTIBILITY),
    );
    let open = Windows::open(flags, blocking);
    cx.guest.event.is_some() || has_trap(cx) || open.meets(cx.guest.windows_asked)
}

fn has_trap(cx: &Context<'_>) -> bool {
    pending::is_enabled(cx.vmcs.read(GUEST_PENDING_DEBUG_EXCEPTIONS))
}
