// SPDX-License-Identifier: GPL-2.0

//! Tracepoints: what they are told, and whether anybody listens.
//!
//! Each has a function to tell it something, and one that says whether somebody listens. That is a
//! NOP in the code, which the kernel replaces by a jump when somebody begins to: what a tracepoint
//! is told need not be found out before. `trace.h` says what it means.
//!
//! All of them are told with interrupts off and the guest's state in the CPU. A listener may read a
//! program's memory and fault, which is what [`keep_cr2`] is for. It must not use the FPU, whose
//! registers are the guest's, though `irq_fpu_usable()` would allow it: nothing that can listen in
//! Linux 7.3 does.

#[cfg(CONFIG_TRACEPOINTS)]
use super::bindings;
use super::{
    cpu,
    irq::IrqsDisabled, //
};

pub(crate) use super::bindings::{
    MINIVMX_ACTION_DELIVER as ACTION_DELIVER,
    MINIVMX_ACTION_FAIL as ACTION_FAIL,
    MINIVMX_ACTION_FILL as ACTION_FILL,
    MINIVMX_ACTION_REPORT as ACTION_REPORT,
    MINIVMX_ACTION_RETRY as ACTION_RETRY,
    MINIVMX_ACTION_STEP as ACTION_STEP,
    MINIVMX_BY_ACCESS as BY_ACCESS,
    MINIVMX_BY_LOAD as BY_LOAD,
    MINIVMX_BY_WALK as BY_WALK,
    MINIVMX_FAULT_ABSENT as FAULT_ABSENT,
    MINIVMX_FAULT_ALLOCATE as FAULT_ALLOCATE,
    MINIVMX_FAULT_GUEST as FAULT_GUEST,
    MINIVMX_FAULT_MISS as FAULT_MISS,
    MINIVMX_FAULT_SUPERVISOR_WRITE as FAULT_SUPERVISOR_WRITE,
    MINIVMX_FAULT_TABLE_WRITE as FAULT_TABLE_WRITE,
    MINIVMX_FLUSH_INVEPT as FLUSH_INVEPT,
    MINIVMX_FLUSH_INVVPID as FLUSH_INVVPID, //
};

/// Is the static key of a tracepoint on? As `static_branch_unlikely!` of the kernel crate.
#[cfg(CONFIG_JUMP_LABEL)]
macro_rules! is_on {
    ($tracepoint:path) => {
        'is_on: {
            // SAFETY: The jump goes where the key says, and nothing else happens.
            unsafe {
                kernel::asm!(
                    include!(concat!(env!("MINIVMX_GENERATED"), "/static_branch_generated.rs"));
                    l_yes = label {
                        break 'is_on true;
                    },
                    symb = sym $tracepoint,
                    off = const core::mem::offset_of!(kernel::bindings::tracepoint, key),
                    branch = const 0,
                )
            };
            false
        }
    };
}

#[cfg(not(CONFIG_JUMP_LABEL))]
macro_rules! is_on {
    ($tracepoint:path) => {{
        use core::sync::atomic::{AtomicI32, Ordering};
        let tracepoint = &raw const $tracepoint;
        // SAFETY: The tracepoint is a static of the module's.
        let count = unsafe { &raw const (*tracepoint).key.key.enabled.counter };
        // SAFETY: The count is there for as long, and is changed atomically.
        unsafe { (*count.cast::<AtomicI32>()).load(Ordering::Relaxed) > 0 }
    }};
}

/// Tells somebody something where CR2 is a guest's: a listener may read memory of a program, and
/// fault.
pub(crate) fn keep_cr2(irqs: &IrqsDisabled, tell: impl FnOnce()) {
    let cr2 = cpu::cr2(irqs);
    tell();
    cpu::set_cr2(irqs, cr2);
}

macro_rules! tracepoints {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*);)*) => {$(
        $(#[$doc])*
        pub(crate) mod $name {
            /// Does anybody listen?
            #[inline(always)]
            pub(crate) fn is_on() -> bool {
                #[cfg(CONFIG_TRACEPOINTS)]
                return kernel::macros::paste! { is_on!(super::bindings::[<__tracepoint_ $name>]) };
                #[cfg(not(CONFIG_TRACEPOINTS))]
                return false;
            }

            /// Tells those who listen.
            #[allow(clippy::too_many_arguments)]
            pub(crate) fn tell($($argument: $type),*) {
                #[cfg(CONFIG_TRACEPOINTS)]
                kernel::macros::paste! {
                    // SAFETY: A tracepoint takes any values, wherever code can be instrumented.
                    unsafe { super::bindings::[<rust_do_trace_ $name>]($($argument),*) }
                };
                #[cfg(not(CONFIG_TRACEPOINTS))]
                let _ = ($($argument),*);
            }
        }
    )*};
}

tracepoints! {
    /// A VM entry.
    entry(vcpu: u32, rip: u64, event: u32);
    /// A VM exit.
    exit(vcpu: u32, reason: u32, rip: u64, qualification: u64, info: u32);
    /// A page fault, or an EPT violation.
    page_fault(vcpu: u32, kind: u32, action: u32, by: u32, access: u32, gva: u64, gpa: u64, code: u64);
    /// A write to a guest page table.
    table_write(vcpu: u32, action: u32, gva: u64, gpa: u64);
    /// Translations are dropped.
    flush(vcpu: u32, by: u32, vpid: u32);
}
