// SPDX-License-Identifier: GPL-2.0

//! The shadow tables, as a vCPU reaches them, and what the CPU is told of them.

use crate::{
    memory::Ram,
    mmu::{
        address::Hpa,
        guest_walk::Paging,
        page::Stock,
        shadow::{
            OutOfPages,
            Shadow, //
        }, //
    },
    support::page::KernelPage,
    vcpu::context::Context,
    vmx::field::*, //
};

/// Does something with the shadow tables, if there are any.
pub(in crate::vcpu) fn with<R>(
    cx: &mut Context<'_>,
    body: impl FnOnce(&mut Shadow<KernelPage>, &Ram<'_>, &mut Stock) -> R,
) -> Option<R> {
    let vm = cx.vm;
    cx.guest.translation.shadow()?;
    cx.guest.standing.set_changed();
    let mut memory = vm.memory.lock();
    let (shadow, ram) = memory.shadow()?;
    Some(body(shadow, &ram, &mut cx.guest.stock))
}

/// What [`use_root`] wants to know: a root, if there was none, and whether translations have changed.
#[inline]
pub(super) fn root_and_flush(
    shadow: &mut Shadow<KernelPage>,
    paging: &Paging,
    ram: &Ram<'_>,
    stock: &mut Stock,
) -> Result<(Option<Hpa>, bool), OutOfPages> {
    let root = match shadow.has_root() {
        true => None,
        false => Some(shadow.make_root(paging, ram, &mut || stock.take())?),
    };
    Ok((root, shadow.take_flush()))
}

/// Tells the CPU of the root, if it is another, and that translations have changed, if they have.
pub(super) fn use_root(cx: &mut Context<'_>, root: Option<Hpa>, flush: bool) {
    if let Some(root) = root {
        cx.vmcs.write(GUEST_CR3, root.get());
    }
    if flush {
        cx.flush_guest_tlb();
    }
    cx.guest.standing.set_ready();
}
