// SPDX-License-Identifier: GPL-2.0

//! The guest's own page tables, walked as the CPU does (SDM Vol. 3A,
//! "Paging"), to find the code at RIP.

use minivmx::{
    GuestMemory,
    Sregs, //
};

const CR0_PG: u64 = 1 << 31;
const CR4_PAE: u64 = 1 << 5;
const CR4_LA57: u64 = 1 << 12;
const EFER_LMA: u64 = 1 << 10;

const PRESENT: u64 = 1 << 0;
const PAGE_SIZE: u64 = 1 << 7;
const FRAME: u64 = 0x000f_ffff_ffff_f000;

/// One of the paging modes.
struct Mode {
    levels: u32,
    /// Bits of the linear address that a table resolves.
    index_bits: u32,
    entry_bytes: u64,
    root: u64,
}

/// The guest-physical address behind a linear one; `None` if it is not mapped.
pub fn translate(memory: &GuestMemory, sregs: &Sregs, linear: u64) -> Option<u64> {
    let Some(mode) = mode(sregs) else {
        return Some(linear & u64::from(u32::MAX));
    };
    let mut table = mode.root;
    for level in (0..mode.levels).rev() {
        let shift = 12 + level * mode.index_bits;
        let index = (linear >> shift) & ((1 << mode.index_bits) - 1);
        let entry = read(memory, table + index * mode.entry_bytes, mode.entry_bytes)?;
        if entry & PRESENT == 0 {
            return None;
        }
        if level == 0 || (entry & PAGE_SIZE != 0 && mode.has_pages_at(level)) {
            let offset = (1 << shift) - 1;
            return Some((entry & FRAME & !offset) | (linear & offset));
        }
        table = entry & FRAME;
    }
    None
}

fn mode(sregs: &Sregs) -> Option<Mode> {
    let long = sregs.efer & EFER_LMA != 0;
    if sregs.cr0 & CR0_PG == 0 {
        return None;
    }
    Some(match (sregs.cr4 & CR4_PAE != 0, long) {
        (false, _) => Mode {
            levels: 2,
            index_bits: 10,
            entry_bytes: 4,
            root: sregs.cr3 & 0xffff_f000,
        },
        (true, false) => Mode {
            levels: 3,
            index_bits: 9,
            entry_bytes: 8,
            root: sregs.cr3 & 0xffff_ffe0,
        },
        (true, true) => Mode {
            levels: if sregs.cr4 & CR4_LA57 != 0 { 5 } else { 4 },
            index_bits: 9,
            entry_bytes: 8,
            root: sregs.cr3 & FRAME,
        },
    })
}

impl Mode {
    /// Whether entries of a level above the last, 0, can map pages.
    fn has_pages_at(&self, level: u32) -> bool {
        level == 1 || (level == 2 && self.levels >= 4)
    }
}

fn read(memory: &GuestMemory, gpa: u64, bytes: u64) -> Option<u64> {
    let mut entry = [0; 8];
    memory.read(gpa, entry.get_mut(..bytes as usize)?).ok()?;
    Some(u64::from_le_bytes(entry))
}
