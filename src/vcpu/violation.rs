// SPDX-License-Identifier: GPL-2.0

//! EPT violations: the guest touched memory that the tables do not map, or not for that.

use super::{
    context::{
        Context,
        Next, //
    },
    event,
    linear, //
};
use crate::{
    memory::Outcome,
    mmu::{
        address::Gpa,
        guest_walk::Access, //
    },
    support::uapi::{
        self,
        access,
        minivmx_memory_exit, //
    },
    vmx::{
        exit::{
            EptViolation,
            Interruptibility,
            Interruption, //
        },
        field::*, //
    }, //
};
use zerocopy::FromZeros;

/// Answers an EPT violation.
#[inline(never)]
pub(crate) fn handle(cx: &mut Context<'_>) -> Next {
    let violation = EptViolation::from_raw(cx.vmcs.read(EXIT_QUALIFICATION));
    let gpa = Gpa::new(cx.vmcs.read(GUEST_PHYSICAL_ADDRESS));
    resume_delivery(cx, violation.nmi_unblocking());
    let outcome = cx
        .vm
        .memory
        .lock()
        .access(gpa, violation.write(), &mut cx.guest.stock);
    match outcome {
        Outcome::Mapped => Next::Enter,
        Outcome::Absent => Next::Populate(gpa),
        Outcome::OutOfTables => Next::Pause,
        Outcome::Refused => {
            let kind = Access {
                write: violation.write(),
                fetch: violation.fetch(),
                ..Access::default()
            };
            report_memory(cx, gpa, kind)
        }
    }
}

/// The access may have been part of the delivery of an event, or of an IRET that unblocked NMIs: both
/// are to happen again.
#[inline]
pub(crate) fn resume_delivery(cx: &Context<'_>, nmi_unblocking: bool) {
    let vectoring = Interruption::from_raw(cx.vmcs.read(IDT_VECTORING_INFO));
    if vectoring.valid() {
        event::redeliver(cx.vmcs);
    } else if nmi_unblocking {
        let state = Interruptibility::from_raw(cx.vmcs.read(GUEST_INTERRUPTIBILITY));
        let blocked = state.with_nmi(true);
        cx.vmcs.write(GUEST_INTERRUPTIBILITY, blocked.into_raw());
    }
}

/// Hands an access that no memory answers to the program.
pub(crate) fn report_memory(cx: &mut Context<'_>, gpa: Gpa, kind: Access) -> Next {
    let mut instruction = [0; 15];
    let bytes = linear::instruction(cx, &mut instruction);
    cx.guest.report.memory = minivmx_memory_exit {
        gpa: gpa.get(),
        access: match (kind.write, kind.fetch) {
            (true, _) => access::MINIVMX_ACCESS_WRITE,
            (_, true) => access::MINIVMX_ACCESS_FETCH,
            _ => access::MINIVMX_ACCESS_READ,
        },
        // CAST: At most 15.
        instruction_bytes: bytes as u8,
        instruction,
        ..minivmx_memory_exit::new_zeroed()
    };
    let next = cx.report(uapi::exit::MINIVMX_EXIT_MEMORY);
    cx.guest.report.physical_address = gpa.get();
    next
}
