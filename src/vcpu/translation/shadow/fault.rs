// SPDX-License-Identifier: GPL-2.0

//! Page faults: the shadow's, which the guest gets to see nothing of, and the guest's own.

use super::{
    step,
    tables::with, //
};
use crate::{
    mmu::{
        address::{
            Gpa,
            Gva, //
        },
        guest_walk::{
            fault,
            Access, //
        },
        shadow::{
            Fault,
            Written, //
        }, //
    },
    vcpu::{
        context::{
            Context,
            Next, //
        },
        event,
        memory,
        paging,
        trace, //
    },
    vmx::{
        field::*, //
    },
    x86::{
        event::{
            vector,
            Interruption, //
        },
        exception::Exception, //
    }, //
};

/// Answers a page fault of a guest with shadow paging.
pub(in super::super) fn page_fault(cx: &mut Context<'_>) -> Next {
    let address = Gva::new(cx.vmcs.read(EXIT_QUALIFICATION));
    let code = cx.vmcs.read(EXIT_INTERRUPTION_ERROR_CODE);
    let access = Access::of_fault(code, paging::is_user(cx), paging::may_touch_users(cx));
    let told = trace::PageFault { address, access };
    let present = code & fault::PRESENT != 0;
    let (paging, vmcs) = (paging::current(cx), cx.vmcs);
    let mut writes = Written::Anything;
    let fault = with(cx, |shadow, ram, stock| {
        let pages = &mut || stock.take();
        let fault = shadow.fault(&paging, address, access, present, ram, pages);
        if fault == Fault::Step && shadow.steps_at_dense_tables() {
            writes = step::writes(vmcs, &paging, shadow, ram);
        }
        fault
    });
    if let Some(Fault::Guest(code)) = fault {
        return guest_fault(cx, code, told);
    }
    // The access is to happen again, and with it the IRET that it was part of.
    let info = Interruption::from_raw(cx.vmcs.read(EXIT_INTERRUPTION_INFO));
    event::block_nmis_again(cx.vmcs, cx.guest, info.nmi_unblocking());
    match fault {
        Some(Fault::Filled) => {
            told.tell_of_shadow(cx, trace::ACTION_FILL);
            Next::Enter
        }
        Some(Fault::Step) => {
            told.tell_of_shadow(cx, trace::ACTION_STEP);
            step::begin(cx, writes);
            Next::Enter
        }
        Some(Fault::Unfinished) => {
            told.tell(cx, trace::FAULT_MISS, trace::ACTION_RETRY, NONE);
            Next::Pause
        }
        Some(Fault::Memory(gpa, access)) => {
            let next = memory::absent(cx, gpa, access);
            count_memory(cx, next, gpa, told);
            // If the program gets to see it, as an EPT violation would tell it.
            cx.guest.report.exit.linear_address = address.get();
            next
        }
        Some(Fault::TooMuch) => {
            const CAUSE: &str = "an instruction that writes to too many page tables at once";
            fail(cx, told, CAUSE)
        }
        Some(Fault::NotCanonical) => fail(cx, told, "a page fault at no canonical address"),
        Some(Fault::Guest(_)) | None => fail(cx, told, "a page fault without shadow tables"),
    }
}

#[cold]
fn fail(cx: &mut Context<'_>, told: trace::PageFault, cause: &str) -> Next {
    told.tell(cx, trace::FAULT_MISS, trace::ACTION_FAIL, NONE);
    cx.internal_error(cause)
}

/// No guest-physical address is known.
const NONE: Gpa = Gpa::new(0);

/// Memory is to be allocated, or the program gets to see that there is none.
fn count_memory(cx: &Context<'_>, next: Next, gpa: Gpa, told: trace::PageFault) {
    let (counter, kind, action) = match next {
        Next::Populate(_) => (
            &cx.counters.allocations,
            trace::FAULT_ALLOCATE,
            trace::ACTION_RETRY,
        ),
        _ => (
            &cx.counters.absences,
            trace::FAULT_ABSENT,
            trace::ACTION_REPORT,
        ),
    };
    counter.count();
    told.tell(cx, kind, action, gpa);
}

/// A page fault of the guest's own: for the program, if it asked for it, else for the guest.
fn guest_fault(cx: &mut Context<'_>, code: u32, told: trace::PageFault) -> Next {
    if let Some(state) = cx.guest.translation.shadow() {
        state.fault_code = code;
    }
    let trapped = cx.guest.traps.contains_exception(vector::PAGE_FAULT.into());
    let action = match trapped {
        true => trace::ACTION_REPORT,
        false => trace::ACTION_DELIVER,
    };
    told.tell(cx, trace::FAULT_GUEST, action, NONE);
    if !trapped {
        return deliver(cx, code);
    }
    let next = cx.report_exited_exception();
    cx.guest.report.exit.interruption_error = code;
    next
}

/// Gives the guest the page fault that [`page_fault`] found to be its own, with this error code.
pub(in super::super) fn deliver(cx: &mut Context<'_>, code: u32) -> Next {
    // Whatever the instruction was granted, it did not come to its end.
    step::end(cx);
    cx.deliver(Exception::page_fault(
        code,
        cx.vmcs.read(EXIT_QUALIFICATION),
    ))
}
