// SPDX-License-Identifier: GPL-2.0

//! Guest memory by linear address, as instructions that the driver carries out reach it.

use super::{
    context::{
        Context,
        Next, //
    },
    memory,
    paging,
    state::Operand,
    translation, //
};
use crate::{
    mmu::{
        address::{
            Gpa,
            Gva,
            PageSize, //
        },
        guest_walk::{
            Access,
            Stop, //
        }, //
    },
    support::page::KernelPage,
    x86::exception::Exception, //
};

/// Finds an operand, of less than a page, for a read or a write by the instruction that exited; or
/// says what must come first.
///
/// It is all there afterwards, and the guest may reach it: accessed and dirty flags are set.
pub(crate) fn find(
    cx: &mut Context<'_>,
    address: Gva,
    length: u8,
    write: bool,
) -> Result<Operand, Next> {
    let access = paging::access(cx, write, false);
    let size = PageSize::Size4K;
    let first = reach(cx, address, access)?;
    let second_page = if address.offset(size).wrapping_add(length.into()) > size.bytes() {
        let next = address.page_base(size).get().wrapping_add(size.bytes());
        reach(cx, wrap(cx, next), access)?
    } else {
        first
    };
    Ok(Operand::new(first, second_page))
}

/// Reads an operand that was found.
pub(crate) fn read(cx: &mut Context<'_>, operand: Operand, bytes: &mut [u8]) -> Result<(), Next> {
    let (first, second) = bytes.split_at_mut(operand.in_first_page(bytes.len()));
    let behind = operand.byte(first.len());
    with_page(cx, operand.byte(0), false, |page, offset| {
        page.load(offset, first)
    })?;
    if !second.is_empty() {
        with_page(cx, behind, false, |page, offset| page.load(offset, second))?;
    }
    Ok(())
}

/// Writes an operand that was found for a write.
pub(crate) fn write(cx: &mut Context<'_>, operand: Operand, bytes: &[u8]) -> Result<(), Next> {
    let (first, second) = bytes.split_at(operand.in_first_page(bytes.len()));
    let parts = [
        (operand.byte(0), first),
        (operand.byte(first.len()), second),
    ];
    let parts = || parts.iter().filter(|(_, part)| !part.is_empty());
    // All bytes can be written, or none is.
    for (gpa, _) in parts() {
        with_page(cx, *gpa, true, |_, _| ())?;
    }
    for (gpa, part) in parts() {
        with_page(cx, *gpa, true, |page, offset| page.store(offset, part))?;
    }
    for index in 0..bytes.len() {
        translation::wrote(cx, operand.byte(index));
    }
    Ok(())
}

/// Does something with the page of an operand and the offset there, or says what must come first:
/// its memory may have gone away since it was found.
fn with_page<R>(
    cx: &mut Context<'_>,
    gpa: Gpa,
    write: bool,
    use_page: impl FnOnce(&KernelPage, usize) -> R,
) -> Result<R, Next> {
    let access = paging::access(cx, write, false);
    memory::with_page(cx, gpa, access, use_page).ok_or_else(|| memory::absent(cx, gpa, access))
}

/// Outside 64-bit mode linear addresses have 32 bits.
fn wrap(cx: &Context<'_>, address: u64) -> Gva {
    if paging::is_64_bit(cx) {
        Gva::new(address)
    } else {
        Gva::new(address & 0xffff_ffff)
    }
}

/// Translates an address, if memory answers there.
fn reach(cx: &mut Context<'_>, address: Gva, access: Access) -> Result<Gpa, Next> {
    memory::with_byte(cx, address, access, |_, gpa| gpa).map_err(|stop| raise(cx, address, stop))
}

/// Gives the guest the exception, or the program the exit, that comes instead of the access.
fn raise(cx: &mut Context<'_>, address: Gva, stop: Stop) -> Next {
    match stop {
        Stop::Memory(gpa, access) => memory::absent(cx, gpa, access),
        Stop::NotCanonical => cx.inject(Exception::GENERAL_PROTECTION),
        // The instruction begins anew.
        Stop::Changed => Next::Pause,
        Stop::PageFault(code) => cx.inject(Exception::page_fault(code, address.get())),
    }
}
