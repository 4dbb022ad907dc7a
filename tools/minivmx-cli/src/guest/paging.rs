// SPDX-License-Identifier: GPL-2.0

//! The guest's own page tables, walked as the CPU does (SDM Vol. 3A,
//! "Paging"), to find the code at RIP, and as a whole.

use minivmx::{
    PteFlags,
    Sregs, //
};
use vm_memory::{
    Bytes,
    GuestAddress,
    GuestMemoryMmap, //
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
pub fn translate(memory: &GuestMemoryMmap, sregs: &Sregs, linear: u64) -> Option<u64> {
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

/// A page that the guest's tables map.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Leaf {
    /// Its linear address.
    pub linear: u64,
    /// Its guest-physical address.
    pub gpa: u64,
    /// Its size.
    pub bytes: u64,
    /// What the entries on the way allow together.
    pub rights: PteFlags,
}

/// No more pages are listed, and no more tables read: those that refer to themselves have no end.
const MOST_PAGES: usize = 1 << 16;
const MOST_TABLES: usize = 1 << 11;

/// Pages that the guest's tables map, by address.
#[derive(Debug, Default)]
pub struct Leaves {
    /// The pages.
    pub pages: Vec<Leaf>,
    /// Are there more?
    pub are_more: bool,
    tables: usize,
}

/// All pages that the guest's tables map, or the first of very many.
pub fn leaves(memory: &GuestMemoryMmap, sregs: &Sregs) -> Leaves {
    let mut found = Leaves::default();
    match mode(sregs) {
        Some(mode) => {
            let root = Table {
                gpa: mode.root,
                level: mode.levels - 1,
                linear: 0,
                rights: PteFlags::ALL_RIGHTS,
            };
            mode.collect(memory, &root, &mut found);
        }
        None => found.pages.push(Leaf {
            linear: 0,
            gpa: 0,
            bytes: 1 << 32,
            rights: PteFlags::ALL_RIGHTS,
        }),
    }
    found
}

/// A table, as one comes to it: levels are counted from 0.
struct Table {
    gpa: u64,
    level: u32,
    linear: u64,
    rights: PteFlags,
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
    /// Adds the pages that a table maps, and those below it.
    fn collect(&self, memory: &GuestMemoryMmap, table: &Table, found: &mut Leaves) {
        if found.pages.len() >= MOST_PAGES || found.tables >= MOST_TABLES {
            found.are_more = true;
            return;
        }
        found.tables += 1;
        let shift = 12 + table.level * self.index_bits;
        for index in 0..self.entries_at(table.level) {
            let gpa = table.gpa + index * self.entry_bytes;
            let entry = read(memory, gpa, self.entry_bytes).unwrap_or(0);
            if entry & PRESENT == 0 {
                continue;
            }
            let linear = self.canonical(table.linear | (index << shift));
            let rights = self.rights(table, entry);
            let is_large = entry & PAGE_SIZE != 0 && self.has_pages_at(table.level);
            if table.level == 0 || is_large {
                let bytes = 1 << shift;
                found.pages.push(Leaf {
                    linear,
                    gpa: entry & FRAME & !(bytes - 1),
                    bytes,
                    rights,
                });
                continue;
            }
            let below = Table {
                gpa: entry & FRAME,
                level: table.level - 1,
                linear,
                rights,
            };
            self.collect(memory, &below, found);
        }
    }

    /// The highest table of PAE paging has four.
    fn entries_at(&self, level: u32) -> u64 {
        match (self.levels, level) {
            (3, 2) => 4,
            _ => 1 << self.index_bits,
        }
    }

    /// What an entry leaves over of what those above do: those at the top of PAE paging,
    /// everything.
    fn rights(&self, table: &Table, entry: u64) -> PteFlags {
        const WRITE: u64 = 1 << 1;
        const USER: u64 = 1 << 2;
        const NO_EXECUTE: u64 = 1 << 63;
        if self.levels == 3 && table.level == 2 {
            return table.rights;
        }
        let of_entry = PteFlags::of_rights(
            entry & WRITE != 0,
            entry & NO_EXECUTE == 0,
            entry & USER != 0,
        );
        table.rights.and(of_entry)
    }

    /// The highest bit that tables translate is in all above it.
    fn canonical(&self, linear: u64) -> u64 {
        match self.levels {
            2 | 3 => linear,
            levels => {
                let unused = 64 - 12 - levels * self.index_bits;
                (((linear << unused) as i64) >> unused) as u64
            }
        }
    }

    /// Whether entries of a level above the last, 0, can map pages.
    fn has_pages_at(&self, level: u32) -> bool {
        level == 1 || (level == 2 && self.levels >= 4)
    }
}

fn read(memory: &GuestMemoryMmap, gpa: u64, bytes: u64) -> Option<u64> {
    let mut entry = [0; 8];
    let room = entry.get_mut(..bytes as usize)?;
    memory.read_slice(room, GuestAddress(gpa)).ok()?;
    Some(u64::from_le_bytes(entry))
}

#[cfg(test)]
mod tests {
    use super::*;
    use minivmx::LongMode;

    const CR0_PE: u64 = 1;

    fn memory(entries: &[(u64, u64)]) -> GuestMemoryMmap {
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 0x1_0000)]).expect("memory");
        for (gpa, entry) in entries {
            memory
                .write_slice(&entry.to_le_bytes(), GuestAddress(*gpa))
                .expect("it is in the range");
        }
        memory
    }

    fn sregs(cr4: u64, efer: u64) -> Sregs {
        Sregs {
            cr0: CR0_PG | CR0_PE,
            cr3: 0x1000,
            cr4,
            efer,
            ..Sregs::default()
        }
    }

    #[test]
    fn without_paging_addresses_are_the_same() {
        let sregs = Sregs::default();
        assert_eq!(
            translate(&memory(&[]), &sregs, 0xffff_fff0),
            Some(0xffff_fff0)
        );
    }

    #[test]
    fn the_tables_of_long_mode_are_understood() {
        let memory = memory(&[]);
        let tables = GuestAddress(LongMode::PML4);
        memory
            .write_slice(&LongMode::image(), tables)
            .expect("it is in the range");
        let sregs = LongMode::sregs(&Sregs::default());
        assert_eq!(translate(&memory, &sregs, 0x3fff_fff8), Some(0x3fff_fff8));
        assert_eq!(translate(&memory, &sregs, 0x4000_0000), None);
    }

    #[test]
    fn four_kib_pages_are_found_at_the_last_level() {
        let memory = memory(&[
            (0x1800, 0x2003),
            (0x2000, 0x3003),
            (0x3008, 0x4003),
            (0x4010, 0x7003),
        ]);
        let address = 0xffff_8000_0020_2abc;
        assert_eq!(
            translate(&memory, &sregs(CR4_PAE, EFER_LMA), address),
            Some(0x7abc)
        );
    }

    #[test]
    fn pae_and_two_level_tables_have_large_pages() {
        let pae = memory(&[(0x1018, 0x2001), (0x2008, 0x60_0083)]);
        assert_eq!(
            translate(&pae, &sregs(CR4_PAE, 0), 0xc020_1234),
            Some(0x60_1234)
        );
        let two = memory(&[(0x1c00, 0x80_0083), (0x1004, 0x2003), (0x2004, 0x9003)]);
        assert_eq!(translate(&two, &sregs(0, 0), 0xc012_3456), Some(0x92_3456));
        assert_eq!(translate(&two, &sregs(0, 0), 0x0040_1008), Some(0x9008));
    }

    #[test]
    fn all_pages_are_found_in_order() {
        let memory = memory(&[
            (0x1000, 0x2007),
            (0x1800, 0x2003),
            (0x2000, 0x3003),
            (0x3000, 0x20_0083),
            (0x3008, 0x4003),
            (0x4010, 0x7001),
        ]);
        let found = leaves(&memory, &sregs(CR4_PAE, EFER_LMA)).pages;
        let places: Vec<_> = found.iter().map(|leaf| (leaf.linear, leaf.gpa)).collect();
        assert_eq!(
            places,
            [
                (0, 0x20_0000),
                (0x20_2000, 0x7000),
                (0xffff_8000_0000_0000, 0x20_0000),
                (0xffff_8000_0020_2000, 0x7000),
            ]
        );
        assert_eq!(found[0].bytes, 2 << 20);
        assert_eq!(found[0].rights, PteFlags::of_rights(true, true, false));
        assert_eq!(found[1].rights, PteFlags::of_rights(false, true, false));
    }

    // A root that refers to itself maps itself everywhere: there is an end to that.
    #[test]
    fn tables_that_refer_to_themselves_come_to_an_end() {
        let memory = memory(&[(0x1000, 0x1003), (0x1008, 0x1003)]);
        let found = leaves(&memory, &sregs(CR4_PAE, EFER_LMA));
        assert_eq!((found.pages.len(), found.are_more), (16, false));
    }

    // No page, and 2^27 ways to find that out.
    #[test]
    fn tables_without_pages_come_to_an_end() {
        let entries: Vec<_> = (0..512)
            .flat_map(|index| {
                let at = |table: u64| (table + index * 8, table + 0x1003);
                [at(0x1000), at(0x2000), at(0x3000)]
            })
            .collect();
        let found = leaves(&memory(&entries), &sregs(CR4_PAE, EFER_LMA));
        assert_eq!((found.pages.len(), found.are_more), (0, true));
    }

    #[test]
    fn tables_outside_of_memory_map_nothing() {
        let memory = memory(&[(0x1000, 0xdead_0003)]);
        assert_eq!(translate(&memory, &sregs(CR4_PAE, EFER_LMA), 0), None);
    }
}
