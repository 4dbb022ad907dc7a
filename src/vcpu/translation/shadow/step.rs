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
        controls::Primary,
        exit::{
            Interruptibility,
            Interruption, //
        },
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
    match cx.vm.machine.capabilities.stepper() {
        Some(Stepper::NmiWindow) => {
            set_control(cx, Primary::NMI_WINDOW_EXITING, true);
            let event = Interruption::from_raw(cx.vmcs.read(ENTRY_INTERRUPTION_INFO));
            block_by_mov_ss(cx, !event.valid());
        }
        _ => set_control(cx, Primary::MONITOR_TRAP_FLAG, true),
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
    match cx.vm.machine.capabilities.stepper() {
        Some(Stepper::NmiWindow) => {
            set_control(cx, Primary::NMI_WINDOW_EXITING, false);
            block_by_mov_ss(cx, false);
        }
        _ => set_control(cx, Primary::MONITOR_TRAP_FLAG, false),
    }
    with(cx, |shadow, ram, _| shadow.end_step(ram));
}

fn set_control(cx: &Context<'_>, control: Primary, set: bool) {
    let others = cx.vmcs.read(PRIMARY_CONTROLS) & !control.raw();
    let bit = if set { control.raw() } else { 0 };
    cx.vmcs.write(PRIMARY_CONTROLS, others | bit);
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
