// SPDX-License-Identifier: GPL-2.0

//! Single-stepping: one instruction of the guest is carried out by itself, with what the shadow tables
//! grant it, and nothing of that is left for the next. The guest sees nothing of it.
//!
//! There are two ways. With the *monitor trap flag* the CPU exits after the instruction, or after the
//! delivery of an event (SDM Vol. 3C, "Monitor Trap Flag").
//!
//! CPUs without it have *NMI-window exiting*: an exit as soon as an NMI could be delivered, which is
//! at once, but not while events are blocked by MOV SS. So the guest is entered as if its last
//! instruction had been MOV SS. That blocks the window for one instruction; after the delivery of an
//! event, where nothing is to be carried out any more, it is open from the beginning (SDM Vol. 3C,
//! "Other Causes of VM Exits"). RFLAGS.TF would show: PUSHF, interrupts and SYSCALL store it, POPF and
//! IRET change it.

use super::tables::with;
use crate::{
    vcpu::context::Context,
    vmx::{
        capability::Stepper,
        exit::Interruptibility,
        field::*, //
    },
    x86::{
        debug_register::dr6,
        rflags, //
    }, //
};

/// The next instruction, or the delivery of the event that comes before it, is to be the one.
pub(super) fn begin(cx: &mut Context<'_>) {
    if let Some(state) = cx.guest.translation.shadow() {
        state.stepping = true;
    }
    let how = stepper(cx);
    cx.vmcs.set_stepping(how, true);
    if how == Stepper::NmiWindow {
        block_by_mov_ss(cx, !cx.guest.event.is_some());
    }
}

/// Ends what was granted, if a step was begun.
#[inline]
pub(in super::super) fn end(cx: &mut Context<'_>) {
    let state = cx.guest.translation.shadow();
    if state.is_some_and(|state| core::mem::take(&mut state.stepping)) {
        revoke(cx);
    }
}

fn revoke(cx: &mut Context<'_>) {
    let how = stepper(cx);
    cx.vmcs.set_stepping(how, false);
    if how == Stepper::NmiWindow {
        block_by_mov_ss(cx, false);
    }
    with(cx, |shadow, ram, _| shadow.end_step(ram));
}

/// There is no shadow paging on a CPU with neither.
fn stepper(cx: &Context<'_>) -> Stepper {
    let stepper = cx.vm.machine.capabilities.stepper();
    stepper.unwrap_or(Stepper::MonitorTrapFlag)
}

/// Guests get no NMIs and no interrupts, so nothing else comes of this for them. A single-step trap of
/// the guest's own comes after the instruction, as it should.
fn block_by_mov_ss(cx: &Context<'_>, block: bool) {
    let state = Interruptibility::from_raw(cx.vmcs.read(GUEST_INTERRUPTIBILITY));
    let state = state.with_nmi(false).with_sti(false).with_mov_ss(block);
    cx.vmcs.write(GUEST_INTERRUPTIBILITY, state.into_raw());
    if block && cx.vmcs.read(GUEST_RFLAGS) & rflags::TF != 0 {
        // A VM entry insists on it.
        let pending = cx.vmcs.read(GUEST_PENDING_DEBUG_EXCEPTIONS);
        cx.vmcs
            .write(GUEST_PENDING_DEBUG_EXCEPTIONS, pending | dr6::BS);
    }
}
