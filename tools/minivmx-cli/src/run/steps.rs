// SPDX-License-Identifier: GPL-2.0

//! `minivmx run --step`: the guest's instructions one by one. With RFLAGS.TF each raises a debug
//! exception behind it, which is trapped (SDM Vol. 3B, "Single-Step Exception Condition"): every
//! CPU has that, and the driver raises it for the instructions that it carries out itself.

use minivmx::{
    Exit,
    Regs,
    Result,
    Sregs,
    Vcpu, //
};
use vm_memory::GuestMemoryMmap;

use super::{
    breakpoint::VECTOR,
    machine::Machine, //
};
use crate::guest::code;

const RFLAGS_TF: u64 = 1 << 8;
/// DR6, and the exit qualification: it was a step.
const DR6_STEP: u64 = 1 << 14;

/// The instructions that are carried out one by one.
#[derive(Debug)]
pub struct Steps {
    limit: u64,
    done: u64,
    /// Is the next one shown already?
    is_shown: bool,
}

impl Steps {
    /// So many from here on.
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            done: 0,
            is_shown: false,
        }
    }

    /// Sees to it that the guest stops behind its next instruction. Returns it as a line, unless it
    /// was begun already.
    pub fn begin(&mut self, machine: &mut Machine) -> Result<Option<String>> {
        machine.vcpu.regs_mut().rflags |= RFLAGS_TF;
        if std::mem::replace(&mut self.is_shown, true) {
            return Ok(None);
        }
        let sregs = machine.vcpu.sregs()?;
        let regs = machine.vcpu.regs();
        Ok(Some(line(
            self.done + 1,
            machine.memory.view(),
            &sregs,
            regs,
        )))
    }

    /// Was the last exit the end of an instruction?
    pub fn is_end(vcpu: &mut Vcpu) -> bool {
        let steps = vcpu.exit_information().qualification & DR6_STEP != 0;
        steps && matches!(vcpu.exit(), Exit::Exception { vector: VECTOR, .. })
    }

    /// Counts the instruction that was begun.
    pub fn end(&mut self) {
        self.done += 1;
        self.is_shown = false;
    }

    /// How many there were, if these are all that there were to be.
    pub fn all(&self) -> Option<u64> {
        (self.done >= self.limit).then_some(self.done)
    }
}

/// An instruction in a line: number, linear address, bytes, text.
fn line(number: u64, memory: &GuestMemoryMmap, sregs: &Sregs, regs: &Regs) -> String {
    let linear = sregs.cs.base.wrapping_add(regs.rip);
    let (bytes, text) = code::with_bytes(memory, sregs, regs);
    let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{number:>8}  {linear:#012x}  {:<16}  {text}",
        bytes.concat()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use minivmx::Segment;
    use vm_memory::{Bytes, GuestAddress};

    #[test]
    fn a_line_has_the_linear_address_and_the_bytes() {
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 0x1000)]).expect("memory");
        memory
            .write_slice(&[0x31, 0xc0, 0x0f, 0xa2], GuestAddress(0x110))
            .expect("it is in the range");
        let sregs = Sregs {
            cs: Segment {
                base: 0x100,
                ..Segment::default()
            },
            ..Sregs::default()
        };
        let regs = Regs {
            rip: 0x10,
            ..Regs::default()
        };
        assert_eq!(
            line(7, &memory, &sregs, &regs),
            "       7  0x0000000110  31c0              xor ax,ax"
        );
    }

    #[test]
    fn there_are_as_many_as_were_asked_for() {
        let mut steps = Steps::new(2);
        steps.end();
        assert_eq!(steps.all(), None);
        steps.end();
        assert_eq!(steps.all(), Some(2));
    }
}
