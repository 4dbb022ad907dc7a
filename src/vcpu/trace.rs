// SPDX-License-Identifier: GPL-2.0

//! What tracepoints are told of a vCPU, if somebody listens.
//!
//! All of this is in a burst, with the guest's state in the CPU as far as it can be there. A
//! listener may read memory of the program, and fault. That overwrites CR2, which is the guest's,
//! and ends the blocking of NMIs: so what an exit took from the host comes before.

use super::context::Context;
use crate::{
    mmu::{
        address::{
            Gpa,
            Gva, //
        },
        guest_walk::Access,
        shadow::Cause, //
    },
    support::{
        trace::{
            self,
            keep_cr2, //
        },
        uapi::{
            access,
            exit::MINIVMX_EXIT_ENTRY_FAILED, //
        }, //
    },
    vmx::{
        entry,
        exit::{
            basic,
            EptViolation,
            ExitReason, //
        },
        field::*, //
    }, //
};

pub(super) use crate::support::trace::{
    ACTION_DELIVER,
    ACTION_FAIL,
    ACTION_FILL,
    ACTION_REPORT,
    ACTION_RETRY,
    ACTION_STEP,
    FAULT_ABSENT,
    FAULT_ALLOCATE,
    FAULT_GUEST,
    FAULT_MISS, //
};

/// The guest is about to be entered.
#[inline(always)]
pub(super) fn entry(cx: &Context<'_>) {
    if trace::entry::is_on() {
        tell_entry(cx);
    }
}

#[cold]
#[inline(never)]
fn tell_entry(cx: &Context<'_>) {
    let event = &cx.guest.event;
    let info = if event.is_some() {
        event.info.into_raw()
    } else {
        0
    };
    let rip = cx.vmcs.read(GUEST_RIP);
    keep_cr2(cx.vmcs.irqs(), || {
        trace::entry::tell(cx.guest.identity.id, rip, info)
    });
}

/// The guest was left.
#[inline(always)]
pub(super) fn exit(cx: &Context<'_>, reason: ExitReason) {
    if trace::exit::is_on() {
        tell_exit(cx, reason);
    }
}

/// The CPU refused to enter the guest, with this VM-instruction error.
pub(super) fn not_entered(cx: &Context<'_>, error: u32) {
    refused(cx, MINIVMX_EXIT_ENTRY_FAILED, error.into());
}

/// Guest state was found to be such that an entry would fail, with this exit qualification.
pub(super) fn invalid_state(cx: &Context<'_>, qualification: u64) {
    const ENTRY_FAILURE: u32 = 1 << 31;
    refused(
        cx,
        ENTRY_FAILURE | basic::INVALID_GUEST_STATE,
        qualification,
    );
}

fn refused(cx: &Context<'_>, reason: u32, qualification: u64) {
    if trace::exit::is_on() {
        keep_cr2(cx.vmcs.irqs(), || {
            let rip = cx.vmcs.read(GUEST_RIP);
            trace::exit::tell(cx.guest.identity.id, reason, rip, qualification, 0)
        });
    }
}

#[cold]
#[inline(never)]
fn tell_exit(cx: &Context<'_>, reason: ExitReason) {
    entry::deliver_host_event(cx.vmcs);
    let vcpu = cx.guest.identity.id;
    let rip = cx.vmcs.read(GUEST_RIP);
    let qualification = cx.vmcs.read(EXIT_QUALIFICATION);
    let info = match reason.basic() {
        basic::EXCEPTION_OR_NMI => cx.vmcs.read(EXIT_INTERRUPTION_INFO),
        _ => 0,
    };
    keep_cr2(cx.vmcs.irqs(), || {
        trace::exit::tell(vcpu, reason.into_raw(), rip, qualification, info)
    });
}

/// A page fault that exits: of a guest with shadow paging, or for a program that wants to see it.
#[derive(Clone, Copy)]
pub(super) struct PageFault {
    /// The address that the guest touched.
    pub(super) address: Gva,
    /// How.
    pub(super) access: Access,
}

impl PageFault {
    /// What it was, what is done about it, and where the guest's tables lead to, or 0.
    #[inline(always)]
    pub(super) fn tell(self, cx: &Context<'_>, kind: u32, action: u32, gpa: Gpa) {
        if trace::page_fault::is_on() {
            self.tell_now(cx, kind, action, gpa);
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_now(self, cx: &Context<'_>, kind: u32, action: u32, gpa: Gpa) {
        let vcpu = cx.guest.identity.id;
        let code = cx.vmcs.read(EXIT_INTERRUPTION_ERROR_CODE);
        let by = trace::BY_ACCESS;
        let access = match (self.access.write, self.access.fetch) {
            (true, _) => access::MINIVMX_ACCESS_WRITE,
            (_, true) => access::MINIVMX_ACCESS_FETCH,
            _ => access::MINIVMX_ACCESS_READ,
        };
        let (gva, gpa) = (self.address.get(), gpa.get());
        keep_cr2(cx.vmcs.irqs(), || {
            trace::page_fault::tell(vcpu, kind, action, by, access, gva, gpa, code.into())
        });
    }

    /// The same of one that the guest gets to see nothing of.
    #[inline(always)]
    pub(super) fn tell_of_shadow(self, cx: &Context<'_>, action: u32) {
        if trace::page_fault::is_on() || trace::table_write::is_on() {
            self.tell_of_shadow_now(cx, action);
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_of_shadow_now(self, cx: &Context<'_>, action: u32) {
        let mut memory = cx.vm.memory.lock();
        let shadow = memory.shadow(cx.guest.identity.id);
        let last = shadow.map(|(shadow, _)| shadow.last_fault());
        drop(memory);
        let Some((cause, gpa)) = last else {
            return;
        };
        let kind = match cause {
            Cause::Miss => trace::FAULT_MISS,
            Cause::TableWrite => trace::FAULT_TABLE_WRITE,
            Cause::SupervisorWrite => trace::FAULT_SUPERVISOR_WRITE,
        };
        self.tell(cx, kind, action, gpa);
        if cause == Cause::TableWrite && trace::table_write::is_on() {
            let (vcpu, gva) = (cx.guest.identity.id, self.address.get());
            keep_cr2(cx.vmcs.irqs(), || {
                trace::table_write::tell(vcpu, action, gva, gpa.get())
            });
        }
    }
}

/// An EPT violation.
#[inline(always)]
pub(super) fn ept_violation(cx: &Context<'_>, kind: u32, action: u32, gpa: Gpa) {
    if trace::page_fault::is_on() {
        tell_ept_violation(cx, kind, action, gpa);
    }
}

#[cold]
#[inline(never)]
fn tell_ept_violation(cx: &Context<'_>, kind: u32, action: u32, gpa: Gpa) {
    let vcpu = cx.guest.identity.id;
    let code = cx.vmcs.read(EXIT_QUALIFICATION);
    let violation = EptViolation::from_raw(code);
    let (by, gva) = match (violation.linear_valid(), violation.final_translation()) {
        (false, _) => (trace::BY_LOAD, 0),
        (true, false) => (trace::BY_WALK, cx.vmcs.read(GUEST_LINEAR_ADDRESS)),
        (true, true) => (trace::BY_ACCESS, cx.vmcs.read(GUEST_LINEAR_ADDRESS)),
    };
    // CAST: Takes the lowest bits, whose order is that of `enum minivmx_access`.
    let access = code as u32 & 0b111;
    keep_cr2(cx.vmcs.irqs(), || {
        trace::page_fault::tell(vcpu, kind, action, by, access, gva, gpa.get(), code)
    });
}
