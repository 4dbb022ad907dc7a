// SPDX-License-Identifier: GPL-2.0

//! One instruction of a guest that goes on afterwards. RFLAGS.TF stops the guest behind it, as in
//! `minivmx run --step`; here the guest must not find that flag where it left none.

use anyhow::Result;
use iced_x86::{
    Decoder,
    DecoderOptions,
    Mnemonic, //
};

use super::memory;
use crate::{
    guest::{
        code,
        registers, //
    },
    run::machine::Machine,
    x86::rflags, //
};

/// What an instruction does with RFLAGS.TF.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Effect {
    /// Nothing that outlives it.
    None,
    /// It loads the flag.
    Loads,
    /// It leaves the flag on the stack.
    Saves,
}

/// An instruction that is begun.
#[derive(Debug)]
pub struct Step {
    start: u64,
    effect: Effect,
    /// The guest has set the flag itself.
    is_guests: bool,
    /// Interrupts wait until it is over: gdb's user wants to see the next instruction, not a
    /// handler.
    pub holds_interrupts: bool,
}

impl Step {
    /// Begins the guest's next instruction.
    pub fn begin(machine: &mut Machine) -> Result<Self> {
        let sregs = machine.vcpu.sregs()?;
        let width = registers::code_width(&sregs.cs, sregs.efer);
        let rip = machine.vcpu.regs().rip;
        let bytes = code::bytes(machine.memory.view(), &sregs, rip);
        let flags = &mut machine.vcpu.regs_mut().rflags;
        let is_guests = *flags & rflags::TF != 0;
        *flags |= rflags::TF;
        Ok(Self {
            start: rip,
            effect: effect(width, &bytes),
            is_guests,
            holds_interrupts: true,
        })
    }

    /// Is the instruction still to be carried out?
    pub fn is_at_start(&self, machine: &Machine) -> bool {
        machine.vcpu.regs().rip == self.start
    }

    /// It is over, or is given up if the guest stopped before its end.
    pub fn end(self, machine: &mut Machine, is_done: bool) {
        let effect = if is_done { self.effect } else { Effect::None };
        if self.is_guests || effect == Effect::Loads {
            return;
        }
        machine.vcpu.regs_mut().rflags &= !rflags::TF;
        if effect == Effect::Saves {
            clear_saved_flag(machine);
        }
    }
}

/// In the byte of the flags on the stack that has TF.
fn clear_saved_flag(machine: &mut Machine) {
    let second = machine.vcpu.regs().rsp.wrapping_add(1);
    let mut byte = [0];
    if memory::read(machine, second, &mut byte) == 1 {
        // CAST: TF is the first bit of it.
        byte[0] &= !((rflags::TF >> 8) as u8);
        // It is there, as it was read.
        let _ = memory::write(machine, second, &byte);
    }
}

fn effect(width: u32, bytes: &[u8]) -> Effect {
    let mut decoder = Decoder::new(width, bytes, DecoderOptions::NONE);
    match decoder.decode().mnemonic() {
        Mnemonic::Popf | Mnemonic::Popfd | Mnemonic::Popfq => Effect::Loads,
        Mnemonic::Iret | Mnemonic::Iretd | Mnemonic::Iretq => Effect::Loads,
        Mnemonic::Pushf | Mnemonic::Pushfd | Mnemonic::Pushfq => Effect::Saves,
        _ => Effect::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_for_flags_are_known() {
        let expected: [(&[u8], Effect); 6] = [
            (&[0x9c], Effect::Saves),
            (&[0x66, 0x9c], Effect::Saves),
            (&[0x9d], Effect::Loads),
            (&[0x48, 0xcf], Effect::Loads),
            (&[0x90], Effect::None),
            (&[], Effect::None),
        ];
        for (bytes, effect_of) in expected {
            assert_eq!(effect(64, bytes), effect_of, "{bytes:x?}");
        }
    }
}
