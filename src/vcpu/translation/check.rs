// SPDX-License-Identifier: GPL-2.0

//! What the program set, before the first VM entry with it: what no CPU can be in is told as a
//! failed VM entry tells it, whichever way addresses are translated (SDM Vol. 3C, "Checks on Guest
//! Control Registers, Debug Registers, and MSRs").

use super::pdptes;
use crate::{
    mmu::guest_walk::pdptes_valid,
    vcpu::{
        context::{
            Context,
            Next, //
        },
        state::Translation, //
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

/// Exit qualification of a VM entry that failed for the PDPTEs.
const PDPTES: u64 = 2;

/// Looks at the registers that translation depends on. What else there is, VM entries check.
#[cold]
pub(super) fn check(cx: &mut Context<'_>) -> Result<(), Next> {
    check_mode(cx)?;
    check_cr3(cx)?;
    match cx.guest.translation {
        Translation::Ept => Ok(()),
        Translation::Shadow(_) => check_shadow(cx),
    }
}

fn check_mode(cx: &mut Context<'_>) -> Result<(), Next> {
    if efer::fits(cx.efer(), cx.cr0(), cx.cr4()) {
        return Ok(());
    }
    Err(cx.invalid_state(
        0,
        "invalid guest state: CR0.PG, CR4.PAE, IA32_EFER.LME and LMA",
    ))
}

fn check_cr3(cx: &mut Context<'_>) -> Result<(), Next> {
    if cx.vm.machine.cr3_valid(cx.cr3()) {
        return Ok(());
    }
    Err(cx.invalid_state(0, "invalid guest state: CR3"))
}

/// Refuses what shadow paging cannot do, and PDPTEs that no CPU can have.
fn check_shadow(cx: &mut Context<'_>) -> Result<(), Next> {
    if cx.cr0() & cr0::PE == 0 {
        return Err(cx.internal_error(
            "real mode needs EPT and the unrestricted guest: with shadow paging CR0.PE must be 1",
        ));
    }
    let physical_bits = cx.vm.machine.physical_bits();
    if pdptes(cx).is_some_and(|pdptes| !pdptes_valid(&pdptes, physical_bits)) {
        let cause = describe_entry_failure(basic::INVALID_GUEST_STATE, PDPTES);
        return Err(cx.invalid_state(PDPTES, cause));
    }
    Ok(())
}
