// SPDX-License-Identifier: GPL-2.0

//! The boots for a terminal of 100 columns, row by row.

use std::fmt;

use super::{
    boot::Boot,
    boots::Boots, //
};

const COLUMNS: [&str; 10] = [
    "mode", "Mticks", "ratio", "exits", "I/O", "EPT", "faults", "INVLPG", "writes", "tables",
];

/// The names of the columns.
pub struct Head;

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, &COLUMNS.map(String::from))
    }
}

/// What a boot took, beside others.
pub struct Row<'a>(pub &'a Boot, pub &'a Boots);

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(boot, boots) = self;
        let ratio = boots.ratio(boot).map(|ratio| format!("{ratio:.2}"));
        let tables = boot.tables.map(|tables| tables.to_string());
        let none = || "-".into();
        line(
            f,
            &[
                boot.mode.clone(),
                ((boot.ticks + 500_000) / 1_000_000).to_string(),
                ratio.unwrap_or_else(none),
                boot.exits.to_string(),
                boot.io.to_string(),
                boot.ept_violations.to_string(),
                boot.page_faults.to_string(),
                boot.invlpg.to_string(),
                boot.table_writes.to_string(),
                tables.unwrap_or_else(none),
            ],
        )
    }
}

fn line(f: &mut fmt::Formatter<'_>, [first, rest @ ..]: &[String; COLUMNS.len()]) -> fmt::Result {
    write!(f, "{first:<11}")?;
    rest.iter().try_for_each(|value| write!(f, "{value:>8}"))
}

#[cfg(test)]
mod tests {
    use super::{
        super::boot::tests::boot,
        *, //
    };

    #[test]
    fn a_row_has_what_its_columns_say() {
        let mut boots = Boots::default();
        boots.add(boot("kvm-ept", 600_000_000));
        let row = Row(&boot("ept", 540_000_000), &boots).to_string();
        assert_eq!(row.len(), Head.to_string().len());
        assert_eq!(
            row,
            format!(
                "{:<11}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}",
                "ept", 540, "0.90", 0, 0, 0, 0, 0, 0, 0
            )
        );
        let kvms = Row(&boots.all()[0], &boots).to_string();
        assert!(kvms.starts_with("kvm-ept         600       -"), "{kvms}");
    }
}
