// SPDX-License-Identifier: GPL-2.0

//! Guest memory by linear address, as instructions that the driver carries out reach it.

use super::{
    context::{
        Context,
        Next, //
    },
    event::Exception,
    memory,
    paging,
    translation, //
};
use crate::mmu::{
    address::{
        Gpa,
        Gva, //
    },
    guest_walk::{
        Access,
        Stop, //
    }, //
};
use core::sync::atomic::{
    AtomicU8,
    Ordering, //
};

/// Reads the guest's memory as the instruction that exited would.
pub(crate) fn read(cx: &mut Context<'_>, address: Gva, bytes: &mut [u8]) -> Result<(), Next> {
    let access = paging::access(cx, false, false);
    for (offset, byte) in bytes.iter_mut().enumerate() {
        *byte = with_byte(cx, address, offset, access, |cell, _| {
            cell.load(Ordering::Relaxed)
        })?;
    }
    Ok(())
}

/// Writes the guest's memory as the instruction that exited would.
pub(crate) fn write(cx: &mut Context<'_>, address: Gva, bytes: &[u8]) -> Result<(), Next> {
    let access = paging::access(cx, true, false);
    // All bytes can be written, or none is.
    for offset in 0..bytes.len() {
        with_byte(cx, address, offset, access, |_, _| ())?;
    }
    for (offset, byte) in bytes.iter().enumerate() {
        let gpa = with_byte(cx, address, offset, access, |cell, gpa| {
            cell.store(*byte, Ordering::Relaxed);
            gpa
        })?;
        translation::wrote(cx, gpa);
    }
    Ok(())
}

/// Does something with a byte of guest memory, or says what must come first.
fn with_byte<R>(
    cx: &mut Context<'_>,
    address: Gva,
    offset: usize,
    access: Access,
    use_byte: impl FnOnce(&AtomicU8, Gpa) -> R,
) -> Result<R, Next> {
    // CAST: At most 15.
    let address = Gva::new(address.get().wrapping_add(offset as u64));
    match memory::with_byte(cx, address, access, use_byte) {
        Ok(result) => Ok(result),
        Err(Stop::Memory(gpa, access)) => Err(memory::absent(cx, gpa, access)),
        Err(Stop::NotCanonical) => Err(cx.inject(Exception::GENERAL_PROTECTION)),
        Err(Stop::PageFault(code)) => {
            cx.set_cr2(address.get());
            Err(cx.inject(Exception::page_fault(code)))
        }
    }
}
