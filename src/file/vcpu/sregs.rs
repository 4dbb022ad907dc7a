// SPDX-License-Identifier: GPL-2.0

//! The system registers as `struct minivmx_sregs`.

use crate::{
    support::{
        debug_register::DebugRegisters,
        uaccess::Argument,
        uapi::{
            minivmx_segment,
            minivmx_sregs,
            minivmx_table,
            sregs_flags, //
        }, //
    },
    vcpu::{
        context::Context,
        translation, //
    },
    vmx::{
        exit::Interruptibility,
        field::*,
        guest_state::Activity,
        segment::SEGMENTS, //
    },
    x86::{
        cr8,
        debug_register::{
            dr6,
            dr7,
            pending, //
        },
        efer, //
    }, //
};
use core::mem::offset_of;
use kernel::prelude::*;
use zerocopy::FromZeros;

/// Copies the argument of a call in; `EINVAL` if a reserved member is not 0.
pub(crate) fn read(argument: usize) -> Result<Argument<minivmx_sregs>> {
    const FIRST_SIZE: usize = offset_of!(minivmx_sregs, cr8);
    let argument = Argument::read(argument, FIRST_SIZE)?;
    check_reserved(&argument.value)?;
    Ok(argument)
}

/// Reads them.
pub(crate) fn get(cx: &Context<'_>) -> minivmx_sregs {
    let vmcs = cx.vmcs;
    let [es, cs, ss, ds, fs, gs, ldtr, tr] = SEGMENTS.map(|register| minivmx_segment {
        base: vmcs.read(register.base),
        limit: vmcs.read(register.limit),
        selector: vmcs.read(register.selector),
        access_rights: vmcs.read(register.rights),
        ..minivmx_segment::new_zeroed()
    });
    let debug = cx.debug.get();
    let [dr0, dr1, dr2, dr3] = debug.address;
    let pdptes = translation::pdptes(cx);
    let pdptes_flag = pdptes.map_or(0, |_| sregs_flags::MINIVMX_SREGS_PDPTES);
    minivmx_sregs {
        es,
        cs,
        ss,
        ds,
        fs,
        gs,
        ldtr,
        tr,
        gdtr: minivmx_table {
            base: vmcs.read(GUEST_GDTR_BASE),
            limit: vmcs.read(GUEST_GDTR_LIMIT),
            __reserved: 0,
        },
        idtr: minivmx_table {
            base: vmcs.read(GUEST_IDTR_BASE),
            limit: vmcs.read(GUEST_IDTR_LIMIT),
            __reserved: 0,
        },
        cr0: cx.cr0(),
        cr2: cx.guest.cr2,
        cr3: cx.cr3(),
        cr4: cx.cr4(),
        efer: cx.efer(),
        xcr0: cx.fpu.fpu().xcr0(),
        dr: [dr0, dr1, dr2, dr3, debug.dr6, vmcs.read(GUEST_DR7)],
        interruptibility: vmcs.read(GUEST_INTERRUPTIBILITY),
        cr8: cx.guest.cr8,
        pdptes: pdptes.unwrap_or_default(),
        pending_debug: vmcs.read(GUEST_PENDING_DEBUG_EXCEPTIONS),
        activity: vmcs.read(GUEST_ACTIVITY),
        flags: sregs_flags::MINIVMX_SREGS_KEEP | pdptes_flag,
        ..minivmx_sregs::new_zeroed()
    }
}

/// What a structure of the first version stands for in the members that it does not have.
pub(crate) fn rest(cx: &Context<'_>) -> minivmx_sregs {
    minivmx_sregs {
        flags: sregs_flags::MINIVMX_SREGS_KEEP,
        ..get(cx)
    }
}

/// Does what waits for the guest stay?
pub(crate) fn keeps(sregs: &minivmx_sregs) -> bool {
    sregs.flags & sregs_flags::MINIVMX_SREGS_KEEP != 0
}

/// `EINVAL` if a reserved member is not 0.
fn check_reserved(sregs: &minivmx_sregs) -> Result {
    let segments = segments(sregs);
    let tables = [&sregs.gdtr, &sregs.idtr];
    let zero = segments
        .iter()
        .all(|s| s.__reserved == 0 && s.__reserved2 == 0)
        && tables.iter().all(|table| table.__reserved == 0)
        && sregs.__reserved == 0
        && sregs.__reserved2 == 0;
    if zero {
        Ok(())
    } else {
        Err(EINVAL)
    }
}

fn segments(sregs: &minivmx_sregs) -> [&minivmx_segment; 8] {
    [
        &sregs.es,
        &sregs.cs,
        &sregs.ss,
        &sregs.ds,
        &sregs.fs,
        &sregs.gs,
        &sregs.ldtr,
        &sregs.tr,
    ]
}

/// Writes them; `EINVAL`, and nothing has changed, if one cannot have its value.
pub(crate) fn set(cx: &mut Context<'_>, sregs: &minivmx_sregs) -> Result {
    check_values(sregs)?;
    let [address @ .., dr6, dr7] = sregs.dr;
    let dr6 = match dr6 == cx.debug.get().dr6 {
        true => dr6,
        false => dr6::valid(dr6).ok_or(EINVAL)?,
    };
    let dr7 = unless_kept(cx, GUEST_DR7, dr7, dr7::valid)?;
    let pending_debug = sregs.pending_debug;
    unless_kept(
        cx,
        GUEST_PENDING_DEBUG_EXCEPTIONS,
        pending_debug,
        pending::valid,
    )?;
    let activity = Activity::new(sregs.activity.into()).ok_or(EINVAL)?;
    cx.vmcs.check_interruptibility(sregs.interruptibility)?;
    let fpu = cx.fpu.fpu();
    let xcr0 = match sregs.xcr0 == fpu.xcr0() {
        true => None,
        false => Some(fpu.check_xcr0(sregs.xcr0).ok_or(EINVAL)?),
    };
    set_control_registers(cx, sregs)?;
    if let Some(xcr0) = xcr0 {
        cx.fpu.set_xcr0(xcr0);
    }
    cx.set_cr2(sregs.cr2);
    cx.debug.set(DebugRegisters { address, dr6 });
    cx.guest.cr8 = sregs.cr8;
    cx.vmcs.write(GUEST_DR7, dr7);
    set_segments(cx, sregs);
    set_non_registers(cx, sregs, activity);
    // Whatever the guest's tables were, other ones may stand there now.
    cx.flush_guest_tlb();
    Ok(())
}

/// What a field is to hold: what it holds already, which the program may have put there, or
/// `valid`.
fn unless_kept(
    cx: &Context<'_>,
    field: Field<Natural, Guest>,
    value: u64,
    valid: impl Fn(u64) -> Option<u64>,
) -> Result<u64> {
    if value == cx.vmcs.read(field) {
        return Ok(value);
    }
    valid(value).ok_or(EINVAL)
}

fn check_values(sregs: &minivmx_sregs) -> Result {
    const FLAGS: u32 = sregs_flags::MINIVMX_SREGS_KEEP | sregs_flags::MINIVMX_SREGS_PDPTES;
    if sregs.flags & !FLAGS == 0 && sregs.cr8 <= cr8::GREATEST {
        Ok(())
    } else {
        Err(EINVAL)
    }
}

fn set_control_registers(cx: &mut Context<'_>, sregs: &minivmx_sregs) -> Result {
    let registers = &cx.vm.control_registers;
    registers.cr0.check(sregs.cr0)?;
    registers.cr4.check(sregs.cr4)?;
    if sregs.efer & !efer::DEFINED != 0 {
        return Err(EINVAL);
    }
    translation::set_efer(cx, sregs.efer);
    registers.cr0.set(cx.vmcs, sregs.cr0)?;
    registers.cr4.set(cx.vmcs, sregs.cr4)?;
    let given = sregs.flags & sregs_flags::MINIVMX_SREGS_PDPTES != 0;
    translation::reset(cx, sregs.cr3, given.then_some(sregs.pdptes));
    Ok(())
}

/// What is not a register (SDM Vol. 3C, "Guest Non-Register State").
fn set_non_registers(cx: &Context<'_>, sregs: &minivmx_sregs, activity: Activity) {
    let vmcs = cx.vmcs;
    vmcs.set_interruptibility(Interruptibility::from_raw(sregs.interruptibility));
    vmcs.set_activity(activity);
    vmcs.write(GUEST_PENDING_DEBUG_EXCEPTIONS, sregs.pending_debug);
}

fn set_segments(cx: &Context<'_>, sregs: &minivmx_sregs) {
    let vmcs = cx.vmcs;
    for (register, value) in SEGMENTS.into_iter().zip(segments(sregs)) {
        vmcs.write(register.selector, value.selector);
        vmcs.write(register.base, value.base);
        vmcs.write(register.limit, value.limit);
        vmcs.write(register.rights, value.access_rights);
    }
    vmcs.write(GUEST_GDTR_BASE, sregs.gdtr.base);
    vmcs.write(GUEST_GDTR_LIMIT, sregs.gdtr.limit);
    vmcs.write(GUEST_IDTR_BASE, sregs.idtr.base);
    vmcs.write(GUEST_IDTR_LIMIT, sregs.idtr.limit);
}
