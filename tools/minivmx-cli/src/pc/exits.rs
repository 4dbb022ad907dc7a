// SPDX-License-Identifier: GPL-2.0

//! Exits that are the PC's to answer: ports, MSRs, and memory that is not there.

use anyhow::{
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
use crate::guest::registers;

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

/// Carries out the access to absent memory, or to a device in its place, that the vCPU exited for, or says
/// why not.
pub fn access_absent_memory(vcpu: &mut Vcpu, bus: &mut dyn Bus) -> Result<Option<Error>> {
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
    Ok(completed.err())
}
