// SPDX-License-Identifier: GPL-2.0

//! The figures for a terminal of 100 columns.

use std::fmt;

use minivmx::Mmu;

use super::{
    measurement::Measurement,
    results::Results,
    workload::Workload, //
};

/// One row per workload: exits and ticks for each MMU.
pub struct Short<'a>(pub &'a Results);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mmus = self.0.mmus();
        write!(f, "{:<13}", "")?;
        for mmu in &mmus {
            write!(f, "{:>15}", mmu.name())?;
        }
        write!(f, "\n{:<13}", "workload")?;
        for _ in &mmus {
            write!(f, "{:>8}{:>7}", "exits", "ticks")?;
        }
        for workload in self.0.workloads() {
            write!(f, "\n{:<13}", workload.name())?;
            for mmu in &mmus {
                let (exits, ticks) = match self.0.get(workload, *mmu) {
                    Some(one) => (one.caused_exits().to_string(), rounded(one.ticks)),
                    None => ("-".into(), "-".into()),
                };
                write!(f, "{exits:>8}{ticks:>7}")?;
            }
        }
        writeln!(f, "\n\nExits are those that the guest caused: not those that only give the host its CPU back.")
    }
}

/// A table per workload.
pub struct Long<'a>(pub &'a Results);

impl fmt::Display for Long<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for workload in self.0.workloads() {
            let table = One {
                results: self.0,
                workload,
            };
            writeln!(f, "{}: {}\n{table}", workload.name(), workload.title())?;
        }
        Ok(())
    }
}

/// The table of one workload: a column per MMU.
pub struct One<'a> {
    pub results: &'a Results,
    pub workload: Workload,
}

impl One<'_> {
    fn row(
        &self,
        f: &mut fmt::Formatter<'_>,
        label: &str,
        value: impl Fn(&Measurement) -> u64,
    ) -> fmt::Result {
        write!(f, "  {label:<38}")?;
        for one in self.results.of(self.workload) {
            write!(f, "{:>11}", value(one))?;
        }
        writeln!(f)
    }

    fn exits(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.row(f, "exits that the guest caused", Measurement::caused_exits)?;
        for reason in self.results.reasons(self.workload) {
            let label = format!("  {reason} ({})", reason.0);
            self.row(f, &label, |one| one.exits_for(reason))?;
        }
        Ok(())
    }

    fn shadow(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.row(f, "page faults of the guest's own", |one| one.guest_faults)?;
        self.row(f, "page faults that filled a shadow", |one| {
            one.shadow_misses
        })?;
        self.row(f, "table writes that were trapped", |one| one.table_writes)?;
        self.row(f, "shadow entries synchronised", |one| one.syncs)?;
        self.row(f, "shadow tables dropped for want of room", |one| {
            one.reclaims
        })?;
        self.row(f, "shadow tables at the end", |one| one.shadow_tables)
    }

    /// It is the same in all columns, or a check fails.
    fn guest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(one) = self.results.of(self.workload).next() else {
            return Ok(());
        };
        let guest = &one.guest;
        writeln!(
            f,
            "  the guest wrote {} entries, loaded CR3 {} times, flushed {} pages singly, handled {} faults",
            guest.entries, guest.base_loads, guest.page_flushes, guest.faults
        )
    }
}

impl fmt::Display for One<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mmus: Vec<_> = self.results.of(self.workload).map(|one| one.mmu).collect();
        write!(f, "  {:<38}", "")?;
        for mmu in &mmus {
            write!(f, "{:>11}", mmu.name())?;
        }
        writeln!(f)?;
        self.exits(f)?;
        self.row(f, "ticks", |one| one.ticks)?;
        if mmus.iter().copied().any(Mmu::is_shadow) {
            self.shadow(f)?;
        }
        self.row(f, "KiB of tables at the end", |one| one.table_bytes / 1024)?;
        self.guest(f)
    }
}

/// A number in at most six characters.
pub fn rounded(number: u64) -> String {
    let thousands = |unit: u64| number as f64 / unit as f64;
    match number {
        0..10_000 => number.to_string(),
        10_000..1_000_000 => format!("{:.0}k", thousands(1_000)),
        1_000_000..100_000_000 => format!("{:.1}M", thousands(1_000_000)),
        _ => format!("{:.0}M", thousands(1_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::measurement::tests::measurement, *};
    use clap::ValueEnum;
    use minivmx::Reason;

    fn results() -> Results {
        let exits = [
            (Reason::CONTROL_REGISTER, 1_234_567),
            (Reason::EXTERNAL_INTERRUPT, 9),
        ];
        let one = |workload: &Workload| {
            Mmu::ALL
                .iter()
                .map(|mmu| measurement(*workload, *mmu, &exits))
                .collect::<Vec<_>>()
        };
        Results::new(Workload::value_variants().iter().flat_map(one).collect())
    }

    #[test]
    fn both_tables_are_narrow() {
        let results = results();
        for text in [Short(&results).to_string(), Long(&results).to_string()] {
            for line in text.lines() {
                assert!(line.len() <= 100, "{line}");
            }
        }
    }

    #[test]
    fn a_row_has_exits_and_ticks_of_each_mmu() {
        let text = Short(&results()).to_string();
        let row = text.lines().find(|line| line.starts_with("fork"));
        let words: Vec<_> = row.expect("there is one").split_whitespace().collect();
        assert_eq!(words[..3], ["fork", "1234567", "1000"]);
        assert_eq!(words.len(), 11);
    }

    #[test]
    fn exits_are_given_by_name_and_not_those_for_the_host() {
        let text = Long(&results()).to_string();
        assert!(text.contains("    control-register access (28)"), "{text}");
        assert!(!text.contains("external interrupt (1)"), "{text}");
    }

    #[test]
    fn numbers_are_rounded_to_fit() {
        for (number, text) in [
            (9_999, "9999"),
            (10_000, "10k"),
            (999_999, "1000k"),
            (1_250_000, "1.2M"),
            (99_949_999, "99.9M"),
            (123_456_789, "123M"),
        ] {
            assert_eq!(rounded(number), text);
        }
    }
}
