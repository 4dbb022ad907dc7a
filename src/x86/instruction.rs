// SPDX-License-Identifier: GPL-2.0

//! Instructions by their bytes: the one that has to be known.

/// Is it IRET, of any operand size? (SDM Vol. 2, "IRET/IRETD/IRETQ - Interrupt Return").
pub(crate) fn is_iret(bytes: &[u8], is_64_bit: bool) -> bool {
    const IRET: u8 = 0xcf;
    let opcode = bytes.iter().find(|byte| !is_prefix(**byte, is_64_bit));
    opcode == Some(&IRET)
}

/// Segment, operand size, address size, LOCK and REP; in 64-bit code REX, too
/// (SDM Vol. 2, "Instruction Prefixes").
fn is_prefix(byte: u8, is_64_bit: bool) -> bool {
    match byte {
        0x26 | 0x2e | 0x36 | 0x3e | 0x64..=0x67 | 0xf0 | 0xf2 | 0xf3 => true,
        0x40..=0x4f => is_64_bit,
        _ => false,
    }
}
