// SPDX-License-Identifier: GPL-2.0

//! The guest's code at RIP: found through its page tables, and as text.

use iced_x86::{
    Decoder,
    DecoderOptions,
    Formatter,
    Instruction,
    NasmFormatter, //
};
use minivmx::{
    Regs,
    Sregs, //
};
use vm_memory::{
    Bytes,
    GuestAddress,
    GuestMemoryMmap, //
};

use super::{
    paging,
    registers, //
};

/// The longest instruction there is.
const LONGEST: u64 = 15;

/// The instruction as text.
pub fn text(instruction: &Instruction) -> String {
    let mut text = String::new();
    NasmFormatter::new().format(instruction, &mut text);
    text
}

/// The bytes at RIP; fewer than the longest instruction has where memory ends.
pub fn bytes(memory: &GuestMemoryMmap, sregs: &Sregs, rip: u64) -> Vec<u8> {
    (0..LONGEST)
        .map_while(|offset| {
            let linear = sregs.cs.base.wrapping_add(rip).wrapping_add(offset);
            let gpa = paging::translate(memory, sregs, linear)?;
            let mut byte = [0];
            memory.read_slice(&mut byte, GuestAddress(gpa)).ok()?;
            Some(byte[0])
        })
        .collect()
}

/// The instruction at RIP as text; a sentence where there is none.
pub fn at_rip(memory: &GuestMemoryMmap, sregs: &Sregs, regs: &Regs) -> String {
    let (_, text) = with_bytes(memory, sregs, regs);
    text
}

/// The same, with its bytes.
pub fn with_bytes(memory: &GuestMemoryMmap, sregs: &Sregs, regs: &Regs) -> (Vec<u8>, String) {
    let mut bytes = bytes(memory, sregs, regs.rip);
    let width = registers::code_width(&sregs.cs, sregs.efer);
    let instruction = Decoder::with_ip(width, &bytes, regs.rip, DecoderOptions::NONE).decode();
    let text = match (bytes.is_empty(), instruction.is_invalid()) {
        (true, _) => "(not in memory)".into(),
        (_, true) => format!("(no instruction: {bytes:02x?})"),
        _ => text(&instruction),
    };
    bytes.truncate(instruction.len());
    (bytes, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use minivmx::Segment;

    fn text_at(gpa: u64, bytes: &[u8], rip: u64) -> String {
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 0x1000)]).expect("memory");
        memory
            .write_slice(bytes, GuestAddress(gpa))
            .expect("it is in the range");
        let sregs = Sregs {
            cs: Segment {
                base: 0x100,
                ..Segment::default()
            },
            ..Sregs::default()
        };
        let regs = Regs {
            rip,
            ..Regs::default()
        };
        at_rip(&memory, &sregs, &regs)
    }

    #[test]
    fn code_is_read_behind_its_segment_base() {
        assert_eq!(text_at(0x110, &[0xe6, 0x10], 0x10), "out 10h,al");
    }

    #[test]
    fn an_instruction_at_the_end_of_memory_is_read() {
        assert_eq!(text_at(0xfff, &[0xf4], 0xeff), "hlt");
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        assert_eq!(text_at(0, &[], 0x1000), "(not in memory)");
        assert!(text_at(0x100, &[0x0f, 0x0a], 0).starts_with("(no instruction: [0f, 0a"));
    }
}
