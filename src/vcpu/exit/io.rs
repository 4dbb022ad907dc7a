// SPDX-License-Identifier: GPL-2.0

//! I/O instructions. Ports are the program's; string forms move one element an exit, whose data the
//! driver copies from and to guest memory.

use crate::{
    mmu::address::Gva,
    support::uapi::{
        io_flags,
        minivmx_io, //
    },
    vcpu::{
        context::{
            Context,
            Next, //
        },
        linear,
        state::Pending, //
    },
    vmx::{
        entry::Registers,
        exit::{
            basic,
            IoAccess, //
        },
        field::*, //
    },
    x86::rflags, //
};
use kernel::bitfield;

bitfield! {
    /// VM-exit instruction information of INS and OUTS
    /// (SDM Vol. 3C, "Information for VM Exits Due to Instruction Execution").
    struct StringInfo(u32) {
        /// 0: 16 bits, 1: 32 bits, 2: 64 bits.
        9:7 address_size;
    }
}

/// Hands an I/O instruction to the program.
#[inline(never)]
pub(super) fn handle(cx: &mut Context<'_>) -> Next {
    let access = IoAccess::from_raw(cx.vmcs.read(EXIT_QUALIFICATION));
    // CAST: The field has 3 bits.
    let width = access.width_less_one().get() as u8 + 1;
    if access.rep() && count(cx) == 0 {
        return cx.skip();
    }
    let data = match (access.input(), access.string()) {
        (true, _) => 0,
        (false, false) => cx.registers().low(Registers::RAX) & mask(width),
        (false, true) => match read_element(cx, width) {
            Ok(data) => data,
            Err(next) => return next,
        },
    };
    cx.guest.report.exit.io = minivmx_io {
        // CAST: The field has 16 bits.
        port: access.port().get() as u16,
        width,
        flags: flags(access),
        data,
    };
    cx.guest.pending = Pending::Io {
        rip: cx.vmcs.read(GUEST_RIP),
    };
    cx.report(basic::IO)
}

fn flags(access: IoAccess) -> u8 {
    let flag = |present, flag: u32| if present { flag as u8 } else { 0 };
    flag(access.input(), io_flags::MINIVMX_IO_IN)
        | flag(access.string(), io_flags::MINIVMX_IO_STRING)
        | flag(access.rep(), io_flags::MINIVMX_IO_REP)
}

/// Ends the instruction with what the program answered.
pub(in crate::vcpu) fn finish(cx: &mut Context<'_>, data: u32) -> Next {
    let access = IoAccess::from_raw(cx.vmcs.read(EXIT_QUALIFICATION));
    // CAST: The field has 3 bits.
    let width = access.width_less_one().get() as u8 + 1;
    if access.string() {
        return finish_string(cx, access, width, data);
    }
    if access.input() {
        let rax = cx.register(Registers::RAX);
        cx.set_register(Registers::RAX, merge(rax, data, width));
    }
    cx.skip()
}

fn finish_string(cx: &mut Context<'_>, access: IoAccess, width: u8, data: u32) -> Next {
    if access.input() {
        let address = Gva::new(cx.vmcs.read(GUEST_LINEAR_ADDRESS));
        let bytes = &data.to_le_bytes()[..usize::from(width)];
        if let Err(next) = linear::write(cx, address, bytes) {
            return next;
        }
    }
    let index = if access.input() {
        Registers::RDI
    } else {
        Registers::RSI
    };
    advance(cx, index, width);
    if !access.rep() {
        return cx.skip();
    }
    let left = count(cx).wrapping_sub(1);
    set_address_register(cx, Registers::RCX, left);
    if count(cx) == 0 {
        cx.skip()
    } else {
        // The instruction runs again for the rest.
        Next::Enter
    }
}

fn read_element(cx: &mut Context<'_>, width: u8) -> Result<u32, Next> {
    let address = Gva::new(cx.vmcs.read(GUEST_LINEAR_ADDRESS));
    let mut bytes = [0; size_of::<u32>()];
    linear::read(cx, address, &mut bytes[..usize::from(width)])?;
    Ok(u32::from_le_bytes(bytes))
}

/// What a REP prefix has left to do.
fn count(cx: &Context<'_>) -> u64 {
    cx.register(Registers::RCX) & address_mask(cx)
}

fn address_mask(cx: &Context<'_>) -> u64 {
    match StringInfo::from_raw(cx.vmcs.read(EXIT_INSTRUCTION_INFO))
        .address_size()
        .get()
    {
        0 => 0xffff,
        1 => 0xffff_ffff,
        _ => u64::MAX,
    }
}

/// Writes the part of a register that the address size covers; 32 bits clear the high half.
fn set_address_register(cx: &mut Context<'_>, number: usize, value: u64) {
    let mask = address_mask(cx);
    let kept = if mask == 0xffff {
        cx.register(number) & !mask
    } else {
        0
    };
    cx.set_register(number, kept | value & mask);
}

fn advance(cx: &mut Context<'_>, number: usize, width: u8) {
    let step = u64::from(width);
    let value = cx.register(number);
    let value = if cx.vmcs.read(GUEST_RFLAGS) & rflags::DF != 0 {
        value.wrapping_sub(step)
    } else {
        value.wrapping_add(step)
    };
    set_address_register(cx, number, value);
}

/// The low `width` bytes.
fn mask(width: u8) -> u32 {
    u32::MAX >> (32 - 8 * u32::from(width))
}

/// RAX after IN: 32 bits clear the high half, fewer leave the rest as it was.
fn merge(rax: u64, data: u32, width: u8) -> u64 {
    let mask = u64::from(mask(width));
    let kept = if width == 4 { 0 } else { rax & !mask };
    kept | u64::from(data) & mask
}
