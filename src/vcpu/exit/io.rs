// SPDX-License-Identifier: GPL-2.0

//! I/O instructions. Ports are the program's; string forms move one element an exit, whose data the
//! driver copies from and to guest memory.

use super::alignment_check;
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
        event,
        linear,
        paging,
        segments,
        state::Unanswered, //
    },
    vmx::{
        entry::Registers,
        exit::{
            basic,
            IoAccess, //
        },
        field::*, //
    },
    x86::{
        cr0,
        cr4,
        debug_register::{
            breakpoint,
            dr7, //
        },
        exception::Exception,
        rflags,
        segment, //
    }, //
};
use kernel::bitfield;

bitfield! {
    /// VM-exit instruction information of INS and OUTS
    /// (SDM Vol. 3C, "Information for VM Exits Due to Instruction Execution").
    struct StringInfo(u32) {
        /// Segment register of OUTS, of [`segment::number`]; undefined for INS.
        17:15 segment;
        /// 0: 16 bits, 1: 32 bits, 2: 64 bits.
        9:7 address_size;
    }
}

/// Hands an I/O instruction to the program.
#[inline(never)]
pub(super) fn handle(cx: &mut Context<'_>) -> Next {
    let access = IoAccess::from_raw(cx.vmcs.read(EXIT_QUALIFICATION));
    if access.string() {
        return handle_string(cx, access);
    }
    let data = if access.input() {
        0
    } else {
        cx.registers().low(Registers::RAX) & mask(width(access))
    };
    begin_transfer(cx, access, 0);
    let rip = cx.vmcs.read(GUEST_RIP);
    report(cx, access, data, Unanswered::Io { rip })
}

/// Remembers which breakpoints the instruction meets at its port, and these in memory.
#[inline]
fn begin_transfer(cx: &mut Context<'_>, access: IoAccess, in_memory: u64) {
    let dr7 = cx.vmcs.read(GUEST_DR7);
    cx.guest.transfer.breakpoints = if dr7::has_breakpoints(dr7) {
        in_memory | breakpoints_at_port(cx, access, dr7)
    } else {
        0
    };
}

#[cold]
fn breakpoints_at_port(cx: &Context<'_>, access: IoAccess, dr7: u64) -> u64 {
    if cx.cr4() & cr4::DE == 0 {
        return 0;
    }
    let addresses = &cx.debug.get().address;
    let (port, width) = (access.port().get(), width(access).into());
    breakpoint::met(dr7, addresses, breakpoint::Access::Port, port, width)
}

fn breakpoints_in_memory(cx: &Context<'_>, access: IoAccess, address: u64) -> u64 {
    let (dr7, addresses) = (cx.vmcs.read(GUEST_DR7), &cx.debug.get().address);
    let kind = if access.input() {
        breakpoint::Access::Write
    } else {
        breakpoint::Access::Read
    };
    breakpoint::met(dr7, addresses, kind, address, width(access).into())
}

/// Hands an element of INS or OUTS to the program.
///
/// The exit comes before the faults of the access to memory (SDM Vol. 3C, "Relative Priority of
/// Faults and VM Exits"), which come before the port is touched: so they are looked for first.
fn handle_string(cx: &mut Context<'_>, access: IoAccess) -> Next {
    if access.rep() && count(cx) == 0 {
        return cx.skip();
    }
    match begin_element(cx, access) {
        Ok((data, unanswered)) => report(cx, access, data, unanswered),
        Err(next) => {
            event::resume_instruction(cx.vmcs);
            next
        }
    }
}

/// Makes sure of an element's place in memory; with OUTS, reads it.
fn begin_element(cx: &mut Context<'_>, access: IoAccess) -> Result<(u32, Unanswered), Next> {
    let address = find_element(cx, access)?;
    let operand = linear::find(cx, Gva::new(address), width(access), access.input())?;
    let met = breakpoints_in_memory(cx, access, address);
    begin_transfer(cx, access, met);
    let rip = cx.vmcs.read(GUEST_RIP);
    if access.input() {
        cx.guest.transfer.destination = operand;
        cx.guest.transfer.data = None;
        return Ok((0, Unanswered::Ins { rip }));
    }
    let mut bytes = [0; size_of::<u32>()];
    linear::read(cx, operand, &mut bytes[..usize::from(width(access))])?;
    Ok((u32::from_le_bytes(bytes), Unanswered::Io { rip }))
}

/// The linear address of an element, or what the access raises before it looks at pages.
///
/// The CPU's own linear address is not asked for: it is undefined if the register holds no segment,
/// as is usual in 64-bit mode (SDM Vol. 3C, "Basic VM-Exit Information").
fn find_element(cx: &mut Context<'_>, access: IoAccess) -> Result<u64, Next> {
    let write = access.input();
    let segment = segments::read(cx.vmcs, segment_number(cx, access));
    let offset = cx.register(index(access)) & address_mask(cx);
    // CAST: The field has 3 bits.
    let last = access.width_less_one().get() as u32;
    let Some(address) = segment.linear(mode(cx), offset, last, write) else {
        return Err(cx.inject(if segment.number == segment::number::SS {
            Exception::STACK_FAULT
        } else {
            Exception::GENERAL_PROTECTION
        }));
    };
    if address & u64::from(last) != 0 && alignment_check::is_the_guests(cx) {
        return Err(cx.inject(Exception::ALIGNMENT_CHECK));
    }
    Ok(address)
}

/// INS has ES always, OUTS what its prefix says.
fn segment_number(cx: &Context<'_>, access: IoAccess) -> u32 {
    if access.input() {
        segment::number::ES
    } else {
        string_info(cx).segment().get()
    }
}

fn mode(cx: &Context<'_>) -> segment::Mode {
    if paging::is_64_bit(cx) {
        segment::Mode::Bits64
    } else if cx.cr0() & cr0::PE != 0 {
        segment::Mode::Protected
    } else {
        segment::Mode::Real
    }
}

fn report(cx: &mut Context<'_>, access: IoAccess, data: u32, unanswered: Unanswered) -> Next {
    cx.guest.report.exit.io = minivmx_io {
        // CAST: The field has 16 bits.
        port: access.port().get() as u16,
        width: width(access),
        flags: flags(access),
        data,
    };
    cx.guest.unanswered = unanswered;
    cx.report(basic::IO)
}

/// Bytes of an access.
fn width(access: IoAccess) -> u8 {
    // CAST: The field has 3 bits.
    access.width_less_one().get() as u8 + 1
}

fn flags(access: IoAccess) -> u8 {
    let flag = |present, flag: u32| if present { flag as u8 } else { 0 };
    flag(access.input(), io_flags::MINIVMX_IO_IN)
        | flag(access.string(), io_flags::MINIVMX_IO_STRING)
        | flag(access.rep(), io_flags::MINIVMX_IO_REP)
}

/// Ends the instruction with what the program answered; OUTS, an element of it.
pub(in crate::vcpu) fn finish(cx: &mut Context<'_>, data: u32) -> Next {
    let access = IoAccess::from_raw(cx.vmcs.read(EXIT_QUALIFICATION));
    if cx.guest.transfer.breakpoints != 0 {
        event::pend(cx.vmcs, cx.guest.transfer.breakpoints);
    }
    if access.string() {
        return finish_element(cx, access);
    }
    if access.input() {
        let rax = cx.register(Registers::RAX);
        cx.set_register(Registers::RAX, merge(rax, data, width(access)));
    }
    cx.skip()
}

/// Ends an element of INS with what the program answered.
///
/// What was read from a port cannot be read again. So if its memory went away in the meantime, it
/// waits until there is some.
pub(in crate::vcpu) fn finish_ins(cx: &mut Context<'_>, rip: u64, data: u32) -> Next {
    let access = IoAccess::from_raw(cx.vmcs.read(EXIT_QUALIFICATION));
    let data = cx.guest.transfer.data.unwrap_or(data);
    let bytes = &data.to_le_bytes()[..usize::from(width(access))];
    if let Err(next) = linear::write(cx, cx.guest.transfer.destination, bytes) {
        cx.guest.transfer.data = Some(data);
        cx.guest.unanswered = Unanswered::Ins { rip };
        return next;
    }
    finish(cx, data)
}

fn finish_element(cx: &mut Context<'_>, access: IoAccess) -> Next {
    advance(cx, index(access), width(access));
    if !access.rep() {
        return cx.skip();
    }
    let left = count(cx).wrapping_sub(1);
    set_address_register(cx, Registers::RCX, left);
    if count(cx) == 0 {
        return cx.skip();
    }
    event::finish_iteration(cx.vmcs);
    Next::Enter
}

/// The register that an element's offset is in.
fn index(access: IoAccess) -> usize {
    if access.input() {
        Registers::RDI
    } else {
        Registers::RSI
    }
}

fn string_info(cx: &Context<'_>) -> StringInfo {
    StringInfo::from_raw(cx.vmcs.read(EXIT_INSTRUCTION_INFO))
}

/// What a REP prefix has left to do.
fn count(cx: &Context<'_>) -> u64 {
    cx.register(Registers::RCX) & address_mask(cx)
}

fn address_mask(cx: &Context<'_>) -> u64 {
    match string_info(cx).address_size().get() {
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
