// SPDX-License-Identifier: GPL-2.0

//! A first environment for 64-bit guests.
//!
//! A vCPU powers up in real mode; a 64-bit program would begin with a page of
//! assembly that gets out of it. [`LongMode`] is the result of that page: the
//! first GiB mapped one to one in 2 MiB pages, flat segments, a small stack. A
//! guest replaces it by its own when it likes.

use crate::{
    error::Result,
    memory::GuestMemory,
    uapi::{
        minivmx_regs,
        minivmx_segment,
        minivmx_sregs,
        minivmx_table, //
    },
};

/// Where things are, as guest-physical addresses; all below 64 KiB.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LongMode;

// SDM Vol. 3A, "4-Level Paging and 5-Level Paging".
const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const PAGE_SIZE: u64 = 1 << 7;
const ENTRIES: u64 = 512;

// SDM Vol. 3A, "Control Registers".
const CR0_PE: u64 = 1 << 0;
const CR0_MP: u64 = 1 << 1;
const CR0_ET: u64 = 1 << 4;
const CR0_NE: u64 = 1 << 5;
const CR0_WP: u64 = 1 << 16;
const CR0_PG: u64 = 1 << 31;
const CR4_PAE: u64 = 1 << 5;
const CR4_OSFXSR: u64 = 1 << 9;
const CR4_OSXMMEXCPT: u64 = 1 << 10;

// SDM Vol. 4, "IA-32 Architectural MSRs": IA32_EFER.
const EFER_LME: u64 = 1 << 8;
const EFER_LMA: u64 = 1 << 10;

/// Bit 1 of RFLAGS is always set.
const RFLAGS: u64 = 1 << 1;

// Descriptors as they are in memory, and access rights as they are in a VMCS:
// accessed, present, ring 0, 4 KiB granularity.
const CODE_DESCRIPTOR: u64 = 0x00af_9b00_0000_ffff;
const DATA_DESCRIPTOR: u64 = 0x00cf_9300_0000_ffff;
const CODE_RIGHTS: u32 = 0xa09b;
const DATA_RIGHTS: u32 = 0xc093;
const BUSY_TSS_RIGHTS: u32 = 0x008b;
const UNUSABLE: u32 = 1 << 16;

impl LongMode {
    /// Top of the page tables.
    pub const PML4: u64 = 0x1000;
    const GDT: u64 = 0x4000;
    /// The stack grows down from here.
    pub const STACK: u64 = 0x1_0000;
    /// Selector of the code segment.
    pub const CODE: u16 = 0x08;
    /// Selector of the data segments.
    pub const DATA: u16 = 0x10;

    /// Writes page tables and GDT.
    ///
    /// # Errors
    ///
    /// The memory below 64 KiB is not mapped.
    pub fn write(memory: &GuestMemory) -> Result<()> {
        memory.write(Self::PML4, &Self::image())
    }

    /// Page tables and GDT, to be put at [`Self::PML4`].
    pub fn image() -> Vec<u8> {
        let gdt = table([0, CODE_DESCRIPTOR, DATA_DESCRIPTOR]);
        [Self::tables(Self::PML4), gdt].concat()
    }

    /// Page tables alone, to be put at this address: they map the first GiB where it is.
    pub fn tables(gpa: u64) -> Vec<u8> {
        let [directory_pointers, directory] = [0x1000, 0x2000].map(|offset| gpa + offset);
        let tables = [
            table([directory_pointers | PRESENT | WRITABLE]),
            table([directory | PRESENT | WRITABLE]),
            table((0..ENTRIES).map(|index| (index << 21) | PRESENT | WRITABLE | PAGE_SIZE)),
        ];
        tables.concat()
    }

    /// System registers for it, as of another guest than there may have been; what it does not set
    /// stays as in `before`.
    pub fn sregs(before: &minivmx_sregs) -> minivmx_sregs {
        let data = segment(Self::DATA, DATA_RIGHTS);
        minivmx_sregs {
            cs: segment(Self::CODE, CODE_RIGHTS),
            ds: data,
            es: data,
            fs: data,
            gs: data,
            ss: data,
            tr: minivmx_segment {
                limit: 0x67,
                ..segment(0, BUSY_TSS_RIGHTS)
            },
            ldtr: segment(0, UNUSABLE),
            gdtr: minivmx_table {
                base: Self::GDT,
                limit: 3 * 8 - 1,
                ..Default::default()
            },
            idtr: minivmx_table::default(),
            cr0: CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG,
            cr3: Self::PML4,
            cr4: CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT,
            efer: EFER_LME | EFER_LMA,
            interruptibility: 0,
            pending_debug: 0,
            activity: 0,
            flags: 0,
            ..*before
        }
    }

    /// General registers for a program that begins at `entry`.
    pub fn regs(entry: u64) -> minivmx_regs {
        minivmx_regs {
            rip: entry,
            rsp: Self::STACK,
            rflags: RFLAGS,
            ..Default::default()
        }
    }
}

/// A page that begins with these entries.
fn table(entries: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut page: Vec<u8> = entries.into_iter().flat_map(u64::to_le_bytes).collect();
    page.resize(4096, 0);
    page
}

fn segment(selector: u16, access_rights: u32) -> minivmx_segment {
    minivmx_segment {
        limit: u32::MAX,
        selector,
        access_rights,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        memory::tests::memory,
        uapi::MINIVMX_SREGS_KEEP, //
    };

    fn read(memory: &GuestMemory, gpa: u64) -> u64 {
        let mut bytes = [0; 8];
        memory.read(gpa, &mut bytes).expect("the range is mapped");
        u64::from_le_bytes(bytes)
    }

    /// Walks the tables as the CPU would.
    fn translate(memory: &GuestMemory, address: u64) -> u64 {
        let index = |shift: u64| (address >> shift) % ENTRIES * 8;
        let table = |entry: u64| entry & 0x000f_ffff_ffff_f000;
        let pdpt = read(memory, LongMode::PML4 + index(39));
        let directory = read(memory, table(pdpt) + index(30));
        let page = read(memory, table(directory) + index(21));
        assert_eq!(
            pdpt & directory & page & (PRESENT | WRITABLE),
            PRESENT | WRITABLE
        );
        assert_eq!(page & PAGE_SIZE, PAGE_SIZE);
        (page & !0x1f_ffff) | (address & 0x1f_ffff)
    }

    #[test]
    fn the_first_gib_is_mapped_one_to_one() {
        let memory = memory(&[(0, 0x1_0000)]).expect("/dev/zero");
        LongMode::write(&memory).expect("the range is mapped");
        for address in [0, 0x1234, 0x1f_ffff, 0x20_0000, 0x1234_5678, 0x3fff_ffff] {
            assert_eq!(translate(&memory, address), address);
        }
        assert_eq!(read(&memory, LongMode::PML4 + 8), 0);
        assert_eq!(read(&memory, LongMode::PML4 + 0x1008), 0);
    }

    #[test]
    fn hidden_parts_agree_with_the_descriptors() {
        let rights = |descriptor: u64| (descriptor >> 40) as u32 & 0xf0ff;
        assert_eq!(rights(CODE_DESCRIPTOR), CODE_RIGHTS);
        assert_eq!(rights(DATA_DESCRIPTOR), DATA_RIGHTS);
    }

    #[test]
    fn other_registers_stay() {
        let before = minivmx_sregs {
            xcr0: 7,
            cr2: 0x1000,
            activity: 1,
            flags: MINIVMX_SREGS_KEEP,
            ..Default::default()
        };
        let after = LongMode::sregs(&before);
        assert_eq!((after.xcr0, after.cr2), (7, 0x1000));
        assert_eq!((after.activity, after.flags), (0, 0));
        assert_eq!(after.efer, 0x500);
    }
}
