// SPDX-License-Identifier: GPL-2.0

//! Parts of a walk in words, as the terminal and the page have them.

use minivmx::{
    Address,
    End,
    Pte,
    PteFlags,
    Question,
    Tables, //
};

use super::Walk;

/// The name of a table's entry, as `PML4[511]`.
pub fn name(pte: &Pte) -> String {
    format!("{}[{}]", table(pte.level), pte.index)
}

/// The SDM's name of a table of this level.
pub fn table(level: u32) -> &'static str {
    match level {
        4 => "PML4",
        3 => "PDPT",
        2 => "PD",
        _ => "PT",
    }
}

/// What is translated, and what for.
pub fn question(question: &Question) -> String {
    let address = match question.address {
        Address::Linear(address) => format!("linear address {address:#x}"),
        Address::Physical(address) => format!("guest-physical address {address:#x}"),
    };
    let by = match question.user {
        true => "a program",
        false => "the supervisor",
    };
    format!("{address}, {} by {by}", question.purpose)
}

/// How it ends, a line each, or two.
pub fn end(walk: &Walk) -> Vec<String> {
    let found = &walk.translation;
    let mut lines = vec![match found.end {
        End::Translated | End::PageFault(_) | End::NotCanonical => {
            format!("The way ends with {}.", found.end)
        }
        _ => format!(
            "The way ends at guest-physical {:#x}:\n  {}.",
            found.gpa, found.end
        ),
    }];
    if found.guest_page != 0 {
        lines.push(format!(
            "Guest's tables: guest-physical {:#x}, in a page of {}, {}.",
            found.gpa,
            size(found.guest_page.into()),
            rights(found.guest_rights)
        ));
    }
    if found.host_page != 0 {
        lines.push(format!(
            "{}: {}a page of {}, {}.",
            host(walk),
            match found.hpa {
                0 => String::new(),
                hpa => format!("host-physical {hpa:#x}, in "),
            },
            size(found.host_page.into()),
            rights(found.host_rights)
        ));
        lines.push(format!(
            "Cached as {}; the guest asks for {}.",
            found.memory_type, found.guest_memory_type
        ));
    }
    lines
}

fn host(walk: &Walk) -> &'static str {
    match walk.translation.entries_of(Tables::Ept).next() {
        Some(_) => "EPT",
        None => "Shadow",
    }
}

/// Rights alone, as `rwxu`.
pub fn rights(flags: PteFlags) -> String {
    let text = flags.to_string();
    text.get(..4).unwrap_or_default().to_owned()
}

/// Bytes in the unit in which they are a small number.
pub fn size(bytes: u64) -> String {
    const UNITS: [(u32, &str); 3] = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = UNITS
        .iter()
        .find(|(shift, _)| bytes >= 1 << shift && bytes % (1 << shift) == 0);
    unit.map_or_else(
        || format!("{bytes} bytes"),
        |(shift, unit)| format!("{} {unit}", bytes >> shift),
    )
}

/// How a shadow entry differs from the guest's of the same level, if there is one, and why.
pub fn differences(shadow: &Pte, guest: Option<&Pte>) -> Vec<String> {
    let flags = shadow.flags;
    if !flags.contains(PteFlags::PRESENT) {
        return vec!["not filled yet".into()];
    }
    let mut found = Vec::new();
    if guest.is_none() && shadow.source == 0 {
        found.push("the guest has no table of this level here".into());
    }
    if flags.contains(PteFlags::OUT_OF_DATE) {
        let source = shadow.source;
        found.push(format!("out of date: made from {source:#x}"));
    }
    for (flag, why) in [
        (
            PteFlags::HOLDS_TABLE,
            "write-protected: the page holds a page table of the guest",
        ),
        (
            PteFlags::NOT_DIRTY,
            "read-only until the first write: the guest's entry is not dirty",
        ),
        (PteFlags::READ_ONLY_MEMORY, "read-only memory"),
    ] {
        if flags.contains(flag) {
            found.push(why.into());
        }
    }
    found
}
