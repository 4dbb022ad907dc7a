// SPDX-License-Identifier: GPL-2.0

//! Hypercalls of guests that change their page tables through the driver (`uapi/minivmx_pv.h`).
//!
//! What a guest asks to have written is a guest's page table entry like any other: that it maps
//! only what is the guest's own is seen when it is used, by the walk that every shadow entry is
//! made from.

use crate::{
    memory::Ram,
    mmu::{
        address::{
            Gpa,
            Gva, //
        },
        guest_walk::PhysicalMemory,
        shadow::Shadow, //
    },
    support::{
        page::KernelPage,
        uapi::{
            minivmx_pv_update,
            pv_call,
            MINIVMX_PV_MAX_UPDATES, //
        }, //
    },
    vcpu::{
        context::{
            Context,
            Next, //
        },
        event,
        operand,
        paging,
        translation::{
            self,
            shadow, //
        }, //
    },
    vm::Mmu,
    vmx::entry::Registers, //
};
use core::sync::atomic::{
    AtomicU64,
    Ordering, //
};
use kernel::{
    bindings,
    prelude::*, //
};

/// The calls that there are, as [`pv_call::MINIVMX_PV_QUERY`] answers.
const CALLS: u64 = 0b11111;

/// Answers VMCALL. Where there are no hypercalls the answer is -ENOSYS, as from a hypervisor that
/// does not know the call.
#[inline]
pub(super) fn handle(cx: &mut Context<'_>) -> Next {
    if cx.vm.mmu == Mmu::Pv {
        return pv(cx);
    }
    const ANSWER: u64 = (bindings::ENOSYS as u64).wrapping_neg();
    cx.registers().0[Registers::RAX] = ANSWER;
    cx.skip()
}

/// Answers VMCALL of a guest that has hypercalls.
#[inline(never)]
fn pv(cx: &mut Context<'_>) -> Next {
    match call(cx) {
        Ok(result) => {
            cx.registers().0[Registers::RAX] = match result {
                Ok(value) => value,
                // CAST: Sign-extends on purpose.
                Err(error) => i64::from(error.to_errno()) as u64,
            };
            cx.skip()
        }
        // Something comes first, or instead; the call is made again after that.
        Err(next) => {
            event::resume_instruction(cx.vmcs);
            next
        }
    }
}

fn call(cx: &mut Context<'_>) -> Result<Result<u64>, Next> {
    if paging::cpl(cx) != 0 {
        return Ok(Err(EPERM));
    }
    let [number, first, second] = [Registers::RAX, Registers::RBX, Registers::RCX]
        .map(|register| operand::read(cx, register));
    match u32::try_from(number) {
        Ok(pv_call::MINIVMX_PV_QUERY) => Ok(Ok(CALLS)),
        Ok(pv_call::MINIVMX_PV_UPDATE) => update(cx, first, second),
        Ok(pv_call::MINIVMX_PV_SET_BASE) => set_base(cx, first),
        Ok(pv_call::MINIVMX_PV_FLUSH_ONE) => Ok(flush_one(cx, Gva::new(first))),
        Ok(pv_call::MINIVMX_PV_FLUSH_ALL) => {
            translation::mode_changed(cx);
            Ok(Ok(0))
        }
        _ => Ok(Err(ENOSYS)),
    }
}

fn set_base(cx: &mut Context<'_>, value: u64) -> Result<Result<u64>, Next> {
    if !cx.vm.machine.cr3_valid(value) {
        return Ok(Err(EINVAL));
    }
    translation::load_cr3(cx, value)?;
    Ok(Ok(0))
}

fn flush_one(cx: &mut Context<'_>, address: Gva) -> Result<u64> {
    use crate::mmu::address::Input;
    address.position().ok_or(EINVAL)?;
    shadow::with(cx, |shadow, ram, _| shadow.invlpg(address, ram));
    // The entries are right; what the CPU remembers need not be.
    cx.flush_guest_tlb();
    Ok(0)
}

fn update(cx: &mut Context<'_>, array: u64, count: u64) -> Result<Result<u64>, Next> {
    if count > u64::from(MINIVMX_PV_MAX_UPDATES) {
        return Ok(Err(E2BIG));
    }
    let bytes = count.wrapping_mul(size_of::<minivmx_pv_update>() as u64);
    if array % 8 != 0 || array.checked_add(bytes).is_none() {
        return Ok(Err(EINVAL));
    }
    // The array does not go beyond the last address.
    let elements = (0..count).map(|index| array.wrapping_add(index.wrapping_mul(16)));
    let done = shadow::with(cx, |shadow, ram, _| {
        // A call that is made again must find the list as it was: nothing is written before.
        match first_absent(ram, elements.clone()) {
            Some(gpa) => Err(gpa),
            None => Ok(write_all(shadow, ram, elements)),
        }
    });
    match done {
        Some(Ok(written)) => Ok(Ok(written)),
        Some(Err(gpa)) => Err(Next::Populate(gpa)),
        None => Ok(Err(ENOSYS)),
    }
}

/// The first address that is in the way of a list, if a page has to be allocated there and no more.
fn first_absent(ram: &Ram<'_>, mut elements: impl Iterator<Item = u64>) -> Option<Gpa> {
    let in_the_way = elements.find_map(|element| Update::read(ram, element).err())?;
    ram.is_absent(in_the_way).then_some(in_the_way)
}

/// Writes the entries in their order, as far as there is memory for them; returns their number.
fn write_all(
    shadow: &mut Shadow<KernelPage>,
    ram: &Ram<'_>,
    elements: impl Iterator<Item = u64>,
) -> u64 {
    let mut written = 0;
    let writes = elements.map_while(|element| {
        let update = Update::read(ram, element).ok()?;
        update.word.store(update.value, Ordering::Relaxed);
        written += 1;
        Some(update.gpa)
    });
    shadow.written(writes, ram);
    written
}

/// An element of a list, whose entry can be written.
struct Update<'a> {
    gpa: Gpa,
    word: &'a AtomicU64,
    value: u64,
}

impl<'a> Update<'a> {
    /// Reads an element; if it cannot be carried out, says which address is in the way.
    fn read(ram: &Ram<'a>, element: u64) -> Result<Self, Gpa> {
        let read = |at: u64| ram.read(Gpa::new(at)).ok_or(Gpa::new(at));
        let gpa = Gpa::new(read(element)?);
        let value = read(element.wrapping_add(8))?;
        let word = ram.writable_word(gpa).ok_or(gpa)?;
        Ok(Self { gpa, word, value })
    }
}
