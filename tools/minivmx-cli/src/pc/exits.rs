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
    absent_memory,
    devices::Devices,
    msrs::Msrs, //
};
use crate::guest::registers;

/// Answers an exit for a port or an MSR; another one comes back.
pub fn answer<'a>(exit: Exit<'a>, devices: &mut Devices, msrs: &mut Msrs) -> Option<Exit<'a>> {
    match exit {
        Exit::IoIn { port, form, data } => *data = devices.read(port, form.width),
        Exit::IoOut { port, form, data } => devices.write(port, form.width, data),
        Exit::Rdmsr {
            index,
            value,
            fault,
        } => match msrs.read(index) {
            Some(kept) => *value = kept,
            None => *fault = 1,
        },
        Exit::Wrmsr {
            index,
            value,
            fault,
        } => *fault = u32::from(msrs.write(index, value).is_none()),
        other => return Some(other),
    }
    None
}

/// Carries out the access to absent memory that the vCPU exited for, or says why not.
pub fn access_absent_memory(vcpu: &mut Vcpu) -> Result<Option<Error>> {
    let sregs = vcpu.sregs()?;
    let width = registers::code_width(&sregs.cs, sregs.efer);
    let Exit::Memory {
        gpa,
        access,
        instruction,
        regs,
    } = vcpu.exit()
    else {
        return Ok(None);
    };
    let completed = absent_memory::complete(regs, width, instruction, access)
        .with_context(|| format!("access to absent memory at {gpa:#x}"));
    Ok(completed.err())
}
