// SPDX-License-Identifier: GPL-2.0

//! Guest memory by linear address: for string I/O, and to show the instruction at RIP.

use super::{
    context::{
        Context,
        Next, //
    },
    event::Exception,
    paging,
    shadow, //
};
use crate::{
    mmu::{
        address::{
            Gpa,
            Gva,
            PageSize, //
        },
        guest_walk::{
            self,
            Access,
            Stop, //
        }, //
    },
    vmx::field::*,
    x86::{
        efer,
        segment::AccessRights, //
    }, //
};
use core::sync::atomic::{
    AtomicU8,
    Ordering, //
};

/// Reads the guest's memory as the instruction that exited would.
pub(crate) fn read(cx: &mut Context<'_>, address: Gva, bytes: &mut [u8]) -> Result<(), Next> {
    let access = access(cx, false, false);
    for (offset, byte) in bytes.iter_mut().enumerate() {
        *byte = with_byte(cx, address, offset, access, |cell, _| {
            cell.load(Ordering::Relaxed)
        })?;
    }
    Ok(())
}

/// Writes the guest's memory as the instruction that exited would.
pub(crate) fn write(cx: &mut Context<'_>, address: Gva, bytes: &[u8]) -> Result<(), Next> {
    let access = access(cx, true, false);
    // All bytes can be written, or none is.
    for offset in 0..bytes.len() {
        with_byte(cx, address, offset, access, |_, _| ())?;
    }
    for (offset, byte) in bytes.iter().enumerate() {
        let gpa = with_byte(cx, address, offset, access, |cell, gpa| {
            cell.store(*byte, Ordering::Relaxed);
            gpa
        })?;
        shadow::with(cx, |shadow, ram, _| shadow.written(gpa, ram));
    }
    Ok(())
}

/// Reads the bytes at RIP, as many as can be read without any effect on the guest.
pub(crate) fn instruction(cx: &Context<'_>, bytes: &mut [u8]) -> usize {
    let base = if long_code(cx) {
        0
    } else {
        cx.vmcs.read(GUEST_CS_BASE)
    };
    let rip = base.wrapping_add(cx.vmcs.read(GUEST_RIP));
    let access = access(cx, false, true);
    for (offset, byte) in bytes.iter_mut().enumerate() {
        match find_byte(cx, Gva::new(rip), offset, access, |cell, _| {
            cell.load(Ordering::Relaxed)
        }) {
            Ok(value) => *byte = value,
            Err(_) => return offset,
        }
    }
    bytes.len()
}

/// Is the guest's code 64-bit code?
pub(crate) fn long_code(cx: &Context<'_>) -> bool {
    let code = AccessRights::from_raw(cx.vmcs.read(GUEST_CS_ACCESS_RIGHTS));
    cx.efer() & efer::LMA != 0 && code.long()
}

/// Does something with a byte of guest memory, or says what must come first.
fn with_byte<R>(
    cx: &mut Context<'_>,
    address: Gva,
    offset: usize,
    access: Access,
    use_byte: impl FnOnce(&AtomicU8, Gpa) -> R,
) -> Result<R, Next> {
    match find_byte(cx, address, offset, access, use_byte) {
        Ok(result) => Ok(result),
        Err(Stop::Memory(gpa, access)) => Err(absent(cx, gpa, access)),
        Err(Stop::NotCanonical) => Err(cx.inject(Exception::GENERAL_PROTECTION)),
        Err(Stop::PageFault(code)) => {
            cx.set_cr2(nth(address, offset).get());
            Err(cx.inject(Exception::page_fault(code)))
        }
    }
}

/// Memory does not answer this access: its page can be allocated, or no memory is there that allows it.
pub(crate) fn absent(cx: &mut Context<'_>, gpa: Gpa, access: Access) -> Next {
    let region = cx.vm.memory.lock().regions.find(gpa);
    match region {
        Some(region) if !(access.write && region.kind.readonly) => Next::Populate(gpa),
        _ => super::violation::report_memory(cx, gpa, access),
    }
}

fn find_byte<R>(
    cx: &Context<'_>,
    address: Gva,
    offset: usize,
    access: Access,
    use_byte: impl FnOnce(&AtomicU8, Gpa) -> R,
) -> Result<R, Stop> {
    let paging = paging::current(cx);
    let memory = cx.vm.memory.lock();
    let address = nth(address, offset);
    let gpa = guest_walk::translate(&paging, address, access, &memory.ram())?.gpa;
    let writable = !access.write || memory.regions.find(gpa).is_some_and(|r| !r.kind.readonly);
    let page = memory.chunks.page(gpa).filter(|_| writable);
    let page = page.ok_or(Stop::Memory(gpa, access))?;
    // CAST: Less than 4096.
    Ok(use_byte(
        &page.bytes()[gpa.offset(PageSize::Size4K) as usize],
        gpa,
    ))
}

fn nth(address: Gva, offset: usize) -> Gva {
    // CAST: At most 15.
    Gva::new(address.get().wrapping_add(offset as u64))
}

fn access(cx: &Context<'_>, write: bool, fetch: bool) -> Access {
    Access {
        user: paging::is_user(cx),
        write,
        fetch,
        may_touch_users: paging::may_touch_users(cx),
    }
}
