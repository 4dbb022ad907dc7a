// SPDX-License-Identifier: GPL-2.0

//! Instructions by their bytes: as little of them as has to be known.

/// Is it IRET, of any operand size? (SDM Vol. 2, "IRET/IRETD/IRETQ - Interrupt Return").
pub(crate) fn is_iret(bytes: &[u8], is_64_bit: bool) -> bool {
    const IRET: u8 = 0xcf;
    let opcode = bytes.iter().find(|byte| !is_prefix(**byte, is_64_bit));
    opcode == Some(&IRET)
}

/// Is it known to write to memory once at most, and not more than 8 bytes? Of those that do, it
/// knows what changes an entry of a page table (SDM Vol. 2, "Opcode Map").
pub(crate) fn writes_once(bytes: impl Iterator<Item = u8>, is_64_bit: bool) -> bool {
    // What is repeated writes often; of other instructions REP makes another.
    let is_skipped = |byte: &u8| is_prefix(*byte, is_64_bit) && !matches!(byte, 0xf2 | 0xf3);
    let mut bytes = bytes.skip_while(is_skipped);
    match bytes.next() {
        // BTS, BTR, BTC, CMPXCHG, XADD.
        Some(0x0f) => {
            let opcode = bytes.next();
            matches!(
                opcode,
                Some(0xab | 0xb0 | 0xb1 | 0xb3 | 0xba | 0xbb | 0xc0 | 0xc1)
            )
        }
        // ADD, OR, ADC, SBB, AND, SUB and XOR from a register.
        Some(opcode @ 0x00..=0x37) => opcode & 7 <= 1,
        // The same from the instruction; XCHG, MOV.
        Some(0x80 | 0x81 | 0x83 | 0x86..=0x89 | 0xa2 | 0xa3 | 0xc6 | 0xc7) => true,
        _ => false,
    }
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
