// SPDX-License-Identifier: GPL-2.0

//! The clock interrupt of a guest that waits for it in real mode.
//!
//! The driver cannot inject interrupts yet. In real mode that takes no more
//! than three pushes and a jump, which a program can do in the guest's place
//! while it halts (SDM Vol. 3B, "Interrupt and Exception Handling" of
//! "8086 Emulation"). This is enough for a BIOS, which counts ticks at HLT.

use anyhow::Result;
use minivmx::{
    GuestMemory,
    Regs,
    Sregs, //
};

use crate::{
    machine::Machine,
    registers, //
};

const TF: u64 = 1 << 8;
const IF: u64 = 1 << 9;
const AC: u64 = 1 << 18;

/// Whether a halted guest can be woken this way.
pub fn can_wake(regs: &Regs, sregs: &Sregs) -> bool {
    regs.rflags & IF != 0 && !registers::is_protected(sregs)
}

/// Sends the guest to its handler of an interrupt.
pub fn deliver(machine: &mut Machine, vector: u8) -> Result<()> {
    let mut sregs = machine.vcpu.sregs()?;
    let regs = machine.vcpu.regs_mut();
    interrupt(&machine.memory, regs, &mut sregs, vector)?;
    Ok(machine.vcpu.set_sregs(&sregs)?)
}

fn interrupt(memory: &GuestMemory, regs: &mut Regs, sregs: &mut Sregs, vector: u8) -> Result<()> {
    for word in [regs.rflags as u16, sregs.cs.selector, regs.rip as u16] {
        push(memory, regs, sregs, word)?;
    }
    let mut handler = [0; 4];
    memory.read(
        sregs.idtr.base.wrapping_add(4 * u64::from(vector)),
        &mut handler,
    )?;
    let [offset_low, offset_high, selector_low, selector_high] = handler;
    regs.rflags &= !(IF | TF | AC);
    regs.rip = u16::from_le_bytes([offset_low, offset_high]).into();
    sregs.cs.selector = u16::from_le_bytes([selector_low, selector_high]);
    sregs.cs.base = u64::from(sregs.cs.selector) << 4;
    // What STI or MOV SS held back has ended with the HLT.
    sregs.interruptibility = 0;
    Ok(())
}

fn push(memory: &GuestMemory, regs: &mut Regs, sregs: &Sregs, word: u16) -> Result<()> {
    let pointer = (regs.rsp as u16).wrapping_sub(2);
    regs.rsp = (regs.rsp & !0xffff) | u64::from(pointer);
    let address = sregs.ss.base.wrapping_add(pointer.into());
    Ok(memory.write(address, &word.to_le_bytes())?)
}
