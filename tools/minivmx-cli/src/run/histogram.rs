// SPDX-License-Identifier: GPL-2.0

//! `minivmx run --histogram`: the instructions that exit most often.

use std::{
    cmp::Reverse,
    collections::HashMap,
    fmt, //
};

use minivmx::Reason;
use serde_json::{
    json,
    Value, //
};

use super::{
    machine::Machine,
    trace, //
};
use crate::guest::code;

/// How many are shown.
const SHOWN: usize = 10;

/// Exits by linear address and reason.
#[derive(Debug, Default)]
pub struct Histogram(HashMap<(u64, Reason), Exits>);

/// Those of one instruction.
#[derive(Debug)]
struct Exits {
    count: u64,
    /// The instruction, as it was at the first.
    text: String,
}

impl Histogram {
    /// Counts the exit that was reported last.
    pub fn count(&mut self, machine: &Machine) -> minivmx::Result<()> {
        let sregs = machine.vcpu.sregs()?;
        let regs = trace::regs_at_exit(&machine.vcpu);
        let place = sregs.cs.base.wrapping_add(regs.rip);
        let reason = machine.vcpu.exit_information().reason();
        self.add(place, reason, || {
            code::at_rip(machine.memory.view(), &sregs, &regs)
        });
        Ok(())
    }

    fn add(&mut self, place: u64, reason: Reason, text: impl FnOnce() -> String) {
        let exits = self.0.entry((place, reason)).or_insert_with(|| Exits {
            count: 0,
            text: text(),
        });
        exits.count += 1;
    }

    /// The most frequent first.
    fn hottest(&self) -> Vec<(u64, Reason, &Exits)> {
        let all = self.0.iter();
        let mut all: Vec<_> = all
            .map(|((place, reason), exits)| (*place, *reason, exits))
            .collect();
        all.sort_by_key(|(place, reason, exits)| (Reverse(exits.count), *place, *reason));
        all.truncate(SHOWN);
        all
    }

    /// The same as JSON.
    pub fn json(&self) -> Value {
        let one = |(place, reason, exits): (u64, Reason, &Exits)| {
            json!({
                "address": place,
                "reason": reason.0,
                "name": reason.to_string(),
                "instruction": exits.text,
                "count": exits.count,
            })
        };
        self.hottest().into_iter().map(one).collect()
    }
}

impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>12}  at", "exits")?;
        for (place, reason, exits) in self.hottest() {
            let (count, text) = (exits.count, &exits.text);
            write!(f, "\n{count:>12}  {place:#012x}  {reason:<24}  {text}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ten_hottest_are_shown() {
        let mut histogram = Histogram::default();
        for place in 0..20 {
            for _ in 0..=place {
                histogram.add(place, Reason::CPUID, || "cpuid".into());
            }
        }
        histogram.add(19, Reason::HLT, || "hlt".into());
        let text = histogram.to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 1 + SHOWN);
        assert_eq!(
            lines[1],
            "          20  0x0000000013  CPUID                     cpuid"
        );
        assert_eq!(histogram.json()[1]["count"], 19);
    }
}
