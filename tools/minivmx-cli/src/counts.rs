// SPDX-License-Identifier: GPL-2.0

//! What a VM counted, for people and for programs.

use std::{
    fmt,
    time::Duration, //
};

use minivmx::{
    Mmu,
    Stats, //
};
use serde_json::{
    json,
    Value, //
};

use crate::lines;

/// Counters of a VM as a table; those of shadow paging where it has it.
pub struct Table<'a> {
    pub stats: &'a Stats,
    pub mmu: Mmu,
    /// In which that was counted, if it is known: then the table says how often exits came, too.
    pub time: Option<Duration>,
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stats, mmu, time } = *self;
        f.write_str(&exits(stats, time))?;
        let mut said = vec![
            line(&stats.counters()),
            format!("page faults: {}", line(&stats.page_faults(mmu))),
        ];
        if mmu.is_shadow() {
            said.push(line(&stats.shadow_counters()));
        }
        let said = said.iter().map(|line| lines::broken_after(", ", line));
        f.write_str(&said.collect::<Vec<_>>().join("\n"))
    }
}

/// What a vCPU counted, which has no memory of its own, as a table.
pub fn of_vcpu(stats: &Stats, time: Option<Duration>) -> String {
    let own = lines::broken_after(", ", &line(&stats.vcpu_counters()));
    exits(stats, time) + &own
}

fn exits(stats: &Stats, time: Option<Duration>) -> String {
    let exits = stats.exits();
    let heading = time.map_or("", |_| "  per second");
    let mut text = format!("{:>12}{heading}  exit reason\n", "exits");
    for (reason, count) in &exits {
        let rate = rate(*count, time);
        text += &format!("{count:>12}{rate}  {reason} ({})\n", reason.0);
    }
    let total: u64 = exits.iter().map(|(_, count)| count).sum();
    text + &format!("{total:>12}{}  in all\n", rate(total, time))
}

/// A column of how many there were in a second.
fn rate(count: u64, time: Option<Duration>) -> String {
    time.map_or(String::new(), |time| {
        // CAST: Rounds counts that no VM comes to.
        let rate = count as f64 / time.as_secs_f64().max(f64::MIN_POSITIVE);
        format!("  {rate:>10.1}")
    })
}

/// Names and numbers in a sentence.
fn line(counters: &[(&str, u64)]) -> String {
    let texts = counters
        .iter()
        .map(|(name, value)| format!("{} {value}", words(name)));
    texts.collect::<Vec<_>>().join(", ")
}

/// A name of the interface in words.
fn words(name: &str) -> String {
    name.replace('_', " ").replace("ept", "EPT")
}

/// Counters of a VM as JSON; those of shadow paging where it has it.
pub fn json(stats: &Stats, mmu: Mmu) -> Value {
    let shadow = stats
        .shadow_counters()
        .into_iter()
        .filter(|_| mmu.is_shadow());
    let page_faults = stats.page_faults(mmu);
    let counters = stats.counters().into_iter().chain(page_faults);
    let mut object = object(stats, counters.chain(shadow));
    object.insert("mmu".into(), mmu.name().into());
    object.into()
}

/// Counters of a vCPU as JSON, with its number.
pub fn json_of_vcpu(stats: &Stats, number: u32) -> Value {
    let mut object = object(stats, stats.vcpu_counters().into_iter());
    object.insert("vcpu".into(), number.into());
    object.into()
}

fn object(
    stats: &Stats,
    counters: impl Iterator<Item = (&'static str, u64)>,
) -> serde_json::Map<String, Value> {
    let exits: Vec<_> = stats
        .exits()
        .into_iter()
        .map(|(reason, count)| json!({"reason": reason.0, "name": reason.to_string(), "count": count}))
        .collect();
    let members = counters.map(|(name, value)| (name.to_owned(), value.into()));
    let mut object: serde_json::Map<_, _> = members.collect();
    object.insert("exits".into(), exits.into());
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use minivmx::uapi::minivmx_stats;

    fn stats() -> Stats {
        let mut raw = minivmx_stats {
            out_runs: 4,
            out_shadow_misses: 17,
            ..Default::default()
        };
        raw.out_exits[12] = 1;
        raw.out_exits[30] = 3;
        Stats::from(raw)
    }

    fn table(mmu: Mmu, time: Option<Duration>) -> String {
        let stats = &stats();
        Table { stats, mmu, time }.to_string()
    }

    #[test]
    fn the_table_has_the_most_frequent_first() {
        let table = table(Mmu::Ept, None);
        let lines: Vec<_> = table.lines().map(str::trim).collect();
        assert_eq!(lines[1], "3  I/O instruction (30)");
        assert_eq!(lines[2], "1  HLT (12)");
        assert_eq!(lines[3], "4  in all");
        assert!(lines[4].starts_with("runs 4, bursts 0,"), "{}", lines[4]);
    }

    #[test]
    fn in_a_known_time_it_says_how_often_exits_came() {
        let table = table(Mmu::Ept, Some(Duration::from_millis(500)));
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines[0], "       exits  per second  exit reason");
        assert_eq!(lines[1], "           3         6.0  I/O instruction (30)");
        assert_eq!(lines[2], "           1         2.0  HLT (12)");
        assert_eq!(lines[3], "           4         8.0  in all");
    }

    #[test]
    fn json_has_the_same() {
        let value = json(&stats(), Mmu::Ept);
        assert_eq!(value["runs"], 4);
        assert_eq!(value["exits"][0]["name"], "I/O instruction");
        assert_eq!(value["exits"][1]["count"], 1);
        assert_eq!(value["mmu"], "ept");
    }

    #[test]
    fn counters_of_shadow_paging_are_for_vms_that_have_it() {
        let table = |mmu| table(mmu, None);
        assert!(!table(Mmu::Ept).contains("shadow"));
        assert!(table(Mmu::Ept).ends_with("\npage faults: EPT fills 0, allocations 0, absences 0"));
        assert!(table(Mmu::Wp).ends_with(
            "\npage faults: guest faults 0, shadow misses 17, table writes 0,\nsupervisor writes 0, \
             allocations 0, absences 0\nsyncs 0, reclaims 0, shadow tables 0"
        ));
        assert!(json(&stats(), Mmu::Ept).get("shadow_misses").is_none());
        assert_eq!(json(&stats(), Mmu::Ept)["ept_fills"], 0);
        assert_eq!(json(&stats(), Mmu::Wp)["shadow_misses"], 17);
    }
}
