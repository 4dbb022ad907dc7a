// SPDX-License-Identifier: GPL-2.0

//! A walk under EPT, which has two dimensions, as a grid: a row for each of the guest's levels and
//! one for the page, a column for each of EPT's.

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
    Row,
    Walk, //
};

/// Levels of EPT, the highest first.
const LEVELS: [u32; 4] = [4, 3, 2, 1];

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
    writeln!(text, "{:42}EPT", "")?;
    writeln!(
        text,
        "  {:10}{:>16}   {:>4}{:>4}{:>4}{:>4}      guest's entry",
        "for", "guest-physical", "L4", "L3", "L2", "L1"
    )?;
    for row in walk.rows() {
        write_row(text, &row, walk)?;
    }
    writeln!(text)?;
    write_entries(text, walk)?;
    for line in words::end(walk) {
        writeln!(text, "  {line}")?;
    }
    Ok(())
}

/// How many entries are read, and of which tables.
pub fn count(walk: &Walk) -> String {
    let of = |tables| walk.translation.entries_of(tables).count();
    format!(
        "{} references: {} of EPT, {} of the guest's tables",
        walk.translation.entries.len(),
        of(Tables::Ept),
        of(Tables::Guest)
    )
}

fn write_row(text: &mut String, row: &Row, walk: &Walk) -> fmt::Result {
    let label = match &row.guest {
        Some((_, pte)) => words::name(pte),
        None => "page".into(),
    };
    let gpa = row
        .gpa()
        .map_or("(register)".into(), |gpa| format!("{gpa:#x}"));
    write!(text, "  {label:10}{gpa:>16}   ")?;
    for level in LEVELS {
        let number = row.ept.iter().find(|(_, pte)| pte.level == level);
        match number {
            Some((number, _)) => write!(text, "{number:>4}")?,
            None => write!(text, "{:>4}", "·")?,
        }
    }
    match &row.guest {
        Some((number, pte)) => {
            writeln!(text, " → {number:>2} {:#018x} {}", pte.value, pte.flags)
        }
        None if walk.translation.hpa != 0 => {
            writeln!(text, " →    {:#x}, host-physical", walk.translation.hpa)
        }
        None => writeln!(text),
    }
}

/// Each entry of EPT once, with the numbers of all references to it.
fn write_entries(text: &mut String, walk: &Walk) -> fmt::Result {
    for (numbers, pte) in distinct(walk) {
        let numbers: Vec<_> = numbers.iter().map(usize::to_string).collect();
        writeln!(
            text,
            "  {:<16} EPT {:9} {:14} {:#018x} {}",
            numbers.join(" "),
            words::name(&pte),
            match pte.address {
                0 => String::new(),
                address => format!("at {address:#x}"),
            },
            pte.value,
            words::rights(pte.flags).get(..3).unwrap_or_default()
        )?;
    }
    writeln!(text)
}

fn distinct(walk: &Walk) -> Vec<(Vec<usize>, Pte)> {
    let mut found: Vec<(Vec<usize>, Pte)> = Vec::new();
    let rows = walk.rows();
    let all = rows.iter().flat_map(|row| row.ept.iter());
    for (number, pte) in all {
        match found.iter_mut().find(|(_, other)| is_same(other, pte)) {
            Some((numbers, _)) => numbers.push(*number),
            None => found.push((vec![*number], *pte)),
        }
    }
    found.sort_by_key(|(numbers, pte)| (4 - pte.level.min(4), numbers.first().copied()));
    found
}

/// Is it the same entry of the same table? Without the administrator's rights, by what it
/// translates.
fn is_same(one: &Pte, other: &Pte) -> bool {
    let covered = |pte: &Pte| pte.input >> (3 + 9 * pte.level);
    one.level == other.level && covered(one) == covered(other)
}

/// The numbers of a row, for drawings.
pub fn numbers(row: &Row) -> impl Iterator<Item = &Numbered> {
    row.ept.iter().chain(&row.guest)
}
