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
    GuestMemory,
    Regs,
    Sregs, //
};

use crate::{
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
pub fn bytes(memory: &GuestMemory, sregs: &Sregs, rip: u64) -> Vec<u8> {
    (0..LONGEST)
        .map_while(|offset| {
            let linear = sregs.cs.base.wrapping_add(rip).wrapping_add(offset);
            let gpa = paging::translate(memory, sregs, linear)?;
            let mut byte = [0];
            memory.read(gpa, &mut byte).ok().map(|()| byte[0])
        })
        .collect()
}

/// The instruction at RIP as text; a sentence where there is none.
pub fn at_rip(memory: &GuestMemory, sregs: &Sregs, regs: &Regs) -> String {
    let bytes = bytes(memory, sregs, regs.rip);
    let width = registers::code_width(&sregs.cs, sregs.efer);
    let instruction = Decoder::with_ip(width, &bytes, regs.rip, DecoderOptions::NONE).decode();
    match (bytes.is_empty(), instruction.is_invalid()) {
        (true, _) => "(not in memory)".into(),
        (_, true) => format!("(no instruction: {bytes:02x?})"),
        _ => text(&instruction),
    }
}
