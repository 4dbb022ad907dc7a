// SPDX-License-Identifier: GPL-2.0

//! #AC: the guest's own, or the host's detection of split locks.
//!
//! It exits always, since its delivery can raise it again, without end and without a chance for
//! interrupts (see [`crate::vcpu::allowance`]). With split-lock detection the CPU raises it for a
//! locked access that crosses a cache line, too, whatever the guest asked for. A guest does not
//! expect that: it gets one burst without the detection, but has to wait for it, one guest at a
//! time, lest it slow down the whole machine. The kernel does the same to its own programs, unless
//! it was told to kill them (`split_lock_detect=fatal`), which a module cannot find out.

use crate::{
    support::cpu::{
        self,
        Feature, //
    },
    vcpu::{
        context::{
            Context,
            Next, //
        },
        paging, //
    },
    vmx::field::GUEST_RFLAGS,
    x86::{
        cr0,
        rflags, //
    }, //
};

/// Did the guest ask for this #AC (SDM Vol. 3A, "Interrupt 17 - Alignment Check Exception (#AC)")?
pub(super) fn is_the_guests(cx: &Context<'_>) -> bool {
    cx.cr0() & cr0::AM != 0 && cx.vmcs.read(GUEST_RFLAGS) & rflags::AC != 0 && paging::is_user(cx)
}

/// Answers one that it did not ask for: the access is to happen again, without the detection.
#[cold]
pub(super) fn split_lock(cx: &mut Context<'_>) -> Next {
    if !cpu::has(Feature::SplitLockDetect) {
        return cx.internal_error("an alignment check that the guest did not ask for");
    }
    cx.guest.splits_lock = true;
    Next::SplitLock
}
