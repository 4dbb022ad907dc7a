// SPDX-License-Identifier: GPL-2.0

//! Exits that are the PC's to answer: ports, MSRs, and memory that is not there.

use anyhow::{
    anyhow,
    Context,
    Error,
    Result, //
};
use minivmx::{
    Exit,
    Vcpu, //
};

use super::{
    absent_memory::{
        self,
        At, //
    },
    bus::Bus,
};
use crate::{
    guest::{
        blocking,
        registers, //
    },
    x86::{
        debug_register::dr6::BS,
        rflags::TF, //
    },
};

/// The access was part of the delivery, and the instruction at RIP has not begun.
const NO_PLACE_FOR_EVENT: &str =
    "an event cannot be delivered: its stack, or a table that it needs, is in absent memory";

/// Answers an exit for a port or an MSR; another one comes back.
pub fn answer<'a>(exit: Exit<'a>, bus: &mut dyn Bus) -> Option<Exit<'a>> {
    match exit {
        Exit::IoIn { port, form, data } => *data = bus.read_port(port, form.width),
        Exit::IoOut { port, form, data } => bus.write_port(port, form.width, data),
        Exit::Rdmsr {
            index,
            value,
            fault,
        } => match bus.read_msr(index) {
            Some(kept) => *value = kept,
            None => *fault = 1,
        },
        Exit::Wrmsr {
            index,
            value,
            fault,
        } => *fault = u32::from(bus.write_msr(index, value).is_none()),
        other => return Some(other),
    }
    None
}

/// 16, 32 or 64: what is above 4 GiB, as the kernel of Linux is, needs no look at system registers.
fn code_width(vcpu: &Vcpu) -> Result<u32> {
    if vcpu.regs().rip >> 32 != 0 {
        return Ok(64);
    }
    let sregs = vcpu.sregs()?;
    Ok(registers::code_width(&sregs.cs, sregs.efer))
}

/// Carries out the access to absent memory, or to a device in its place, that the vCPU exited for,
/// or says why not.
pub fn access_absent_memory(vcpu: &mut Vcpu, bus: &mut dyn Bus) -> Result<Option<Error>> {
    if vcpu.event().is_some() {
        return Ok(Some(anyhow!(NO_PLACE_FOR_EVENT)));
    }
    let width = code_width(vcpu)?;
    let Exit::Memory {
        gpa,
        access,
        instruction,
        regs,
    } = vcpu.exit()
    else {
        return Ok(None);
    };
    let completed = absent_memory::complete(regs, width, instruction, access, &mut At { gpa, bus })
        .with_context(|| format!("access to absent memory at {gpa:#x}"));
    if completed.is_ok() {
        trap_single_step(vcpu)?;
    }
    Ok(completed.err())
}

/// Behind an instruction that was carried out in the CPU's place comes the trap that TF asks for,
/// and nothing blocks it any more.
fn trap_single_step(vcpu: &mut Vcpu) -> Result<()> {
    if vcpu.regs().rflags & TF == 0 {
        return Ok(());
    }
    let mut sregs = vcpu.sregs()?;
    sregs.pending_debug |= BS;
    sregs.interruptibility &= !(blocking::BY_STI | blocking::BY_MOV_SS);
    Ok(vcpu.set_sregs(&sregs)?)
}
