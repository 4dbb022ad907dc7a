// SPDX-License-Identifier: GPL-2.0

//! What the guest of the shadow events has beside [`LongMode`]: a second address space, pages that
//! are not mapped yet, and an interrupt table.
//!
//! From [`LINEAR`] on there is a page for each page of guest memory, in tables of 4 KiB pages whose
//! entries are empty but for the first. The code of the events knows the addresses below.

use anyhow::Result;
use minivmx::LongMode;

use super::hypervisor::{
    Hypervisor,
    MEMORY, //
};

/// Linear address of page 0 of guest memory; the fourth level has it in its second entry.
pub const LINEAR: u64 = 1 << 39;
/// The root of the second address space.
pub const OTHER_ROOT: u64 = 0x20_2000;
/// Limit and base of the interrupt table, for LIDT.
pub const IDTR: u64 = 0x20_6800;
/// The last-level tables of [`LINEAR`], one behind the other: the entry for an address of guest
/// memory is at this plus the address divided by 512.
pub const TABLES: u64 = 0x21_0000;

const POINTERS: u64 = 0x20_0000;
const DIRECTORY: u64 = 0x20_1000;
const OTHER_POINTERS: u64 = 0x20_3000;
const OTHER_DIRECTORY: u64 = 0x20_4000;
const OTHER_TABLE: u64 = 0x20_5000;
const IDT: u64 = 0x20_6000;

/// What is mapped at [`LINEAR`] in each address space.
pub const PAGE: u64 = 0x30_0000;
const OTHER_PAGE: u64 = 0x30_1000;

/// The page-fault handler, as far behind the beginning of an event's code.
pub const HANDLER: u64 = 16;

/// Present and writable.
pub const RIGHTS: u64 = 3;
const TABLE_BYTES: u64 = 4096;
const TABLE_REACH: u64 = 2 << 20;
const VECTOR: u64 = 14;
const GATE_BYTES: u64 = 16;
/// Present, an interrupt gate.
const GATE: u64 = 0x8e00;

const _: () = assert!(TABLES + MEMORY / 512 <= PAGE);

/// Writes it, for a guest that has not run yet and whose code will be at `code`.
pub fn write(hypervisor: &mut impl Hypervisor, code: u64) -> Result<()> {
    for (gpa, value) in words(code) {
        hypervisor.write(gpa, &value.to_le_bytes())?;
    }
    Ok(())
}

/// The first entries of a root of another address space, which has what the first one has.
pub fn root_entries() -> [u64; 2] {
    [LongMode::PML4 + TABLE_BYTES, POINTERS].map(|table| table | RIGHTS)
}

/// Words of guest memory, as address and value.
fn words(code: u64) -> Vec<(u64, u64)> {
    let kernel = LongMode::PML4 + TABLE_BYTES;
    let handler = code + HANDLER;
    let gate = (handler & 0xffff)
        | (u64::from(LongMode::CODE) << 16)
        | (GATE << 32)
        | ((handler & 0xffff_0000) << 32);
    let limit = (VECTOR + 1) * GATE_BYTES - 1;
    let mut words = vec![
        (LongMode::PML4 + 8, POINTERS | RIGHTS),
        (POINTERS, DIRECTORY | RIGHTS),
        (TABLES, PAGE | RIGHTS),
        (OTHER_ROOT, kernel | RIGHTS),
        (OTHER_ROOT + 8, OTHER_POINTERS | RIGHTS),
        (OTHER_POINTERS, OTHER_DIRECTORY | RIGHTS),
        (OTHER_DIRECTORY, OTHER_TABLE | RIGHTS),
        (OTHER_TABLE, OTHER_PAGE | RIGHTS),
        (IDT + VECTOR * GATE_BYTES, gate),
        (IDT + VECTOR * GATE_BYTES + 8, handler >> 32),
        // The base begins two bytes later than the limit.
        (IDTR, limit | (IDT << 16)),
        (IDTR + 8, IDT >> 48),
    ];
    let tables = (0..MEMORY / TABLE_REACH).map(|index| {
        let table = TABLES + index * TABLE_BYTES;
        (DIRECTORY + index * 8, table | RIGHTS)
    });
    words.extend(tables);
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    const CODE: u64 = 1 << 20;

    fn walk(root: u64, address: u64) -> u64 {
        let words: HashMap<_, _> = words(CODE).into_iter().collect();
        [39, 30, 21, 12].iter().fold(root, |table, shift| {
            let entry = words[&(table + ((address >> shift) % 512) * 8)];
            assert_eq!(entry & RIGHTS, RIGHTS);
            entry & !0xfff
        })
    }

    #[test]
    fn both_address_spaces_have_a_page_of_their_own() {
        assert_eq!(walk(LongMode::PML4, LINEAR), PAGE);
        assert_eq!(walk(OTHER_ROOT, LINEAR), OTHER_PAGE);
    }

    #[test]
    fn no_word_is_written_twice() {
        let mut words = words(CODE);
        words.sort_unstable();
        assert!(words.windows(2).all(|pair| pair[0].0 + 8 <= pair[1].0));
    }

    #[test]
    fn the_gate_leads_to_the_handler() {
        let words: HashMap<_, _> = words(0x1_1234_5670).into_iter().collect();
        let low = words[&(IDT + 14 * 16)];
        let high = words[&(IDT + 14 * 16 + 8)];
        let offset = (low & 0xffff) | ((low >> 32) & 0xffff_0000) | (high << 32);
        assert_eq!(offset, 0x1_1234_5680);
        assert_eq!((low >> 16) & 0xffff, 8);
        assert_eq!((low >> 40) & 0xff, 0x8e);
        assert_eq!(words[&IDTR] & 0xffff, 239);
        assert_eq!((words[&IDTR] >> 16) | (words[&(IDTR + 8)] << 48), IDT);
    }
}
