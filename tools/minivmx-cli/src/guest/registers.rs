// SPDX-License-Identifier: GPL-2.0

//! The general registers by the number that instructions give them, and the
//! width of the code that runs.

use minivmx::{
    Regs,
    Segment,
    Sregs, //
};

/// A general register by its number.
pub fn general(regs: &mut Regs, number: usize) -> Option<&mut u64> {
    let registers = [
        &mut regs.rax,
        &mut regs.rcx,
        &mut regs.rdx,
        &mut regs.rbx,
        &mut regs.rsp,
        &mut regs.rbp,
        &mut regs.rsi,
        &mut regs.rdi,
        &mut regs.r8,
        &mut regs.r9,
        &mut regs.r10,
        &mut regs.r11,
        &mut regs.r12,
        &mut regs.r13,
        &mut regs.r14,
        &mut regs.r15,
    ];
    registers.into_iter().nth(number)
}

/// Whether the guest is in protected mode.
pub fn is_protected(sregs: &Sregs) -> bool {
    sregs.cr0 & 1 != 0
}

/// 16, 32 or 64: how the bytes at RIP are to be read (SDM Vol. 3A, "Segment
/// Descriptors", L and D/B).
pub fn code_width(cs: &Segment, efer: u64) -> u32 {
    const LONG: u32 = 1 << 13;
    const DEFAULT_32: u32 = 1 << 14;
    const LMA: u64 = 1 << 10;
    match cs.access_rights {
        rights if rights & LONG != 0 && efer & LMA != 0 => 64,
        rights if rights & DEFAULT_32 != 0 => 32,
        _ => 16,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_instructions() {
        let mut regs = Regs::default();
        for number in 0..16 {
            *general(&mut regs, number).expect("there are 16") = number as u64;
        }
        assert_eq!(general(&mut regs, 16), None);
        assert_eq!((regs.rbx, regs.rsp, regs.r15), (3, 4, 15));
    }

    #[test]
    fn code_is_as_wide_as_its_segment_says() {
        let code = |access_rights, efer| {
            let cs = Segment {
                access_rights,
                ..Segment::default()
            };
            code_width(&cs, efer)
        };
        assert_eq!(code(0x009b, 0), 16);
        assert_eq!(code(0xc09b, 0), 32);
        assert_eq!(code(0xa09b, 0x500), 64);
    }
}
