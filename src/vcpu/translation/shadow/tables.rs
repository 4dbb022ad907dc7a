// SPDX-License-Identifier: GPL-2.0

//! The shadow tables, as a vCPU reaches them, and what the CPU is told of them.

use crate::{
    memory::Ram,
    mmu::{
        page::Stock,
        shadow::{
            Renewal,
            Shadow, //
        }, //
    },
    support::page::KernelPage,
    vcpu::context::Context,
    vmx::field::*, //
};

/// Does something with the shadow tables, if there are any, and tells the CPU at once what has
/// changed, unless it needs another root: that comes before the next VM entry.
pub(in crate::vcpu) fn with<R>(
    cx: &mut Context<'_>,
    body: impl FnOnce(&mut Shadow<KernelPage>, &Ram<'_>, &mut Stock) -> R,
) -> Option<R> {
    let (result, renewal) = with_untold(cx, |shadow, ram, stock| {
        let result = body(shadow, ram, stock);
        (result, shadow.renew_with_root())
    })?;
    if let Some(renewal) = renewal {
        tell_cpu(cx, renewal);
    }
    Some(result)
}

/// As above, but what the CPU is told is up to the caller.
pub(super) fn with_untold<R>(
    cx: &mut Context<'_>,
    body: impl FnOnce(&mut Shadow<KernelPage>, &Ram<'_>, &mut Stock) -> R,
) -> Option<R> {
    let (vm, vcpu) = (cx.vm, cx.guest.identity.id);
    cx.guest.translation.shadow()?;
    cx.guest.standing.set_changed();
    let mut memory = vm.memory.lock();
    let (shadow, ram) = memory.shadow(vcpu)?;
    Some(body(shadow, &ram, &mut cx.guest.stock))
}

/// Tells the CPU of the root, if it is another, and that translations have changed, if they have.
#[inline(always)]
pub(super) fn tell_cpu(cx: &mut Context<'_>, renewal: Renewal) {
    if let Some(root) = renewal.root {
        cx.vmcs.write(GUEST_CR3, root.get());
    }
    if renewal.flush.is_needed() {
        cx.flush_guest_tlb();
    }
    cx.guest.standing.set_ready();
}
