// SPDX-License-Identifier: GPL-2.0

//! Growth as a table to read.

use std::fmt;

use super::series::{
    Growth,
    Point,
    Series, //
};

/// A row of ticks and one of table memory for each event and MMU, a block for each thing that
/// grows.
pub struct Table<'a>(pub &'a Growth);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for of in self.0.things() {
            let block: Vec<_> = self.0.series.iter().filter(|one| one.of == of).collect();
            head(f, of, &block)?;
            for series in block {
                row(f, series)?;
            }
            writeln!(f)?;
        }
        for sentence in &self.0.left_out {
            writeln!(f, "left out: {sentence}")?;
        }
        f.write_str(MEANING)
    }
}

const MEANING: &str = "
Ticks of the time-stamp counter per event, and KiB of page tables for all guests by then. Growth
is the dearest by the cheapest: a tenth at most where theory says flat, and a tenth for each
doubling where it says logarithm, which is first_touch.";

fn head(f: &mut fmt::Formatter<'_>, of: &str, block: &[&Series]) -> fmt::Result {
    let longest = block.iter().max_by_key(|series| series.points.len());
    write!(f, "{of:<20}{:<8}", "")?;
    for point in longest.iter().flat_map(|series| &series.points) {
        write!(f, "{:>9}", point.count)?;
    }
    writeln!(f, "{:>8}", "growth")
}

fn row(f: &mut fmt::Formatter<'_>, series: &Series) -> fmt::Result {
    let mark = if series.holds() { "" } else { " too much" };
    write!(f, "{:<20}{:<8}", series.event, series.mmu.name())?;
    cells(f, series, |point| point.ticks)?;
    writeln!(f, "{:>8.2}{mark}", series.growth())?;
    write!(f, "{:<20}{:<8}", "  tables, KiB", "")?;
    cells(f, series, |point| point.table_kib)?;
    writeln!(f)
}

fn cells(
    f: &mut fmt::Formatter<'_>,
    series: &Series,
    value: impl Fn(&Point) -> u64,
) -> fmt::Result {
    series
        .points
        .iter()
        .try_for_each(|point| write!(f, "{:>9}", value(point)))
}

impl Growth {
    /// What grows, each once.
    pub fn things(&self) -> Vec<&'static str> {
        let mut things = Vec::new();
        for series in &self.series {
            if !things.contains(&series.of) {
                things.push(series.of);
            }
        }
        things
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::series::tests::series,
        *, //
    };

    #[test]
    fn what_is_not_flat_is_marked() {
        let growth = Growth {
            series: vec![series(&[1000, 1050]), series(&[1000, 2000])],
            left_out: vec!["4096 MiB: no room".into()],
        };
        let text = Table(&growth).to_string();
        let lines: Vec<_> = text.lines().collect();
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(lines[0]), "address spaces 1 10 growth");
        assert_eq!(words(lines[1]), "cr3_switch ept 1000 1050 1.05");
        assert_eq!(words(lines[2]), "tables, KiB 8 8");
        assert_eq!(words(lines[3]), "cr3_switch ept 1000 2000 2.00 too much");
        assert!(text.contains("left out: 4096 MiB: no room"));
        assert!(lines.iter().all(|line| line.len() <= 100));
    }
}
