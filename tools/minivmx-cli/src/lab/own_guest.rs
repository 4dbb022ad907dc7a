// SPDX-License-Identifier: GPL-2.0

//! `minivmx lab ept-vs-shadow --elf`: a guest of the user's own, by `minivmx run` with each MMU.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fmt,
    path::Path, //
};

use anyhow::{
    Context,
    Result, //
};
use minivmx::{
    Mmu,
    Reason, //
};
use serde::Serialize;

use super::child::Run;

/// Runs of a guest, one with each MMU.
#[derive(Debug, Serialize)]
pub struct Runs(Vec<Run>);

impl Runs {
    /// Runs the guest with each of them, in a process of its own, for so many seconds at most.
    pub fn new(elf: &Path, mmus: &[Mmu], seconds: u32) -> Result<Self> {
        let run = |mmu: &Mmu| run(elf, *mmu, seconds).with_context(|| format!("with {mmu}"));
        Ok(Self(mmus.iter().map(run).collect::<Result<_>>()?))
    }

    /// What was not as it should be: a guest that did not come to its end, or did otherwise with
    /// another MMU.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let first = self.0.first();
        for run in &self.0 {
            let mmu = &run.stats.mmu;
            if matches!(run.outcome.as_str(), "failed" | "timeout" | "interrupted") {
                faults.push(format!("{mmu}: {}", run.sentence));
            } else if first.is_some_and(|first| !did_the_same(run, first)) {
                faults.push(format!("{mmu}: the guest did not do what it did before"));
            }
        }
        faults
    }

    /// Reasons of the exits that the guest caused, the most frequent first.
    fn reasons(&self) -> Vec<(u32, &str)> {
        let mut sums = BTreeMap::new();
        for exits in self.0.iter().flat_map(Run::caused) {
            *sums.entry((exits.reason, exits.name.as_str())).or_insert(0) += exits.count;
        }
        let mut reasons: Vec<_> = sums.into_iter().collect();
        reasons.sort_by_key(|(_, sum)| std::cmp::Reverse(*sum));
        reasons.into_iter().map(|(reason, _)| reason).collect()
    }

    fn row(
        &self,
        f: &mut fmt::Formatter<'_>,
        label: &str,
        value: impl Fn(&Run) -> u64,
    ) -> fmt::Result {
        write!(f, "\n  {label:<30}")?;
        for run in &self.0 {
            write!(f, "{:>11}", value(run))?;
        }
        Ok(())
    }
}

fn did_the_same(one: &Run, other: &Run) -> bool {
    (&one.outcome, &one.serial, &one.debug) == (&other.outcome, &other.serial, &other.debug)
}

/// What is counted besides exits, as in `uapi/minivmx.h`, and in words.
const COUNTERS: [(&str, &str); 9] = [
    ("ept_fills", "violations that EPT was filled for"),
    ("guest_faults", "page faults of the guest's own"),
    ("shadow_misses", "page faults that filled"),
    ("table_writes", "table writes that were trapped"),
    ("syncs", "shadow entries synchronised"),
    ("allocations", "pages allocated when touched"),
    ("flushes", "flushes"),
    ("shadow_tables", "shadow tables at the end"),
    ("tables", "pages of tables at the end"),
];

impl fmt::Display for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {:<30}", "")?;
        for run in &self.0 {
            write!(f, "{:>11}", run.stats.mmu)?;
        }
        let all = |run: &Run| run.caused().map(|exits| exits.count).sum();
        self.row(f, "exits that the guest caused", all)?;
        for (reason, name) in self.reasons() {
            let label = format!("  {name} ({reason})");
            self.row(f, &label, |run| run.exits_for(Reason(reason)))?;
        }
        self.row(f, "ticks", |run| run.ticks)?;
        for (name, words) in COUNTERS {
            self.row(f, words, |run| run.counter(name))?;
        }
        Ok(())
    }
}

fn run(elf: &Path, mmu: Mmu, seconds: u32) -> Result<Run> {
    let seconds = seconds.to_string();
    let options = ["run", "--json", "--mmu", mmu.name(), "--timeout", &seconds];
    let options = options.map(OsStr::new).into_iter();
    Run::new(options.chain(["--elf".as_ref(), elf.as_os_str()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(mmu: &str, outcome: &str, serial: &str) -> Run {
        let value = serde_json::json!({
            "outcome": outcome,
            "sentence": "a sentence",
            "serial": serial,
            "debug": "",
            "absent_ports": [],
            "ticks": 1000,
            "stats": {
                "mmu": mmu,
                "runs": 3,
                "tables": 7,
                "exits": [
                    {"reason": 1, "name": "external interrupt", "count": 4},
                    {"reason": 10, "name": "CPUID", "count": 5},
                ],
            },
        });
        serde_json::from_value(value).expect("it is what run says")
    }

    #[test]
    fn a_column_has_what_the_guest_caused() {
        let text = Runs(vec![run("ept", "halted", "x"), run("wp", "halted", "x")]).to_string();
        let row = |label: &str| {
            let line = text.lines().find(|line| line.trim().starts_with(label));
            let words: Vec<_> = line.unwrap_or_default().split_whitespace().collect();
            words[words.len().saturating_sub(2)..].join(" ")
        };
        assert_eq!(row("exits that"), "5 5");
        assert_eq!(row("CPUID (10)"), "5 5");
        assert_eq!(row("pages of tables"), "7 7");
        assert_eq!(row("table writes"), "0 0");
        assert!(!text.contains("external interrupt"));
    }

    #[test]
    fn a_guest_does_the_same_with_each() {
        let faults = |runs| Runs(runs).faults();
        let ept = || run("ept", "halted", "x");
        assert!(faults(vec![ept(), run("wp", "halted", "x")]).is_empty());
        assert!(faults(vec![ept(), run("wp", "halted", "y")])[0].contains("wp"));
        assert!(faults(vec![ept(), run("wp", "timeout", "x")])[0].contains("a sentence"));
    }
}
