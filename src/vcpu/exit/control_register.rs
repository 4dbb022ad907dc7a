// SPDX-License-Identifier: GPL-2.0

//! MOV to and from CR0, CR3, CR4 and CR8; CLTS and LMSW.
//!
//! A write to CR0 or CR4 exits if it differs from the shadow in a bit that the host keeps. The
//! driver does then all that the instruction would have done, or faults where it would have, with
//! nothing changed. With EPT that is rare; with shadow paging CR3 exits, too, and what translation
//! depends on is the host's. If the program wants to see these exits, the host keeps all bits,
//! whatever the paging is.

use crate::{
    vcpu::{
        context::{
            Context,
            Next, //
        },
        operand,
        translation, //
    },
    vmx::{
        exit::CrAccess,
        field::*, //
    },
    x86::{
        cr0,
        cr8,
        exception::Exception, //
    }, //
};

/// Answers an access to a control register.
pub(super) fn handle(cx: &mut Context<'_>) -> Next {
    const MOV_TO: u64 = 0;
    const MOV_FROM: u64 = 1;
    const CLTS: u64 = 2;
    const LMSW: u64 = 3;
    let access = CrAccess::from_raw(cx.vmcs.read(EXIT_QUALIFICATION));
    // CAST: The field has 4 bits.
    let register = access.register().get() as usize;
    match (access.kind().get(), access.control_register().get()) {
        (MOV_TO, 0) => write_cr0(cx, operand::read(cx, register)),
        (MOV_TO, 3) => translation::write_cr3(cx, operand::read(cx, register)),
        (MOV_TO, 4) => write_cr4(cx, operand::read(cx, register)),
        (MOV_TO, 8) => write_cr8(cx, operand::read(cx, register)),
        (MOV_FROM, 3) => {
            operand::write(cx, register, cx.cr3());
            cx.skip()
        }
        (MOV_FROM, 8) => {
            operand::write(cx, register, cx.guest.cr8);
            cx.skip()
        }
        (CLTS, _) => write_cr0(cx, cx.cr0() & !cr0::TS),
        (LMSW, _) => write_cr0(cx, cr0::with_machine_status(cx.cr0(), source(access))),
        // MOV from CR0 and CR4 reads the shadow.
        _ => cx.internal_error("unexpected access to a control register"),
    }
}

/// What LMSW loads.
fn source(access: CrAccess) -> u64 {
    access.lmsw_source().get()
}

fn write_cr0(cx: &mut Context<'_>, value: u64) -> Next {
    // Bits that are not defined in the low half are ignored; in the high half they are an error.
    let value = value & (cr0::DEFINED | !0xffff_ffff) | cr0::ET;
    if !cr0::is_consistent(value) {
        return cx.inject(Exception::GENERAL_PROTECTION);
    }
    translation::write_cr0(cx, value)
}

fn write_cr4(cx: &mut Context<'_>, value: u64) -> Next {
    if value & !cx.vm.control_registers.cr4.settable != 0 {
        return cx.inject(Exception::GENERAL_PROTECTION);
    }
    translation::write_cr4(cx, value)
}

fn write_cr8(cx: &mut Context<'_>, value: u64) -> Next {
    if value > cr8::GREATEST {
        return cx.inject(Exception::GENERAL_PROTECTION);
    }
    cx.guest.cr8 = value;
    cx.skip()
}
