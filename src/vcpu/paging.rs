// SPDX-License-Identifier: GPL-2.0

//! How the guest translates its addresses, from its control registers.

use super::{
    context::Context,
    state::Translation, //
};
use crate::{
    mmu::guest_walk::{
        Access,
        Mode,
        Paging, //
    },
    vmx::{
        field::*,
        vmcs::CurrentVmcs, //
    },
    x86::{
        cr0,
        cr4,
        efer,
        rflags,
        segment::AccessRights, //
    }, //
};

/// What CR0, CR4 and IA32_EFER say of the mode.
pub(crate) fn mode(cr0: u64, cr4: u64, efer: u64) -> Mode {
    if cr0 & cr0::PG == 0 {
        Mode::Off
    } else if efer & efer::LMA != 0 {
        Mode::FourLevels
    } else if cr4 & cr4::PAE != 0 {
        Mode::Pae
    } else {
        Mode::Bits32 {
            large: cr4 & cr4::PSE != 0,
        }
    }
}

/// How the guest translates at present.
#[inline]
pub(crate) fn current(cx: &Context<'_>) -> Paging {
    match &cx.guest.translation {
        Translation::Ept => compute(cx),
        Translation::Shadow(state) => state.paging,
    }
}

/// To be called when one of the registers has changed that translation depends on. With shadow
/// paging none of them does without an exit, and it is asked for at each page fault.
pub(crate) fn update(cx: &mut Context<'_>) {
    let paging = compute(cx);
    if let Some(state) = cx.guest.translation.shadow() {
        state.paging = paging;
    }
}

fn compute(cx: &Context<'_>) -> Paging {
    let (cr0, cr4, efer) = (cx.cr0(), cx.cr4(), cx.efer());
    let mode = mode(cr0, cr4, efer);
    Paging {
        mode,
        cr3: cx.cr3(),
        pdptes: match &cx.guest.translation {
            Translation::Ept => (mode == Mode::Pae).then(|| pdptes(cx)),
            Translation::Shadow(state) => state.paging.pdptes,
        },
        write_protect: cr0 & cr0::WP != 0,
        no_execute: efer & efer::NXE != 0,
        smep: cr4 & cr4::SMEP != 0,
        smap: cr4 & cr4::SMAP != 0,
        physical_bits: cx.vm.machine.physical_bits(),
        pages_1g: cx.vm.machine.pages_1g,
    }
}

/// What the guest's last load of CR3 read, with EPT
/// (SDM Vol. 3C, "Saving Non-Register State").
fn pdptes(cx: &Context<'_>) -> [u64; 4] {
    GUEST_PDPTES.map(|field| cx.vmcs.read(field))
}

/// Is the guest's code of the least privileged kind?
pub(crate) fn is_user(cx: &Context<'_>) -> bool {
    cpl(cx) == 3
}

/// The guest's current privilege level: the DPL of SS, which is 3 in virtual-8086 mode (SDM Vol.
/// 3C, "Guest Register State").
pub(crate) fn cpl(cx: &Context<'_>) -> u32 {
    let stack = AccessRights::from_raw(cx.vmcs.read(GUEST_SS_ACCESS_RIGHTS));
    stack.dpl().get()
}

/// Does RFLAGS.AC let the supervisor touch pages of users?
pub(crate) fn may_touch_users(cx: &Context<'_>) -> bool {
    cx.vmcs.read(GUEST_RFLAGS) & rflags::AC != 0
}

/// Is the guest's code 64-bit code?
pub(crate) fn is_64_bit(cx: &Context<'_>) -> bool {
    cx.efer() & efer::LMA != 0 && is_long(cx.vmcs)
}

/// CS.L, which means something in IA-32e mode only.
pub(crate) fn is_long(vmcs: &CurrentVmcs<'_>) -> bool {
    AccessRights::from_raw(vmcs.read(GUEST_CS_ACCESS_RIGHTS)).long()
}

/// An access by the guest's code.
pub(crate) fn access(cx: &Context<'_>, write: bool, fetch: bool) -> Access {
    Access {
        user: is_user(cx),
        write,
        fetch,
        may_touch_users: may_touch_users(cx),
    }
}
