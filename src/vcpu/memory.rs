// SPDX-License-Identifier: GPL-2.0

//! Guest memory as a vCPU reaches it, and what the program is told where there is none.

use super::{
    context::{
        Context,
        Next, //
    },
    paging, //
};
use crate::{
    memory::Ram,
    mmu::{
        address::{
            Gpa,
            Gva,
            PageSize, //
        },
        guest_walk::{
            self,
            Access,
            Paging,
            Stop,
            Walked, //
        }, //
    },
    support::{
        page::KernelPage,
        uapi::{
            access,
            exit,
            minivmx_memory_exit, //
        }, //
    },
    vmx::field::*,
    x86::instruction, //
};
use core::sync::atomic::{
    AtomicU8,
    Ordering, //
};
use zerocopy::FromZeros;

/// Memory does not answer this access: its page can be allocated, or no memory is there that allows
/// it.
pub(crate) fn absent(cx: &mut Context<'_>, gpa: Gpa, access: Access) -> Next {
    let region = cx.vm.memory.lock().regions.find(gpa).copied();
    match region {
        Some(region) if !(access.write && region.kind.readonly) => Next::Populate(gpa),
        _ => report(cx, gpa, access),
    }
}

/// Does something with the byte at a linear address.
pub(crate) fn with_byte<R>(
    cx: &Context<'_>,
    address: Gva,
    access: Access,
    use_byte: impl FnOnce(&AtomicU8, Gpa) -> R,
) -> Result<R, Stop> {
    let paging = paging::current(cx);
    let memory = cx.vm.memory.lock();
    let gpa = translate(&paging, address, access, &memory.ram())?.gpa;
    drop(memory);
    let use_page = |page: &KernelPage, offset: usize| use_byte(&page.bytes()[offset], gpa);
    with_page(cx, gpa, access, use_page).ok_or(Stop::Memory(gpa, access))
}

/// Translates an address; anew a few times, if another vCPU changes an entry meanwhile.
fn translate(paging: &Paging, address: Gva, access: Access, ram: &Ram<'_>) -> Result<Walked, Stop> {
    const TRIES: usize = 8;
    let mut walked = Err(Stop::Changed);
    for _ in 0..TRIES {
        walked = guest_walk::translate(paging, address, access, ram);
        if walked.as_ref().err() != Some(&Stop::Changed) {
            break;
        }
    }
    walked
}

/// Does something with the page of a guest-physical address and the offset there; [`None`] if
/// memory does not answer.
pub(crate) fn with_page<R>(
    cx: &Context<'_>,
    gpa: Gpa,
    access: Access,
    use_page: impl FnOnce(&KernelPage, usize) -> R,
) -> Option<R> {
    let memory = cx.vm.memory.lock();
    let writable = !access.write || memory.regions.find(gpa).is_some_and(|r| !r.kind.readonly);
    let page = memory.chunks.page(gpa).filter(|_| writable)?;
    // CAST: Less than 4096.
    Some(use_page(page, gpa.offset(PageSize::Size4K) as usize))
}

/// Hands an access that no memory answers to the program.
pub(crate) fn report(cx: &mut Context<'_>, gpa: Gpa, kind: Access) -> Next {
    let mut instruction = [0; 15];
    let bytes = read_instruction(cx, &mut instruction);
    cx.guest.report.exit.memory = minivmx_memory_exit {
        gpa: gpa.get(),
        access: match (kind.write, kind.fetch) {
            (true, _) => access::MINIVMX_ACCESS_WRITE,
            (_, true) => access::MINIVMX_ACCESS_FETCH,
            _ => access::MINIVMX_ACCESS_READ,
        },
        // CAST: At most 15.
        instruction_bytes: bytes as u8,
        instruction,
        ..minivmx_memory_exit::new_zeroed()
    };
    let next = cx.report(exit::MINIVMX_EXIT_MEMORY);
    cx.guest.report.exit.physical_address = gpa.get();
    next
}

/// Is the guest at an IRET?
#[cold]
pub(crate) fn is_at_iret(cx: &Context<'_>) -> bool {
    let mut bytes = [0; 15];
    let count = read_instruction(cx, &mut bytes);
    bytes
        .get(..count)
        .is_some_and(|bytes| instruction::is_iret(bytes, paging::is_64_bit(cx)))
}

/// Reads the bytes at RIP, as many as can be read without a fault. Accessed flags are set, also for
/// bytes behind the instruction's last one, as by a CPU that reads ahead (SDM Vol. 3A, "Accessed
/// and Dirty Flags").
fn read_instruction(cx: &Context<'_>, bytes: &mut [u8]) -> usize {
    let base = if paging::is_64_bit(cx) {
        0
    } else {
        cx.vmcs.read(GUEST_CS_BASE)
    };
    let rip = base.wrapping_add(cx.vmcs.read(GUEST_RIP));
    let access = paging::access(cx, false, true);
    for (offset, byte) in bytes.iter_mut().enumerate() {
        // CAST: At most 15.
        let address = Gva::new(rip.wrapping_add(offset as u64));
        match with_byte(cx, address, access, |cell, _| cell.load(Ordering::Relaxed)) {
            Ok(value) => *byte = value,
            Err(_) => return offset,
        }
    }
    bytes.len()
}
