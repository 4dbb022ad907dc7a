// SPDX-License-Identifier: GPL-2.0

//! Drawings of walks as the driver answers them.

use minivmx::{
    Address,
    End,
    MemoryType,
    Mmu,
    Pte,
    PteFlags,
    Question,
    Tables,
    Translation, //
};

use super::{
    beside,
    grid,
    page,
    text,
    words,
    Walk, //
};

const LINEAR: u64 = 0xffff_8000_0000_5008;
const GPA: u64 = 0x40_5008;

fn pte(tables: Tables, level: u32, input: u64) -> Pte {
    Pte {
        tables,
        level,
        index: ((input >> (3 + 9 * level)) & 511) as u32,
        flags: PteFlags::PRESENT.or(PteFlags::ALL_RIGHTS),
        input,
        address: 0x12_3456_7000 + u64::from(level) * 8,
        value: 0x000f_ffff_ffff_f067,
        source: 0,
    }
}

fn walk(entries: Vec<Pte>, end: End) -> Walk {
    Walk {
        question: Question::read(Address::Linear(LINEAR)),
        translation: Translation {
            entries,
            end,
            gpa: GPA,
            hpa: 0x12_3456_7008,
            guest_page: 4096,
            host_page: 4096,
            guest_rights: PteFlags::ALL_RIGHTS,
            host_rights: PteFlags::ALL_RIGHTS,
            guest_memory_type: MemoryType::UncacheableMinus,
            memory_type: MemoryType::WriteBack,
        },
    }
}

/// Four levels of both.
fn two_dimensions() -> Walk {
    let mut entries = Vec::new();
    for guest in (1..=4).rev() {
        let gpa = 0x10_0000 + u64::from(guest) * 0x1000;
        entries.extend((1..=4).rev().map(|level| pte(Tables::Ept, level, gpa)));
        entries.push(pte(Tables::Guest, guest, LINEAR));
    }
    entries.extend((1..=4).rev().map(|level| pte(Tables::Ept, level, GPA)));
    walk(entries, End::Translated)
}

fn side_by_side(flags: PteFlags) -> Walk {
    let levels = || (1..=4).rev();
    let guest = levels().map(|level| pte(Tables::Guest, level, LINEAR));
    let shadow = levels().map(|level| pte(Tables::Shadow, level, LINEAR));
    let mut entries: Vec<_> = guest.chain(shadow).collect();
    if let Some(last) = entries.last_mut() {
        last.flags = last.flags.or(flags);
    }
    walk(entries, End::Narrowed)
}

fn is_narrow(text: &str) -> bool {
    text.lines().all(|line| line.chars().count() <= 80)
}

#[test]
fn two_dimensions_are_a_grid_of_24() {
    let text = grid::text(&two_dimensions());
    assert!(is_narrow(&text), "{text}");
    assert!(text.contains("24 references: 20 of EPT, 4 of the guest's tables"));
    assert!(text.contains("21  22  23  24"), "{text}");
    assert!(text.contains(" → 20 "), "{text}");
    // The root's entry is the same for all.
    assert!(text.contains("1 6 11 16 21 "), "{text}");
}

#[test]
fn a_walk_that_stops_has_fewer_rows() {
    let mut stopped = two_dimensions();
    stopped.translation.entries.truncate(7);
    stopped.translation.end = End::NotFilled;
    assert_eq!(stopped.rows().len(), 2);
    let text = grid::text(&stopped);
    assert!(
        text.contains("ends at guest-physical 0x405008:\n  no entry yet"),
        "{text}"
    );
}

#[test]
fn a_register_needs_no_translation() {
    let mut entries = vec![pte(Tables::Guest, 3, 0)];
    entries.extend((1..=4).rev().map(|level| pte(Tables::Ept, level, 0x1000)));
    let text = grid::text(&walk(entries, End::NoMemory));
    assert!(text.contains("(register)"), "{text}");
}

#[test]
fn the_shadow_is_beside_the_guests_tables_and_says_why_it_differs() {
    for (flags, why) in [
        (PteFlags::OUT_OF_DATE, "out of date"),
        (PteFlags::HOLDS_TABLE, "page table of the guest"),
        (PteFlags::NOT_DIRTY, "not dirty"),
        (PteFlags::READ_ONLY_MEMORY, "read-only memory"),
    ] {
        let text = text(&side_by_side(flags), true);
        assert!(text.contains(why), "{text}");
        assert!(is_narrow(&text), "{text}");
    }
}

#[test]
fn levels_that_the_guest_has_not_are_the_shadows_alone() {
    let mut large = side_by_side(PteFlags::default());
    large.translation.entries.remove(3);
    let pairs = beside::pairs(&large);
    assert!(pairs[3].guest.is_none() && pairs[3].shadow.is_some());
    assert_eq!(
        pairs[3].differences(),
        ["the guest has no table of this level here"]
    );
}

#[test]
fn the_page_needs_nothing_else() {
    let page = page::html(&[two_dimensions()], Mmu::Ept);
    assert_eq!(page.matches("<circle").count(), 24);
    assert!(!page.contains("<script") && !page.contains("src="));
    let page = page::html(&[side_by_side(PteFlags::NOT_DIRTY)], Mmu::Wp);
    assert_eq!(page.matches("<circle").count(), 8);
    assert!(page.contains("read-only until the first write"));
}

#[test]
fn sizes_have_a_unit() {
    assert_eq!(words::size(4096), "4 KiB");
    assert_eq!(words::size(2 << 20), "2 MiB");
    assert_eq!(words::size(0), "0 bytes");
}
