// SPDX-License-Identifier: GPL-2.0

//! Single-stepping: one instruction of the guest is carried out by itself, with what the shadow
//! tables grant it, and nothing of that is left for the next. The guest sees nothing of it.
//!
//! There are two ways. With the *monitor trap flag* the CPU exits after the instruction, or after
//! the delivery of an event (SDM Vol. 3C, "Monitor Trap Flag").
//!
//! CPUs without it have *NMI-window exiting*: an exit as soon as an NMI could be delivered, which
//! is at once, but not while events are blocked by MOV SS. So the guest is entered as if its last
//! instruction had been MOV SS. That blocks the window for one instruction; after the delivery of
//! an event, where nothing is to be carried out any more, it is open from the beginning (SDM Vol.
//! 3C, "Other Causes of VM Exits"). It is shut while NMIs are blocked, so they are not for that
//! time, and after it are again, unless the instruction was an IRET. RFLAGS.TF would show: PUSHF,
//! interrupts and SYSCALL store it, POPF and IRET change it.

use super::tables::with;
use crate::{
    memory::Ram,
    mmu::{
        address::Gva,
        guest_walk::{
            Mode,
            Paging, //
        },
        shadow::{
            Shadow,
            Written, //
        }, //
    },
    support::page::KernelPage,
    vcpu::{
        context::Context,
        memory,
        paging,
        trap, //
    },
    vmx::{
        capability::Stepper,
        exit::Interruptibility,
        field::*,
        vmcs::CurrentVmcs, //
    },
    x86::{
        debug_register::pending,
        instruction,
        rflags, //
    }, //
};

/// What the instruction at RIP can write.
#[inline(never)]
pub(super) fn writes(
    vmcs: &CurrentVmcs<'_>,
    paging: &Paging,
    shadow: &Shadow<KernelPage>,
    ram: &Ram<'_>,
) -> Written {
    let is_64_bit = paging.mode == Mode::FourLevels && paging::is_long(vmcs);
    let rip = vmcs.read(GUEST_RIP);
    let address = match is_64_bit {
        true => rip,
        false => rip.wrapping_add(vmcs.read(GUEST_CS_BASE)) & 0xffff_ffff,
    };
    let bytes = shadow.fetch(Gva::new(address), ram);
    match instruction::writes_once(bytes, is_64_bit) {
        true => Written::Once,
        false => Written::Anything,
    }
}

/// The next instruction, or the delivery of the event that comes before it, is to be the one. It
/// may be the one already, and need more.
pub(super) fn begin(cx: &mut Context<'_>, writes: Written) {
    let again = cx.guest.translation.is_stepping();
    if let Some(state) = cx.guest.translation.shadow() {
        state.stepping = true;
        if !again || writes == Written::Anything {
            state.step_writes = writes;
        }
    }
    let how = stepper(cx);
    cx.vmcs.set_stepping(how, true);
    if how == Stepper::NmiWindow {
        open_window(cx, again);
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
        close_window(cx);
        trap::renew_windows(cx);
    }
    let written = cx
        .guest
        .translation
        .shadow()
        .map_or(Written::Anything, |state| state.step_writes);
    with(cx, |shadow, ram, _| shadow.end_step(written, ram));
}

/// There is no shadow paging on a CPU with neither.
fn stepper(cx: &Context<'_>) -> Stepper {
    let stepper = cx.vm.machine.capabilities.stepper();
    stepper.unwrap_or(Stepper::MonitorTrapFlag)
}

/// Lets the window for NMIs open after the next instruction, or the delivery of the event that
/// waits. A single-step trap of the guest's own comes after the instruction, as it should.
fn open_window(cx: &mut Context<'_>, again: bool) {
    let delivers = cx.guest.event.is_some();
    let interruptibility = cx.vmcs.read(GUEST_INTERRUPTIBILITY);
    let pending_debug = cx.vmcs.read(GUEST_PENDING_DEBUG_EXCEPTIONS);
    let blocked = Interruptibility::from_raw(interruptibility).nmi();
    let unblocks_nmis = blocked && !delivers && memory::is_at_iret(cx);
    let Some(state) = cx.guest.translation.shadow() else {
        return;
    };
    let before = &mut state.before_step;
    before.delivers = delivers;
    if !again {
        before.interruptibility = interruptibility;
        before.unblocks_nmis = unblocks_nmis;
        before.pending_debug = pending_debug;
    }
    let causes = before.pending_debug;
    let blocking = Interruptibility::from_raw(0).with_mov_ss(!delivers);
    cx.vmcs.set_interruptibility(blocking);
    let steps = cx.vmcs.read(GUEST_RFLAGS) & rflags::TF != 0;
    // A VM entry insists on the trap.
    let trap = if steps && !delivers { pending::BS } else { 0 };
    cx.vmcs.write(GUEST_PENDING_DEBUG_EXCEPTIONS, causes | trap);
}

/// What was blocked before is again, but not by STI and MOV SS if the instruction came to its end:
/// else the CPU has still what it was entered with.
fn close_window(cx: &mut Context<'_>) {
    let Some(state) = cx.guest.translation.shadow() else {
        return;
    };
    let before = state.before_step;
    let now = Interruptibility::from_raw(cx.vmcs.read(GUEST_INTERRUPTIBILITY));
    let finished = if before.delivers {
        !cx.guest.event.is_some()
    } else {
        !now.mov_ss()
    };
    let blocking = Interruptibility::from_raw(before.interruptibility);
    let blocking = if finished {
        now.with_nmi(now.nmi() || blocking.nmi() && !before.unblocks_nmis)
    } else {
        cx.vmcs
            .write(GUEST_PENDING_DEBUG_EXCEPTIONS, before.pending_debug);
        blocking
    };
    cx.vmcs.set_interruptibility(blocking);
}
