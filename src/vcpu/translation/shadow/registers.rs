// SPDX-License-Identifier: GPL-2.0

//! Loads of the registers that translation depends on, with all that the instruction entails.

use super::{
    super::ia32e_mode,
    step,
    tables::{
        root_and_flush,
        use_root,
        with, //
    }, //
};
use crate::{
    mmu::guest_walk::{
        self,
        Access,
        Mode,
        PhysicalMemory, //
    },
    vcpu::{
        context::{
            Context,
            Next, //
        },
        event::Exception,
        memory,
        paging,
        state::Standing, //
    },
    vmx::field::*,
    x86::{
        cr0,
        cr4,
        efer,
        segment::AccessRights, //
    }, //
};

/// Does what an instruction would have done, or what must come first, or instead.
pub(in super::super) fn carry_out<'a>(
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
pub(in super::super) fn load_cr0(cx: &mut Context<'_>, value: u64) -> Result<(), Next> {
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
        change_mode(cx);
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
    read_pdptes(cx, paging::mode(cr0, cr4, new), cx.cr3())?;
    set_efer(cx, new);
    Ok(())
}

/// Loads CR4 with all that this entails.
pub(in super::super) fn load_cr4(cx: &mut Context<'_>, value: u64) -> Result<(), Next> {
    let changed = cx.cr4() ^ value;
    let (cr0, efer) = (cx.cr0(), cx.efer());
    if efer & efer::LMA != 0 && value & cr4::PAE == 0 {
        return Err(cx.inject(Exception::GENERAL_PROTECTION));
    }
    let translating = changed & (cr4::PAE | cr4::PSE | cr4::PGE | cr4::SMEP) != 0;
    let mode = paging::mode(cr0, value, efer);
    if translating && mode == Mode::Pae {
        read_pdptes(cx, mode, cx.cr3())?;
    }
    // The value was checked.
    let _ok = cx.vm.control_registers.cr4.set(cx.vmcs, value);
    paging::update(cx);
    if translating {
        change_mode(cx);
    }
    Ok(())
}

/// Can CR3 have this value? Outside IA-32e mode it has 32 bits.
pub(in crate::vcpu) fn cr3_valid(cx: &Context<'_>, value: u64) -> bool {
    let bits = cx.vm.machine.physical_bits();
    cx.efer() & efer::LMA == 0 || value.checked_shr(bits).unwrap_or(0) == 0
}

/// Loads CR3 as MOV does, or says what must come first, or instead.
pub(in crate::vcpu) fn load_cr3(cx: &mut Context<'_>, value: u64) -> Result<(), Next> {
    if !cr3_valid(cx, value) {
        return Err(cx.inject(Exception::GENERAL_PROTECTION));
    }
    read_pdptes(cx, paging::current(cx).mode, value)?;
    if let Some(state) = cx.guest.translation.shadow() {
        state.cr3 = value;
        state.paging.cr3 = value;
    }
    // The root is made at once where there are pages for it, else before the next VM entry.
    let paging = paging::current(cx);
    let root = with(cx, |shadow, ram, stock| {
        shadow.load_cr3(ram);
        root_and_flush(shadow, &paging, ram, stock)
    });
    if let Some(Ok((root, flush))) = root {
        use_root(cx, root, flush);
    }
    Ok(())
}

/// Reads what a load of CR3 reads with PAE paging; #GP(0) if it cannot be in the CPU.
fn read_pdptes(cx: &mut Context<'_>, mode: Mode, cr3: u64) -> Result<(), Next> {
    if mode != Mode::Pae || take_pdptes(cx, cr3)? {
        return Ok(());
    }
    Err(cx.inject(Exception::GENERAL_PROTECTION))
}

/// Takes over the four entries that a load of CR3 reads, unless they cannot be in the CPU. Returns
/// whether it did.
pub(super) fn take_pdptes(cx: &mut Context<'_>, cr3: u64) -> Result<bool, Next> {
    let mut pdptes = [0; 4];
    for (pdpte, gpa) in pdptes.iter_mut().zip(guest_walk::pdptes_at(cr3)) {
        let entry = cx.vm.memory.lock().ram().read(gpa);
        *pdpte = entry.ok_or_else(|| memory::absent(cx, gpa, Access::default()))?;
    }
    let valid = guest_walk::pdptes_valid(&pdptes, cx.vm.machine.physical_bits());
    if let Some(state) = cx.guest.translation.shadow().filter(|_| valid) {
        state.paging.pdptes = Some(pdptes);
    }
    Ok(valid)
}

/// What entries of the guest's tables mean has changed.
pub(in super::super) fn change_mode(cx: &mut Context<'_>) {
    with(cx, |shadow, ram, _| shadow.change_mode(ram));
}

/// What the CPU has in IA32_EFER while a guest with this one runs: in 64-bit mode or not, and with XD.
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
        state.standing = Standing::Unchecked;
    }
    with(cx, |shadow, _, _| shadow.drop_all());
}
