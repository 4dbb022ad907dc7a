// SPDX-License-Identifier: GPL-2.0

//! A walk through the guest's own page tables, as the CPU does it
//! (SDM Vol. 3A, "Paging").
//!
//! Entries lie in memory that the guest and the program can write at any time: each is read once, and
//! the copy decides.

use super::address::{
    Gpa,
    Gva,
    Input, //
};

/// How the guest translates, from CR0.PG, CR4.PAE and IA32_EFER.LMA.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// No paging.
    Off,
    /// Two levels of 32-bit entries, with 4-MiB pages if CR4.PSE.
    Bits32 {
        /// CR4.PSE.
        large: bool,
    },
    /// Three levels, the highest with four entries.
    Pae,
    /// Four levels.
    FourLevels,
}

/// What the walk depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paging {
    /// How the guest translates.
    pub(crate) mode: Mode,
    /// CR3.
    pub(crate) cr3: u64,
    /// CR0.WP: the supervisor heeds read-only pages, too.
    pub(crate) write_protect: bool,
    /// IA32_EFER.NXE: bit 63 forbids execution.
    pub(crate) no_execute: bool,
    /// CR4.SMEP: the supervisor does not execute pages of users.
    pub(crate) smep: bool,
    /// CR4.SMAP, unless RFLAGS.AC: the supervisor does not touch data of users.
    pub(crate) smap: bool,
}

/// What is to be done at the address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Access {
    /// By code with CPL 3.
    pub(crate) user: bool,
    /// A write.
    pub(crate) write: bool,
    /// An instruction fetch.
    pub(crate) fetch: bool,
}

/// Why there is no translation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stop<E> {
    /// A page fault, with its error code (SDM Vol. 3A, "Page-Fault Exceptions").
    PageFault(u32),
    /// The address is not canonical: #GP(0).
    NotCanonical,
    /// An entry could not be read.
    Memory(E),
}

/// Guest-physical memory, as far as the walk needs it.
pub(crate) trait PhysicalMemory {
    /// Why memory cannot be reached.
    type Error;

    /// Reads 8 bytes at a multiple of 8.
    fn read(&mut self, gpa: Gpa) -> Result<u64, Self::Error>;

    /// Sets bits in 8 bytes at a multiple of 8, if they still are what was read.
    fn set(&mut self, gpa: Gpa, old: u64, bits: u64) -> Result<(), Self::Error>;
}

const PRESENT: u64 = 1 << 0;
const WRITE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// Translates an address and checks the access; sets accessed and dirty flags if it is allowed.
pub(crate) fn translate<M: PhysicalMemory>(
    paging: &Paging,
    address: Gva,
    access: Access,
    memory: &mut M,
) -> Result<Gpa, Stop<M::Error>> {
    let linear = address.get();
    let (levels, mut table) = match paging.mode {
        Mode::Off => return Ok(Gpa::new(linear & 0xffff_ffff)),
        Mode::Bits32 { .. } => (2, paging.cr3 & 0xffff_f000),
        Mode::Pae => (3, paging.cr3 & 0xffff_ffe0),
        Mode::FourLevels => (4, paging.cr3 & ADDRESS),
    };
    if paging.mode == Mode::FourLevels && address.position().is_none() {
        return Err(Stop::NotCanonical);
    }
    let mut rights = WRITE | USER;
    for level in (1..=levels).rev() {
        let slot = Slot::new(paging.mode, table, linear, level);
        let entry = slot.read(memory).map_err(Stop::Memory)?;
        if entry & PRESENT == 0 {
            return Err(Stop::PageFault(error_code(paging, access, false)));
        }
        // A page-directory-pointer entry of PAE has no rights, and no flags.
        let root_of_pae = paging.mode == Mode::Pae && level == 3;
        if !root_of_pae {
            rights = rights & entry | rights & NO_EXECUTE | entry & NO_EXECUTE;
        }
        let leaf = level == 1 || entry & LARGE != 0 && slot.may_be_large();
        if leaf {
            check(paging, access, rights)?;
        }
        if !root_of_pae {
            let dirty = if leaf && access.write { DIRTY } else { 0 };
            slot.mark(entry, ACCESSED | dirty, memory)
                .map_err(Stop::Memory)?;
        }
        if leaf {
            return Ok(slot.page(entry, linear));
        }
        table = entry & ADDRESS;
    }
    // The last level is always a leaf.
    Err(Stop::PageFault(error_code(paging, access, true)))
}

fn check<E>(paging: &Paging, access: Access, rights: u64) -> Result<(), Stop<E>> {
    let user_page = rights & USER != 0;
    let readable = if access.user {
        user_page
    } else {
        !(user_page
            && if access.fetch {
                paging.smep
            } else {
                paging.smap
            })
    };
    let heeds_read_only = access.user || paging.write_protect;
    let writable = !access.write || rights & WRITE != 0 || !heeds_read_only;
    let executable = !(access.fetch && paging.no_execute && rights & NO_EXECUTE != 0);
    if readable && writable && executable {
        Ok(())
    } else {
        Err(Stop::PageFault(error_code(paging, access, true)))
    }
}

fn error_code(paging: &Paging, access: Access, present: bool) -> u32 {
    let fetch = access.fetch && (paging.no_execute || paging.smep);
    u32::from(present)
        | u32::from(access.write) << 1
        | u32::from(access.user) << 2
        | u32::from(fetch) << 4
}

/// An entry of a table, by where it is.
struct Slot {
    mode: Mode,
    level: u32,
    /// Of the 8 bytes that it is in.
    gpa: Gpa,
    /// Position of a 32-bit entry in them.
    shift: u32,
}

impl Slot {
    fn new(mode: Mode, table: u64, linear: u64, level: u32) -> Self {
        let (width, index_bits) = match mode {
            Mode::Bits32 { .. } => (4, 10),
            _ => (8, 9),
        };
        let index = linear >> (12 + index_bits * (level - 1)) & ((1 << index_bits) - 1);
        // The root of PAE has four entries, because linear addresses have 32 bits then.
        let index = if mode == Mode::Pae && level == 3 {
            index & 3
        } else {
            index
        };
        let address = table | index * width;
        Self {
            mode,
            level,
            gpa: Gpa::new(address & !7),
            // CAST: 0 or 32.
            shift: ((address & 7) * 8) as u32,
        }
    }

    fn mask(&self) -> u64 {
        match self.mode {
            Mode::Bits32 { .. } => 0xffff_ffff,
            _ => u64::MAX,
        }
    }

    fn read<M: PhysicalMemory>(&self, memory: &mut M) -> Result<u64, M::Error> {
        Ok(memory.read(self.gpa)? >> self.shift & self.mask())
    }

    fn mark<M: PhysicalMemory>(
        &self,
        entry: u64,
        bits: u64,
        memory: &mut M,
    ) -> Result<(), M::Error> {
        if entry & bits == bits {
            return Ok(());
        }
        let whole = memory.read(self.gpa)?;
        if whole >> self.shift & self.mask() != entry {
            return Ok(());
        }
        memory.set(self.gpa, whole, bits << self.shift)
    }

    fn may_be_large(&self) -> bool {
        match self.mode {
            Mode::Bits32 { large } => large && self.level == 2,
            Mode::Pae => self.level == 2,
            Mode::FourLevels => self.level == 2 || self.level == 3,
            Mode::Off => false,
        }
    }

    /// The address in the page that the entry maps.
    fn page(&self, entry: u64, linear: u64) -> Gpa {
        let bits = match self.mode {
            Mode::Bits32 { .. } => 12 + 10 * (self.level - 1),
            _ => 12 + 9 * (self.level - 1),
        };
        let offset = (1 << bits) - 1;
        // 4-MiB pages keep address bits 39:32 in bits 20:13.
        let high = match self.mode {
            Mode::Bits32 { .. } if self.level == 2 => (entry >> 13 & 0xff) << 32,
            _ => 0,
        };
        Gpa::new(entry & ADDRESS & !offset & self.mask() | high | linear & offset)
    }
}
