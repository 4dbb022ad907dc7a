// SPDX-License-Identifier: GPL-2.0

//! A walk under shadow paging: the guest's tables, and beside them the shadow's, with what differs
//! and why.

use std::fmt::{
    self,
    Write, //
};

use minivmx::{
    Pte,
    Tables, //
};

use super::{
    words,
    Numbered,
    Walk, //
};

/// The guest's entry and the shadow's of one level.
#[derive(Clone, Copy, Default)]
pub struct Pair {
    pub guest: Option<Numbered>,
    pub shadow: Option<Numbered>,
}

/// The walk for a terminal of 80 columns.
pub fn text(walk: &Walk) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, walk);
    text
}

fn write(text: &mut String, walk: &Walk) -> fmt::Result {
    writeln!(text, "{}", words::question(&walk.question))?;
    writeln!(text, "{}\n", count(walk))?;
    writeln!(text, " {:38}  shadow tables", "guest's tables")?;
    for pair in pairs(walk) {
        let sides = [pair.guest, pair.shadow].map(|side| side.map_or_else(String::new, entry));
        let [guest, shadow] = sides;
        writeln!(text, "{}", format!(" {guest:38}  {shadow}").trim_end())?;
        for difference in pair.differences() {
            writeln!(text, "    ↳ {difference}")?;
        }
    }
    writeln!(text)?;
    for line in words::end(walk) {
        writeln!(text, "  {line}")?;
    }
    Ok(())
}

/// How many entries there are, and of which tables.
pub fn count(walk: &Walk) -> String {
    let of = |tables| walk.translation.entries_of(tables).count();
    format!(
        "{} entries of the guest's tables, {} of the shadow, which is what the CPU reads",
        of(Tables::Guest),
        of(Tables::Shadow)
    )
}

fn entry((number, pte): Numbered) -> String {
    let value = format!("{:#018x}", pte.value);
    format!("{number:>2} {:9} {value} {}", words::name(&pte), pte.flags)
}

/// The entries by level, the highest first.
pub fn pairs(walk: &Walk) -> Vec<Pair> {
    let numbered = || (1..).zip(walk.translation.entries.iter().copied());
    let find = |tables, level| {
        numbered().find(|(_, pte): &(usize, Pte)| pte.tables == tables && pte.level == level)
    };
    let pairs = [4, 3, 2, 1].map(|level| Pair {
        guest: find(Tables::Guest, level),
        shadow: find(Tables::Shadow, level),
    });
    let mut pairs = Vec::from(pairs);
    pairs.retain(|pair| pair.guest.is_some() || pair.shadow.is_some());
    pairs
}

impl Pair {
    /// How the shadow's entry differs, and why.
    pub fn differences(&self) -> Vec<String> {
        let guest = self.guest.as_ref().map(|(_, pte)| pte);
        let shadow = self.shadow.as_ref();
        shadow.map_or_else(Vec::new, |(_, pte)| words::differences(pte, guest))
    }
}
