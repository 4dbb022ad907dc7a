// SPDX-License-Identifier: GPL-2.0

//! Before a VM entry: the CPU gets a root, and forgets what has changed.

use super::{
    registers::take_pdptes,
    tables::{
        root_and_flush,
        use_root,
        with, //
    }, //
};
use crate::{
    mmu::guest_walk::Mode,
    vcpu::{
        context::{
            Context,
            Next, //
        },
        paging,
        state::Standing, //
    },
    vmx::exit::{
        basic,
        describe_entry_failure, //
    },
    x86::{
        cr0,
        efer, //
    }, //
};

/// Does what there is to do before the next VM entry.
pub(in super::super) fn renew(cx: &mut Context<'_>) -> Result<(), Next> {
    let state = cx.guest.translation.shadow();
    if state.is_some_and(|state| state.standing == Standing::Unchecked) {
        check_state(cx)?;
    }
    let paging = paging::current(cx);
    let renewed = with(cx, |shadow, ram, stock| {
        root_and_flush(shadow, &paging, ram, stock)
    });
    let Some(Ok((root, flush))) = renewed else {
        // More pages for tables come with the next burst.
        return Err(Next::Pause);
    };
    use_root(cx, root, flush);
    Ok(())
}

/// Exit qualification of a VM entry that failed for the PDPTEs.
const PDPTES: u64 = 2;

/// Looks at what the program set: refuses what shadow paging cannot do and what no CPU can be in, as a
/// VM entry with EPT would.
fn check_state(cx: &mut Context<'_>) -> Result<(), Next> {
    check_mode(cx)?;
    paging::update(cx);
    let paging = paging::current(cx);
    if paging.mode == Mode::Pae && !take_pdptes(cx, paging.cr3)? {
        let cause = describe_entry_failure(basic::INVALID_GUEST_STATE, PDPTES);
        return Err(cx.invalid_state(PDPTES, cause));
    }
    if let Some(state) = cx.guest.translation.shadow() {
        state.standing = Standing::Changed;
    }
    Ok(())
}

fn check_mode(cx: &mut Context<'_>) -> Result<(), Next> {
    let (cr0, cr4, efer) = (cx.cr0(), cx.cr4(), cx.efer());
    if cr0 & cr0::PE == 0 {
        return Err(cx.internal_error(
            "real mode needs EPT and the unrestricted guest: with shadow paging CR0.PE must be 1",
        ));
    }
    if efer::fits(efer, cr0, cr4) {
        return Ok(());
    }
    Err(cx.invalid_state(
        0,
        "invalid guest state: CR0.PG, CR4.PAE, IA32_EFER.LME and LMA",
    ))
}
