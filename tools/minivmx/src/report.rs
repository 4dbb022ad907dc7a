// SPDX-License-Identifier: GPL-2.0

//! What a run came to, for people and for programs.

use std::fmt;

use minivmx::Stats;
use serde_json::{
    json,
    Value, //
};

/// Counters of a VM as a table.
pub struct Table<'a>(pub &'a Stats);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exits = self.0.exits();
        writeln!(f, "{:>12}  exit reason", "exits")?;
        for (reason, count) in &exits {
            writeln!(f, "{count:>12}  {reason} ({})", reason.0)?;
        }
        let total: u64 = exits.iter().map(|(_, count)| count).sum();
        writeln!(f, "{total:>12}  in all")?;
        let counters = self
            .0
            .counters()
            .map(|(name, value)| format!("{name} {value}"));
        write!(f, "{}", counters.join(", "))
    }
}

/// Counters of a VM as JSON.
pub fn json(stats: &Stats) -> Value {
    let exits: Vec<_> = stats
        .exits()
        .into_iter()
        .map(|(reason, count)| json!({"reason": reason.0, "name": reason.to_string(), "count": count}))
        .collect();
    let counters = stats
        .counters()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()));
    let mut object: serde_json::Map<_, _> = counters.collect();
    object.insert("exits".into(), exits.into());
    object.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use minivmx::uapi::minivmx_stats;

    fn stats() -> Stats {
        let mut raw = minivmx_stats {
            out_runs: 4,
            ..Default::default()
        };
        raw.out_exits[12] = 1;
        raw.out_exits[30] = 3;
        Stats::from(raw)
    }

    #[test]
    fn the_table_has_the_most_frequent_first() {
        let table = Table(&stats()).to_string();
        let lines: Vec<_> = table.lines().map(str::trim).collect();
        assert_eq!(lines[1], "3  I/O instruction (30)");
        assert_eq!(lines[2], "1  HLT (12)");
        assert_eq!(lines[3], "4  in all");
        assert!(lines[4].starts_with("runs 4, bursts 0,"), "{}", lines[4]);
    }

    #[test]
    fn json_has_the_same() {
        let value = json(&stats());
        assert_eq!(value["runs"], 4);
        assert_eq!(value["exits"][0]["name"], "I/O instruction");
        assert_eq!(value["exits"][1]["count"], 1);
    }
}
