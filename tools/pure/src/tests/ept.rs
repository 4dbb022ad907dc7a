// SPDX-License-Identifier: GPL-2.0

//! Bits of EPT entries and of the EPTP (SDM Vol. 3C, "EPT Translation Mechanism").

use crate::mmu::{
    address::{Hpa, Level, PageSize},
    ept::{Access, Attributes, Ept, Eptp, MemoryType},
    format::{Entry, Format, Mapping},
};
use proptest::prelude::*;

fn mapping(size: PageSize, hpa: u64) -> Mapping<Attributes> {
    Mapping {
        hpa: Hpa::new(hpa),
        size,
        attributes: Attributes::memory(Access::ReadWriteExecute),
        accessed: false,
        dirty: false,
    }
}

// Read, write, execute in bits 0, 1, 2; memory type write-back (6) in bits 5:3; bit 6: the guest's
// PAT is ignored, so that the page is cached whatever the guest asks for.
#[test]
fn a_4k_page_of_ordinary_memory() {
    assert_eq!(
        Ept::leaf(mapping(PageSize::Size4K, 0x1234_5000)),
        0x1234_5077
    );
}

// Bit 7 says that an entry of a page directory maps a page; 8 and 9 are accessed and dirty.
#[test]
fn a_2m_page_with_flags() {
    let flags = Mapping {
        accessed: true,
        dirty: true,
        ..mapping(PageSize::Size2M, 0x1220_0000)
    };
    assert_eq!(Ept::leaf(flags), 0x1220_03f7);
}

#[test]
fn an_uncacheable_read_only_page() {
    let attributes = Attributes {
        access: Access::Read,
        memory_type: MemoryType::Uncacheable,
        ignore_pat: true,
    };
    let page = Mapping {
        attributes,
        ..mapping(PageSize::Size4K, 0x1000)
    };
    assert_eq!(Ept::leaf(page), 0x1041);
}

#[test]
fn a_table_leaves_all_rights_to_its_entries() {
    assert_eq!(Ept::table(Hpa::new(0xf_ffff_ffff_f000)), 0xf_ffff_ffff_f007);
}

// Bits 2:0 memory type, 5:3 number of levels less 1; 6, accessed and dirty flags, stays clear.
#[test]
fn the_pointer() {
    assert_eq!(Eptp::new(Hpa::new(0x5000)).into_raw(), 0x501e);
}

// SDM Vol. 3C, "EPT Misconfigurations".
#[test]
fn misconfigurations_are_malformed() {
    let malformed = [
        (Level::Pt, 0x1032),      // write without read
        (Level::Pt, 0x1036),      // write and execute without read
        (Level::Pt, 0x1017),      // memory type 2
        (Level::Pt, 0x101f),      // memory type 3
        (Level::Pt, 0x103f),      // memory type 7
        (Level::Pd, 0x1000b7),    // 2 MiB page, bit 20
        (Level::Pdpt, 0x20_00b7), // 1 GiB page, bit 21
        (Level::Pml4, 0x87),      // no pages of 512 GiB
        (Level::Pd, 0x100f),      // table, bit 3
        (Level::Pml4, 0x1002),    // table, write without read
    ];
    for (level, raw) in malformed {
        assert_eq!(
            Ept::decode(level, raw),
            Entry::Malformed,
            "{level:?} {raw:#x}"
        );
    }
}

// Without rights nothing else in an entry counts.
#[test]
fn an_entry_without_rights_is_empty() {
    assert_eq!(Ept::decode(Level::Pt, 0), Entry::Empty);
    assert_eq!(Ept::decode(Level::Pml4, !7), Entry::Empty);
}

#[test]
fn rights_are_the_ones_asked_for() {
    use Access::{Execute, Read, ReadExecute, ReadWrite, ReadWriteExecute};
    for access in [Read, ReadWrite, Execute, ReadExecute, ReadWriteExecute] {
        let bits = access as u8;
        assert_eq!(access.read(), bits & 1 != 0);
        assert_eq!(access.write(), bits & 2 != 0);
        assert_eq!(access.execute(), bits & 4 != 0);
    }
}

proptest! {
    // What decodes to a page or a table encodes to the same bits, less those that are ignored.
    #[test]
    fn encoding_is_the_inverse_of_decoding(raw: u64, level in 0usize..4) {
        let level = [Level::Pt, Level::Pd, Level::Pdpt, Level::Pml4][level];
        const FRAME: u64 = 0x000f_ffff_ffff_f000;
        match Ept::decode(level, raw) {
            Entry::Leaf(leaf) => {
                let large = if level == Level::Pt { 0 } else { 0x80 };
                let mask = FRAME | 0x37f | large;
                prop_assert_eq!(Ept::leaf(leaf), raw & mask);
                prop_assert_eq!(Ept::decode(level, Ept::leaf(leaf)), Entry::Leaf(leaf));
            }
            Entry::Table(hpa) => {
                prop_assert_eq!(hpa.get(), raw & FRAME);
                prop_assert_eq!(Ept::decode(level, Ept::table(hpa)), Entry::Table(hpa));
            }
            Entry::Empty => prop_assert_eq!(raw & 7, 0),
            Entry::Malformed => prop_assert_ne!(raw & 7, 0),
        }
    }
}
