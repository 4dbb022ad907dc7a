// SPDX-License-Identifier: GPL-2.0

//! The clock interrupt of a guest that waits for it in real mode.
//!
//! A guest at HLT with interrupts on can take it at once, and in real mode that is
//! three pushes and a jump, which a program can do in the guest's place
//! (SDM Vol. 3B, "Interrupt and Exception Handling" of "8086 Emulation"). This is
//! enough for a BIOS, which counts ticks at HLT.

use anyhow::Result;
use minivmx::{
    GuestMemory,
    Regs,
    Sregs,
    Vcpu, //
};
use vm_memory::{
    Bytes,
    GuestAddress,
    GuestMemoryMmap, //
};

use crate::{
    guest::registers,
    x86::rflags::{
        AC,
        IF,
        TF, //
    }, //
};

/// Whether a halted guest can be woken this way.
pub fn can_wake(regs: &Regs, sregs: &Sregs) -> bool {
    regs.rflags & IF != 0 && !registers::is_protected(sregs)
}

/// Sends the guest to its handler of an interrupt.
pub fn deliver(vcpu: &mut Vcpu, memory: &GuestMemory, vector: u8) -> Result<()> {
    let mut sregs = vcpu.sregs()?;
    interrupt(memory.view(), vcpu.regs_mut(), &mut sregs, vector)?;
    Ok(vcpu.set_sregs(&sregs)?)
}

fn interrupt(
    memory: &GuestMemoryMmap,
    regs: &mut Regs,
    sregs: &mut Sregs,
    vector: u8,
) -> Result<()> {
    for word in [regs.rflags as u16, sregs.cs.selector, regs.rip as u16] {
        push(memory, regs, sregs, word)?;
    }
    let mut handler = [0; 4];
    let entry = sregs.idtr.base.wrapping_add(4 * u64::from(vector));
    memory.read_slice(&mut handler, GuestAddress(entry))?;
    let [offset_low, offset_high, selector_low, selector_high] = handler;
    regs.rflags &= !(IF | TF | AC);
    regs.rip = u16::from_le_bytes([offset_low, offset_high]).into();
    sregs.cs.selector = u16::from_le_bytes([selector_low, selector_high]);
    sregs.cs.base = u64::from(sregs.cs.selector) << 4;
    // What STI or MOV SS held back has ended with the HLT.
    sregs.interruptibility = 0;
    Ok(())
}

fn push(memory: &GuestMemoryMmap, regs: &mut Regs, sregs: &Sregs, word: u16) -> Result<()> {
    let pointer = (regs.rsp as u16).wrapping_sub(2);
    regs.rsp = (regs.rsp & !0xffff) | u64::from(pointer);
    let address = sregs.ss.base.wrapping_add(pointer.into());
    Ok(memory.write_slice(&word.to_le_bytes(), GuestAddress(address))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use minivmx::Segment;

    #[test]
    fn flags_and_return_address_are_pushed_and_the_handler_begins() -> Result<()> {
        let memory = GuestMemoryMmap::<()>::from_ranges(&[(GuestAddress(0), 0x1_0000)])?;
        memory.write_slice(&[0x34, 0x12, 0x00, 0xf0], GuestAddress(8 * 4))?;
        let mut regs = Regs {
            rip: 0x5678,
            rsp: 0x100,
            rflags: 0x246,
            ..Regs::default()
        };
        let mut sregs = Sregs {
            interruptibility: 1,
            ss: Segment {
                base: 0x2000,
                ..Segment::default()
            },
            cs: Segment {
                selector: 0xabcd,
                ..Segment::default()
            },
            ..Sregs::default()
        };
        assert!(can_wake(&regs, &sregs));
        interrupt(&memory, &mut regs, &mut sregs, 8)?;

        let mut stack = [0; 6];
        memory.read_slice(&mut stack, GuestAddress(0x20fa))?;
        assert_eq!(stack, [0x78, 0x56, 0xcd, 0xab, 0x46, 0x02]);
        assert_eq!((regs.rip, regs.rsp, regs.rflags), (0x1234, 0xfa, 0x46));
        assert_eq!((sregs.cs.selector, sregs.cs.base), (0xf000, 0xf_0000));
        assert_eq!(sregs.interruptibility, 0);
        Ok(())
    }

    #[test]
    fn the_stack_pointer_wraps_within_its_segment() -> Result<()> {
        let memory = GuestMemoryMmap::<()>::from_ranges(&[(GuestAddress(0), 0x1_0000)])?;
        let mut regs = Regs {
            rsp: 0x7_0002,
            ..Regs::default()
        };
        interrupt(&memory, &mut regs, &mut Sregs::default(), 8)?;
        assert_eq!(regs.rsp, 0x7_fffc);
        Ok(())
    }

    #[test]
    fn protected_mode_and_cleared_flags_sleep_on() {
        let awake = Regs {
            rflags: IF,
            ..Regs::default()
        };
        let protected = Sregs {
            cr0: 1,
            ..Sregs::default()
        };
        assert!(!can_wake(&awake, &protected));
        assert!(!can_wake(&Regs::default(), &Sregs::default()));
    }
}
