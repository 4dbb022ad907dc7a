// SPDX-License-Identifier: GPL-2.0

//! The system registers as `struct minivmx_sregs`.

use crate::{
    support::uapi::{
        minivmx_segment,
        minivmx_sregs,
        minivmx_table, //
    },
    vcpu::{
        context::Context,
        guest_fields,
        segments::SEGMENTS,
        translation, //
    },
    vmx::field::*,
    x86::{
        debug_register::{
            dr6,
            dr7, //
        },
        efer, //
    }, //
};
use kernel::prelude::*;
use zerocopy::FromZeros;

/// Reads them.
pub(crate) fn get(cx: &Context<'_>) -> minivmx_sregs {
    let vmcs = cx.vmcs;
    let [es, cs, ss, ds, fs, gs, ldtr, tr] =
        SEGMENTS.map(|(selector, base, limit, rights)| minivmx_segment {
            base: vmcs.read(base),
            limit: vmcs.read(limit),
            selector: vmcs.read(selector),
            access_rights: vmcs.read(rights),
            ..minivmx_segment::new_zeroed()
        });
    let [dr0, dr1, dr2, dr3] = cx.guest.debug.address;
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
        dr: [dr0, dr1, dr2, dr3, cx.guest.debug.dr6, vmcs.read(GUEST_DR7)],
        interruptibility: vmcs.read(GUEST_INTERRUPTIBILITY),
        ..minivmx_sregs::new_zeroed()
    }
}

/// `EINVAL` if a reserved member is not 0.
pub(crate) fn check_reserved(sregs: &minivmx_sregs) -> Result {
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
    let [address @ .., dr6, dr7] = sregs.dr;
    let dr6 = dr6::valid(dr6).ok_or(EINVAL)?;
    let dr7 = dr7::valid(dr7).ok_or(EINVAL)?;
    guest_fields::check_interruptibility(&cx.vm.machine.capabilities, sregs.interruptibility)?;
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
    cx.guest.debug.address = address;
    cx.guest.debug.dr6 = dr6;
    cx.vmcs.write(GUEST_DR7, dr7);
    set_segments(cx, sregs);
    cx.vmcs
        .write(GUEST_INTERRUPTIBILITY, sregs.interruptibility);
    // Whatever the guest's tables were, other ones may stand there now.
    cx.flush_guest_tlb();
    Ok(())
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
    translation::reset(cx, sregs.cr3);
    Ok(())
}

fn set_segments(cx: &Context<'_>, sregs: &minivmx_sregs) {
    let vmcs = cx.vmcs;
    for ((selector, base, limit, rights), value) in SEGMENTS.into_iter().zip(segments(sregs)) {
        vmcs.write(selector, value.selector);
        vmcs.write(base, value.base);
        vmcs.write(limit, value.limit);
        vmcs.write(rights, value.access_rights);
    }
    vmcs.write(GUEST_GDTR_BASE, sregs.gdtr.base);
    vmcs.write(GUEST_GDTR_LIMIT, sregs.gdtr.limit);
    vmcs.write(GUEST_IDTR_BASE, sregs.idtr.base);
    vmcs.write(GUEST_IDTR_LIMIT, sregs.idtr.limit);
}
