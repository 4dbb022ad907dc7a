// SPDX-License-Identifier: GPL-2.0

//! Translation of a vCPU's addresses: the one place that knows whether it is EPT's or the shadow's.
//!
//! With EPT the registers that it depends on are the guest's own, and mostly the CPU does what an
//! instruction entails. With shadow paging the driver does. Each function here says what becomes of
//! one event in either case; nobody else asks which of the two it is.

mod check;
mod control_registers;
mod ept;
mod ia32e_mode;
mod pdptes;
pub(super) mod shadow;

pub(crate) use self::control_registers::{
    load_cr3,
    mode_changed,
    set_efer, //
};

use super::{
    context::{
        Context,
        Next, //
    },
    event,
    paging,
    state::{
        Standing,
        Translation, //
    }, //
};
use crate::{
    mmu::{
        address::{
            Gpa,
            Gva, //
        },
        guest_walk::Mode, //
    },
    vm::Vm,
    vmx::{
        execution::TranslatedBy,
        field::*, //
    }, //
};

/// What the controls have to be for.
pub(crate) fn kind(vm: &Vm) -> TranslatedBy {
    match vm.eptp {
        Some(eptp) => TranslatedBy::Ept(eptp),
        None => TranslatedBy::Shadow {
            invlpg: vm.mmu.traps_invlpg(),
        },
    }
}

/// Has the VMCS something else than the guest in the registers that it depends on, such as the root
/// of the shadow in CR3?
pub(crate) fn replaces_registers(vm: &Vm) -> bool {
    vm.mmu.is_shadow()
}

/// To be called before a VM entry, when the guest's state may have changed.
///
/// What another thread does to the shadow, when it takes memory away, is not among that. A root
/// that goes is emptied first, so it leads nowhere, and the fault that comes of it finds out.
#[inline]
pub(crate) fn prepare_entry(cx: &mut Context<'_>) -> Result<(), Next> {
    if cx.guest.standing == Standing::Ready {
        return Ok(());
    }
    if cx.guest.standing == Standing::Unchecked {
        check::check(cx)?;
        cx.guest.standing = Standing::Changed;
    }
    match cx.guest.translation {
        Translation::Ept => cx.guest.standing.set_ready(),
        Translation::Shadow(_) => shadow::renew(cx)?,
    }
    Ok(())
}

/// Answers MOV to CR0 with a value that CR0 can have, other registers aside.
pub(crate) fn write_cr0(cx: &mut Context<'_>, value: u64) -> Next {
    carry_out(cx, |cx| control_registers::load_cr0(cx, value))
}

/// Answers MOV to CR3, which with EPT exits only for a program that traps it.
pub(crate) fn write_cr3(cx: &mut Context<'_>, value: u64) -> Next {
    carry_out(cx, |cx| load_cr3(cx, value))
}

/// Answers MOV to CR4 with a value that CR4 can have, other registers aside.
pub(crate) fn write_cr4(cx: &mut Context<'_>, value: u64) -> Next {
    carry_out(cx, |cx| control_registers::load_cr4(cx, value))
}

/// Does what an instruction would have done, or what must come first, or instead.
fn carry_out<'a>(
    cx: &mut Context<'a>,
    load: impl FnOnce(&mut Context<'a>) -> Result<(), Next>,
) -> Next {
    match load(cx) {
        Ok(()) => cx.skip(),
        Err(next) => next,
    }
}

/// IA32_PAT as the guest reads it; [`None`] if it has none.
pub(crate) fn pat(cx: &Context<'_>) -> Option<u64> {
    match &cx.guest.translation {
        Translation::Ept => ept::pat(cx),
        Translation::Shadow(state) => Some(state.pat),
    }
}

/// Sets IA32_PAT; [`None`] if the guest has none.
pub(crate) fn set_pat(cx: &mut Context<'_>, value: u64) -> Option<()> {
    match &mut cx.guest.translation {
        Translation::Ept => ept::set_pat(cx, value),
        Translation::Shadow(state) => {
            state.pat = value;
            Some(())
        }
    }
}

/// The program set CR0, CR4 and IA32_EFER, and sets CR3: the guest's tables may be other ones. With
/// PAE paging it gives the PDPTEs, or they are in memory.
pub(crate) fn reset(cx: &mut Context<'_>, cr3: u64, given: Option<[u64; 4]>) {
    cx.guest.standing = Standing::Unchecked;
    match cx.guest.translation {
        Translation::Ept => cx.vmcs.write(GUEST_CR3, cr3),
        Translation::Shadow(_) => shadow::reset(cx, cr3),
    }
    if is_pae(cx) {
        pdptes::reset(cx, cr3, given);
    }
}

/// The PDPTEs, if the guest has PAE paging.
pub(crate) fn pdptes(cx: &Context<'_>) -> Option<[u64; 4]> {
    paging::current(cx).pdptes.filter(|_| is_pae(cx))
}

fn is_pae(cx: &Context<'_>) -> bool {
    paging::current(cx).mode == Mode::Pae
}

/// The driver wrote to guest memory, where tables of the guest may be.
pub(crate) fn wrote(cx: &mut Context<'_>, gpa: Gpa) {
    shadow::with(cx, |shadow, ram, _| shadow.written([gpa], ram));
}

/// Answers INVLPG, which with EPT does not exit.
pub(crate) fn invlpg(cx: &mut Context<'_>, address: Gva) -> Next {
    shadow::with(cx, |shadow, ram, _| shadow.invlpg(address, ram));
    cx.skip()
}

/// Answers an exit for #PF, unless it is the guest's own whatever the tables are.
pub(crate) fn page_fault(cx: &mut Context<'_>) -> Option<Next> {
    match cx.guest.translation {
        Translation::Ept => {
            ept::tell_of_page_fault(cx);
            None
        }
        Translation::Shadow(_) => Some(shadow::page_fault(cx)),
    }
}

/// Gives the guest the #PF that exited and is its own.
pub(crate) fn deliver_page_fault(cx: &mut Context<'_>) -> Next {
    if let Translation::Shadow(state) = &cx.guest.translation {
        let code = state.fault_code;
        return shadow::deliver(cx, code);
    }
    // The exit qualification has what CR2 would have got.
    cx.set_cr2(cx.vmcs.read(EXIT_QUALIFICATION));
    let outcome = event::reflect(cx.vmcs, cx.guest);
    cx.raised(outcome)
}

/// Answers the exit after an instruction that was single-stepped.
pub(crate) fn stepped(cx: &mut Context<'_>) -> Next {
    end_step(cx);
    Next::Enter
}

/// Ends what a single-stepped instruction was granted, if there is one: whoever looks at the guest
/// now gets to see it as it is between two instructions.
#[inline]
pub(crate) fn end_step(cx: &mut Context<'_>) {
    shadow::end_step(cx);
}
