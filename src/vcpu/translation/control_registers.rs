// SPDX-License-Identifier: GPL-2.0

//! Loads of CR0, CR4 and IA32_EFER with all that they entail, or the fault that comes instead: then
//! nothing has changed.

use super::{
    ept,
    pdptes,
    shadow, //
};
use crate::{
    mmu::guest_walk::Mode,
    vcpu::{
        context::{
            Context,
            Next, //
        },
        paging,
        state::Translation, //
    },
    vmx::field::*,
    x86::{
        cr0,
        cr4,
        efer,
        exception::Exception,
        segment::AccessRights, //
    }, //
};

/// Loads CR0 with a value that it can have, other registers aside (SDM Vol. 2, "MOV - Move to/from
/// Control Registers").
pub(super) fn load_cr0(cx: &mut Context<'_>, value: u64) -> Result<(), Next> {
    check_real_mode(cx, value)?;
    let changed = cx.cr0() ^ value;
    let (cr4, old) = (cx.cr4(), cx.efer());
    let efer = if changed & cr0::PG != 0 {
        efer_with_paging(cx, value, cr4, old)?
    } else {
        old
    };
    let mode = paging::mode(value, cr4, efer);
    let loads_pdptes = changed & cr0::LOADS_PDPTES != 0 && mode == Mode::Pae;
    if loads_pdptes {
        pdptes::load(cx, mode, cx.cr3())?;
    }
    if efer != old {
        set_efer(cx, efer);
    }
    // The value was checked.
    let _ok = cx.vm.control_registers.cr0.set(cx.vmcs, value);
    let _ok = cx.vm.control_registers.cr4.set(cx.vmcs, cr4);
    paging::update(cx);
    if loads_pdptes || changed & (cr0::PG | cr0::WP) != 0 {
        mode_changed(cx);
    }
    Ok(())
}

fn check_real_mode(cx: &mut Context<'_>, cr0: u64) -> Result<(), Next> {
    match cx.guest.translation {
        Translation::Shadow(_) if cr0 & cr0::PE == 0 => Err(cx.internal_error(
            "with shadow paging the guest cannot leave protected mode: real mode needs EPT",
        )),
        _ => Ok(()),
    }
}

fn efer_with_paging(cx: &mut Context<'_>, cr0: u64, cr4: u64, efer: u64) -> Result<u64, Next> {
    let code = AccessRights::from_raw(cx.vmcs.read(GUEST_CS_ACCESS_RIGHTS));
    let task = AccessRights::from_raw(cx.vmcs.read(GUEST_TR_ACCESS_RIGHTS));
    efer::with_paging(efer, cr0 & cr0::PG != 0, cr4, code, task)
        .ok_or_else(|| cx.inject(Exception::GENERAL_PROTECTION))
}

/// Loads CR3.
pub(crate) fn load_cr3(cx: &mut Context<'_>, value: u64) -> Result<(), Next> {
    if !cx.vm.machine.cr3_valid(value) {
        return Err(cx.inject(Exception::GENERAL_PROTECTION));
    }
    pdptes::load(cx, paging::current(cx).mode, value)?;
    match cx.guest.translation {
        Translation::Ept => ept::load_cr3(cx, value),
        Translation::Shadow(_) => shadow::load_cr3(cx, value),
    }
    Ok(())
}

/// Loads CR4 with a value that it can have, other registers aside.
pub(super) fn load_cr4(cx: &mut Context<'_>, value: u64) -> Result<(), Next> {
    let changed = cx.cr4() ^ value;
    let (cr0, efer) = (cx.cr0(), cx.efer());
    if efer & efer::LMA != 0 && value & cr4::PAE == 0 {
        return Err(cx.inject(Exception::GENERAL_PROTECTION));
    }
    let translating = changed & cr4::LOADS_PDPTES != 0;
    if translating {
        pdptes::load(cx, paging::mode(cr0, value, efer), cx.cr3())?;
    }
    // The value was checked.
    let _ok = cx.vm.control_registers.cr4.set(cx.vmcs, value);
    paging::update(cx);
    if changed & cr4::OSXSAVE != 0 {
        // A burst begins with XCR0 as this bit has it.
        cx.end_burst();
    }
    if translating {
        mode_changed(cx);
    }
    Ok(())
}

/// Sets IA32_EFER.
pub(crate) fn set_efer(cx: &mut Context<'_>, value: u64) {
    match cx.guest.translation {
        Translation::Ept => ept::set_efer(cx, value),
        Translation::Shadow(_) => shadow::set_efer(cx, value),
    }
}

/// The guest changed what entries of its tables mean.
pub(crate) fn mode_changed(cx: &mut Context<'_>) {
    match cx.guest.translation {
        Translation::Ept => cx.flush_guest_tlb(),
        Translation::Shadow(_) => shadow::change_mode(cx),
    }
}
