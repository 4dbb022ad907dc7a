// SPDX-License-Identifier: GPL-2.0

//! EPT violations: the guest touched memory that the tables do not map, or not for that.

use crate::{
    memory::Outcome,
    mmu::{
        address::Gpa,
        guest_walk::Access, //
    },
    vcpu::{
        context::{
            Context,
            Next, //
        },
        event,
        memory,
        trace, //
    },
    vmx::{
        exit::EptViolation,
        field::*, //
    }, //
};
use kernel::pr_warn_once;

/// Answers an EPT violation.
#[inline(never)]
pub(super) fn handle(cx: &mut Context<'_>) -> Next {
    begin(cx);
    answer(cx)
}

/// Makes what was cut short happen again: the delivery of an event, or an IRET.
#[inline]
pub(super) fn begin(cx: &mut Context<'_>) {
    let violation = EptViolation::from_raw(cx.vmcs.read(EXIT_QUALIFICATION));
    event::redeliver(cx.vmcs, cx.guest, event::Cut::ByOther);
    event::block_nmis_again(cx.vmcs, cx.guest, violation.nmi_unblocking());
}

/// Sees to the memory.
#[inline]
pub(in crate::vcpu) fn answer(cx: &mut Context<'_>) -> Next {
    let violation = EptViolation::from_raw(cx.vmcs.read(EXIT_QUALIFICATION));
    let gpa = Gpa::new(cx.vmcs.read(GUEST_PHYSICAL_ADDRESS));
    let outcome = cx
        .vm
        .memory
        .lock()
        .access(gpa, violation.write(), &mut cx.guest.stock);
    match outcome {
        Outcome::Mapped => {
            cx.counters.ept_fills.count();
            trace::ept_violation(cx, trace::FAULT_MISS, trace::ACTION_FILL, gpa);
            Next::Enter
        }
        Outcome::Absent => {
            cx.counters.allocations.count();
            trace::ept_violation(cx, trace::FAULT_ALLOCATE, trace::ACTION_RETRY, gpa);
            Next::Populate(gpa)
        }
        Outcome::OutOfTables => {
            trace::ept_violation(cx, trace::FAULT_MISS, trace::ACTION_RETRY, gpa);
            Next::Pause
        }
        Outcome::Inconsistent => {
            trace::ept_violation(cx, trace::FAULT_MISS, trace::ACTION_FAIL, gpa);
            pr_warn_once!("extended page tables are at odds with the memory they are made from\n");
            cx.internal_error("extended page tables at odds with guest memory")
        }
        Outcome::Refused => {
            cx.counters.absences.count();
            trace::ept_violation(cx, trace::FAULT_ABSENT, trace::ACTION_REPORT, gpa);
            let kind = Access {
                write: violation.write(),
                fetch: violation.fetch(),
                ..Access::default()
            };
            memory::report(cx, gpa, kind)
        }
    }
}
