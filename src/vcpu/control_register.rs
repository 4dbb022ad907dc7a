// SPDX-License-Identifier: GPL-2.0

//! Writes of CR0, CR4, CR8 and XCR0.
//!
//! A write to CR0 or CR4 exits if it differs from the shadow in a bit that the host keeps. It is
//! checked, its masked bits go to the shadow, and then the guest's instruction runs again: now it
//! agrees with the shadow, so the CPU itself carries it out, with all that changing PE, PG or PAE
//! entails. Should it still fault, the shadow of CR0.CD and CR0.NW is all that changed.
//!
//! With shadow paging CR3 exits, too, and the CPU translates in its own way. The driver does then what
//! the instruction would have done.

use super::{
    context::{
        Context,
        Next, //
    },
    event::{
        self,
        Exception, //
    },
    paging,
    shadow, //
};
use crate::{
    mmu::guest_walk::Mode,
    vmx::{
        exit::CrAccess,
        field::*, //
    },
    x86::{
        cr0,
        cr4,
        efer,
        segment::AccessRights, //
    }, //
};

/// Answers an access to a control register.
pub(crate) fn handle(cx: &mut Context<'_>) -> Next {
    const MOV_TO: u64 = 0;
    const MOV_FROM: u64 = 1;
    let access = CrAccess::from_raw(cx.vmcs.read(EXIT_QUALIFICATION));
    // CAST: The field has 4 bits.
    let register = access.register().get() as usize;
    match (access.kind().get(), access.control_register().get()) {
        (MOV_TO, 0) => write_cr0(cx, cx.register(register)),
        (MOV_TO, 3) => shadow::write_cr3(cx, cx.register(register)),
        (MOV_TO, 4) => write_cr4(cx, cx.register(register)),
        (MOV_TO, 8) => write_cr8(cx, cx.register(register)),
        (MOV_FROM, 3) => {
            cx.set_register(register, cx.cr3());
            cx.skip()
        }
        (MOV_FROM, 8) => {
            cx.set_register(register, cx.guest.cr8);
            cx.skip()
        }
        // CLTS and LMSW change bits that are the guest's own, or cannot change PE.
        _ => cx.internal_error("unexpected access to a control register"),
    }
}

fn write_cr0(cx: &mut Context<'_>, value: u64) -> Next {
    // Bits that are not defined in the low half are ignored; in the high half they are an error.
    let value = value & (cr0::DEFINED | !0xffff_ffff) | cr0::ET;
    if !cr0::is_consistent(value) {
        return cx.inject(Exception::GENERAL_PROTECTION);
    }
    if cx.guest.shadow.is_some() {
        return carry_out(cx, |cx| load_cr0(cx, value));
    }
    cx.vmcs.write(CR0_SHADOW, value);
    Next::Enter
}

fn write_cr4(cx: &mut Context<'_>, value: u64) -> Next {
    if value & !cx.vm.control_registers.cr4.settable != 0 {
        return cx.inject(Exception::GENERAL_PROTECTION);
    }
    if cx.guest.shadow.is_some() {
        return carry_out(cx, |cx| load_cr4(cx, value));
    }
    cx.vmcs.write(CR4_SHADOW, value);
    Next::Enter
}

fn carry_out<'a>(
    cx: &mut Context<'a>,
    load: impl FnOnce(&mut Context<'a>) -> Result<(), Next>,
) -> Next {
    match load(cx) {
        Ok(()) => cx.skip(),
        Err(next) => next,
    }
}

/// Loads CR0 with all that this entails (SDM Vol. 2, "MOV - Move to/from Control Registers"; Vol. 3A,
/// "Initializing IA-32e Mode").
fn load_cr0(cx: &mut Context<'_>, value: u64) -> Result<(), Next> {
    if value & cr0::PE == 0 {
        return Err(cx.internal_error(
            "with shadow paging the guest cannot leave protected mode: real mode needs EPT",
        ));
    }
    let changed = cx.cr0() ^ value;
    if changed & cr0::PG != 0 {
        switch_paging(cx, value)?;
    }
    // The value was checked.
    let cr4 = cx.cr4();
    let _ok = cx.vm.control_registers.cr0.set(cx.vmcs, value);
    let _ok = cx.vm.control_registers.cr4.set(cx.vmcs, cr4);
    paging::update(cx);
    if changed & (cr0::PG | cr0::WP) != 0 {
        shadow::change_mode(cx);
    }
    Ok(())
}

/// Turns paging on or off, and with it IA-32e mode if IA32_EFER.LME asks for it.
fn switch_paging(cx: &mut Context<'_>, cr0: u64) -> Result<(), Next> {
    let (cr4, efer) = (cx.cr4(), cx.efer());
    let on = cr0 & cr0::PG != 0;
    let code_64 = AccessRights::from_raw(cx.vmcs.read(GUEST_CS_ACCESS_RIGHTS)).long();
    let long = on && efer & efer::LME != 0;
    let active = efer & efer::LMA != 0;
    if long && (cr4 & cr4::PAE == 0 || code_64) || active && code_64 {
        return Err(cx.inject(Exception::GENERAL_PROTECTION));
    }
    let new = if long {
        efer | efer::LMA
    } else {
        efer & !efer::LMA
    };
    shadow::read_pdptes(cx, paging::mode(cr0, cr4, new), cx.cr3())?;
    shadow::write_efer(cx, new);
    Ok(())
}

/// Loads CR4 with all that this entails.
fn load_cr4(cx: &mut Context<'_>, value: u64) -> Result<(), Next> {
    let changed = cx.cr4() ^ value;
    let (cr0, efer) = (cx.cr0(), cx.efer());
    if efer & efer::LMA != 0 && value & cr4::PAE == 0 {
        return Err(cx.inject(Exception::GENERAL_PROTECTION));
    }
    let translating = changed & (cr4::PAE | cr4::PSE | cr4::PGE | cr4::SMEP) != 0;
    let mode = paging::mode(cr0, value, efer);
    if translating && mode == Mode::Pae {
        shadow::read_pdptes(cx, mode, cx.cr3())?;
    }
    // The value was checked.
    let _ok = cx.vm.control_registers.cr4.set(cx.vmcs, value);
    paging::update(cx);
    if translating {
        shadow::change_mode(cx);
    }
    Ok(())
}

/// CR8 is the task priority; without an APIC it is a register of 4 bits.
fn write_cr8(cx: &mut Context<'_>, value: u64) -> Next {
    if value > 0xf {
        return cx.inject(Exception::GENERAL_PROTECTION);
    }
    cx.guest.cr8 = value;
    cx.skip()
}

/// Answers XSETBV (SDM Vol. 2, "XSETBV - Set Extended Control Register"). The CPU has checked CPL
/// and CR4.OSXSAVE.
pub(crate) fn xsetbv(cx: &mut Context<'_>) -> Next {
    let index = cx.registers().low(crate::vmx::entry::Registers::RCX);
    let value = cx.registers().edx_eax();
    if index != 0 || !cx.fpu.fpu().xcr0_valid(value) {
        return cx.inject(Exception::GENERAL_PROTECTION);
    }
    cx.fpu.set_xcr0(value);
    event::skip_instruction(cx.vmcs);
    Next::Enter
}
