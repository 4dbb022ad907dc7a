// SPDX-License-Identifier: GPL-2.0

//! Answering `MINIVMX_TRANSLATE`: how is an address translated?

use super::{
    context::Context,
    paging,
    translation,
    Vcpu, //
};
use crate::{
    memory::CpuTables,
    mmu::{
        guest_walk::Access,
        inspect::{
            self,
            Address,
            Answer, //
        },
        pte::Trail, //
    },
    x86::{
        pat,
        rflags, //
    }, //
};
use kernel::prelude::*;

/// What a translation comes to, with the memory type that the guest asks for; [`None`] if that is
/// not known.
pub(crate) type Inspected = (Answer, Option<u8>);

impl Vcpu {
    /// Translates an address for an access; the entries on the way are added to `trail`.
    ///
    /// # Errors
    ///
    /// `EBUSY`, `EIO`.
    pub(crate) fn inspect(
        &self,
        address: Address,
        access: Access,
        trail: &Trail,
    ) -> Result<Inspected> {
        let access = Access {
            may_touch_users: self.page.frame().rflags & rflags::AC != 0,
            ..access
        };
        self.with_context(|cx| {
            let answer = translate(cx, address, access, trail)?;
            Ok((answer, memory_type(cx, &answer)))
        })
    }
}

/// As the CPU would do it with the tables that the vCPU uses: `EIO` without.
fn translate(cx: &Context<'_>, address: Address, access: Access, trail: &Trail) -> Result<Answer> {
    let paging = paging::current(cx);
    let memory = cx.vm.memory.lock();
    let ram = memory.ram();
    Ok(match memory.tables() {
        CpuTables::Ept(ept) => {
            inspect::with_ept(ept.tables(), &paging, address, access, &ram, trail)
        }
        CpuTables::Shadow(shadows) => {
            let shadow = shadows.of(cx.guest.identity.id).ok_or(EIO)?;
            inspect::with_shadow(shadow, &paging, address, access, &ram, trail)
        }
    })
}

/// What the guest's tables ask for by its PAT: write-back without paging (SDM Vol. 3C, "EPT and
/// Memory Typing").
fn memory_type(cx: &Context<'_>, answer: &Answer) -> Option<u8> {
    /// WB.
    const WRITE_BACK: u8 = 6;
    answer.guest?;
    let Some(index) = answer.pat_index else {
        return Some(WRITE_BACK);
    };
    let types = translation::pat(cx)?.to_le_bytes();
    // CAST: 0 to 7.
    let memory_type = types.get(index as usize).copied()?;
    pat::is_type(memory_type).then_some(memory_type)
}
