// SPDX-License-Identifier: GPL-2.0

//! Loads of the registers that translation depends on, with all that the instruction entails.

use super::{
    super::ia32e_mode,
    step,
    tables::{
        tell_cpu,
        with,
        with_untold, //
    }, //
};
use crate::{
    mmu::shadow::{
        Shadow,
        Unfinished, //
    },
    support::page::KernelPage,
    vcpu::{
        context::Context,
        paging, //
    },
    vmx::field::*,
    x86::efer, //
};

/// Loads CR3 with a value that it can have; PDPTEs have been loaded.
pub(in super::super) fn load_cr3(cx: &mut Context<'_>, value: u64) {
    if let Some(state) = cx.guest.translation.shadow() {
        state.cr3 = value;
        state.paging.cr3 = value;
    }
    change_root(cx, |shadow| shadow.load_cr3());
}

/// What entries of the guest's tables mean has changed.
pub(in super::super) fn change_mode(cx: &mut Context<'_>) {
    change_root(cx, |shadow| shadow.change_mode());
}

/// Does what entails another root. That is made at once if it can be, else before the next VM
/// entry.
fn change_root(cx: &mut Context<'_>, change: impl FnOnce(&mut Shadow<KernelPage>)) {
    let paging = paging::current(cx);
    let renewed = with_untold(cx, |shadow, ram, stock| {
        change(shadow);
        shadow.renew(&paging, ram, &mut || stock.take())
    });
    match renewed {
        Some(Ok(renewal)) => tell_cpu(cx, renewal),
        // The next piece comes after interrupts were let in.
        Some(Err(Unfinished)) => cx.end_burst(),
        None => {}
    }
}

/// What the CPU has in IA32_EFER while a guest with this one runs: in 64-bit mode or not, and with
/// XD.
fn real_efer(guest: u64) -> u64 {
    let active = guest & efer::LMA != 0;
    let mode = if active { efer::LMA | efer::LME } else { 0 };
    guest & efer::SCE | efer::NXE | mode
}

/// Sets IA32_EFER.
pub(in super::super) fn set_efer(cx: &mut Context<'_>, value: u64) {
    if let Some(state) = cx.guest.translation.shadow() {
        state.efer = value;
    }
    let real = real_efer(value);
    ia32e_mode::write(cx.vmcs, real);
    if cx.vm.machine.capabilities.switches_efer() {
        cx.vmcs.write(GUEST_EFER, real);
    }
    paging::update(cx);
}

/// The program changed the guest's registers: its tables may be other ones.
pub(in super::super) fn reset(cx: &mut Context<'_>, cr3: u64) {
    step::end(cx);
    if let Some(state) = cx.guest.translation.shadow() {
        state.cr3 = cr3;
    }
    paging::update(cx);
    with(cx, |shadow, _, _| shadow.drop_all());
}
