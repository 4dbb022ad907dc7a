// SPDX-License-Identifier: GPL-2.0

//! #AC: the guest's own, or the host's detection of split locks.
//!
//! It exits always, since its delivery can raise it again, without end and without a chance for
//! interrupts (see [`crate::vcpu::allowance`]). With split-lock detection the CPU raises it for a locked access
//! that crosses a cache line, too, whatever the guest asked for. A guest does not expect that: it gets
//! the CPU without the detection, as the kernel's own programs do after a warning.

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
use kernel::prelude::*;

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
    if !cx.guest.splits_locks {
        cx.guest.splits_locks = true;
        pr_warn!("a guest splits locks over cache lines: it runs without their detection\n");
    }
    Next::Pause
}
