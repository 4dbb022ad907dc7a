// SPDX-License-Identifier: GPL-2.0

//! The four entries at the top of PAE paging. They are registers, which a load of CR3 reads from
//! memory, and so do some changes of CR0 and CR4 (SDM Vol. 3A, "PDPTE Registers").

use crate::{
    mmu::{
        address::Gpa,
        guest_walk::{
            self,
            Access,
            Mode,
            PhysicalMemory, //
        }, //
    },
    vcpu::{
        context::{
            Context,
            Next, //
        },
        event,
        memory,
        state::Translation, //
    },
    vmx::field::*,
    x86::exception::Exception, //
};

/// Loads what an instruction loads that makes this of mode and CR3; #GP(0) if it cannot be in the
/// CPU.
pub(super) fn load(cx: &mut Context<'_>, mode: Mode, cr3: u64) -> Result<(), Next> {
    if mode != Mode::Pae || take(cx, cr3)? {
        return Ok(());
    }
    Err(cx.inject(Exception::GENERAL_PROTECTION))
}

/// Sets what the program gives, or else what a load of CR3 reads. Whether that can be in the CPU,
/// the next VM entry says.
pub(super) fn reset(cx: &mut Context<'_>, cr3: u64, given: Option<[u64; 4]>) {
    let pdptes = given.unwrap_or_else(|| in_memory(cx, cr3));
    set(cx, pdptes);
}

/// Memory that nobody has written to is zero, and where there is none, nothing is mapped.
fn in_memory(cx: &Context<'_>, cr3: u64) -> [u64; 4] {
    let memory = cx.vm.memory.lock();
    guest_walk::pdptes_at(cr3).map(|gpa| memory.ram().read(gpa).unwrap_or(0))
}

/// Loads what is in memory, unless it cannot be in the CPU. Returns whether it did.
fn take(cx: &mut Context<'_>, cr3: u64) -> Result<bool, Next> {
    let mut pdptes = [0; 4];
    for (pdpte, gpa) in pdptes.iter_mut().zip(guest_walk::pdptes_at(cr3)) {
        let entry = cx.vm.memory.lock().ram().read(gpa);
        *pdpte = entry.ok_or_else(|| absent(cx, gpa))?;
    }
    let valid = guest_walk::pdptes_valid(&pdptes, cx.vm.machine.physical_bits());
    if valid {
        set(cx, pdptes);
    }
    Ok(valid)
}

/// The instruction that loads them is to be tried again.
#[cold]
fn absent(cx: &mut Context<'_>, gpa: Gpa) -> Next {
    event::resume_instruction(cx.vmcs);
    memory::absent(cx, gpa, Access::default())
}

fn set(cx: &mut Context<'_>, pdptes: [u64; 4]) {
    match &mut cx.guest.translation {
        Translation::Ept => {
            for (field, pdpte) in GUEST_PDPTES.into_iter().zip(pdptes) {
                cx.vmcs.write(field, pdpte);
            }
        }
        Translation::Shadow(state) => state.paging.pdptes = Some(pdptes),
    }
}
