// SPDX-License-Identifier: GPL-2.0

//! What a run came to, for people and for programs.

use std::fmt;

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
pub struct Table<'a>(pub &'a Stats, pub Mmu);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exits = self.0.exits();
        writeln!(f, "{:>12}  exit reason", "exits")?;
        for (reason, count) in &exits {
            writeln!(f, "{count:>12}  {reason} ({})", reason.0)?;
        }
        let total: u64 = exits.iter().map(|(_, count)| count).sum();
        writeln!(f, "{total:>12}  in all")?;
        f.write_str(&lines::broken_after(", ", &line(&self.0.counters())))?;
        if self.1.is_shadow() {
            write!(
                f,
                "\n{}",
                lines::broken_after(", ", &line(&self.0.shadow_counters()))
            )?;
        }
        Ok(())
    }
}

/// What the guest wrote to ports without a device, and should not be looked for in vain.
pub fn lost(ports: impl Iterator<Item = u16>) -> Option<String> {
    let ports: Vec<_> = ports.map(|port| format!("{port:#x}")).collect();
    (!ports.is_empty()).then(|| {
        lines::broken(&format!(
            "what the guest wrote to these ports is lost, as no device is there: {} \
             (the serial port is 0x3f8, the debug port 0x402)",
            ports.join(", ")
        ))
    })
}

fn line(counters: &[(&str, u64)]) -> String {
    let texts = counters
        .iter()
        .map(|(name, value)| format!("{} {value}", name.replace('_', " ")));
    texts.collect::<Vec<_>>().join(", ")
}

/// Counters of a VM as JSON; those of shadow paging where it has it.
pub fn json(stats: &Stats, mmu: Mmu) -> Value {
    let exits: Vec<_> = stats
        .exits()
        .into_iter()
        .map(|(reason, count)| json!({"reason": reason.0, "name": reason.to_string(), "count": count}))
        .collect();
    let shadow = stats
        .shadow_counters()
        .into_iter()
        .filter(|_| mmu.is_shadow());
    let counters = stats.counters().into_iter().chain(shadow);
    let members = counters.map(|(name, value)| (name.to_owned(), value.into()));
    let mut object: serde_json::Map<_, _> = members.collect();
    object.insert("mmu".into(), mmu.name().into());
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
            out_shadow_misses: 17,
            ..Default::default()
        };
        raw.out_exits[12] = 1;
        raw.out_exits[30] = 3;
        Stats::from(raw)
    }

    #[test]
    fn the_table_has_the_most_frequent_first() {
        let table = Table(&stats(), Mmu::Ept).to_string();
        let lines: Vec<_> = table.lines().map(str::trim).collect();
        assert_eq!(lines[1], "3  I/O instruction (30)");
        assert_eq!(lines[2], "1  HLT (12)");
        assert_eq!(lines[3], "4  in all");
        assert!(lines[4].starts_with("runs 4, bursts 0,"), "{}", lines[4]);
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
        let table = |mmu| Table(&stats(), mmu).to_string();
        assert!(!table(Mmu::Ept).contains("shadow"));
        assert!(table(Mmu::Wp).ends_with(
            "\nguest faults 0, shadow misses 17, table writes 0, syncs 0, reclaims 0,\nshadow tables 0"
        ));
        assert!(json(&stats(), Mmu::Ept).get("shadow_misses").is_none());
        assert_eq!(json(&stats(), Mmu::Wp)["shadow_misses"], 17);
    }
}
