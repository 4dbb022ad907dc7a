// SPDX-License-Identifier: GPL-2.0

//! What there was in some time: all of it at the end; on a key what there was since the last one.

use std::time::{
    Duration,
    Instant, //
};

use minivmx::{
    Mmu,
    Stats, //
};
use serde_json::Value;

use super::{
    kvm::Counters,
    meter::Ticks, //
};
use crate::{
    counts,
    lines, //
};

/// What a driver counted for a guest.
#[derive(Clone)]
pub enum Counts {
    Minivmx(Box<Stats>, Mmu),
    Kvm(Counters),
}

impl Counts {
    /// What was counted since `before`, of the same guest.
    fn since(&self, before: &Counts) -> Counts {
        match (self, before) {
            (Self::Minivmx(now, mmu), Self::Minivmx(before, _)) => {
                Self::Minivmx(Box::new(now.since(before)), *mmu)
            }
            (Self::Kvm(now), Self::Kvm(before)) => Self::Kvm(now.since(before)),
            _ => self.clone(),
        }
    }

    fn text(&self, time: Duration) -> String {
        match self {
            Self::Minivmx(stats, mmu) => counts::Table {
                stats,
                mmu: *mmu,
                time: Some(time),
            }
            .to_string(),
            Self::Kvm(counters) => counters.text(),
        }
    }

    /// As programs have it.
    pub fn json(&self) -> Value {
        match self {
            Self::Minivmx(stats, mmu) => counts::json(stats, *mmu),
            Self::Kvm(counters) => counters.json(),
        }
    }
}

/// What there was at a moment.
#[derive(Clone)]
pub struct Look {
    at: Instant,
    counts: Counts,
    ticks: Ticks,
}

/// What there was in some time.
pub struct Period {
    pub time: Duration,
    pub counts: Counts,
    pub ticks: Ticks,
}

impl Look {
    /// Now.
    pub fn new(counts: Counts, ticks: Ticks) -> Self {
        Self {
            at: Instant::now(),
            counts,
            ticks,
        }
    }

    pub fn since(&self, before: &Look) -> Period {
        Period {
            time: self.at.saturating_duration_since(before.at),
            counts: self.counts.since(&before.counts),
            ticks: self.ticks.since(&before.ticks),
        }
    }

    /// Shows what there was since `before`, which is this one then.
    pub fn show(self, before: &mut Look) {
        let period = self.since(before);
        let seconds = period.time.as_secs_f64();
        eprintln!("\nin {seconds:.1} s:\n{}", period.text());
        *before = self;
    }
}

impl Period {
    pub fn text(&self) -> String {
        let ticks = format!("ticks of its CPUs: {}", self.ticks);
        let counts = self.counts.text(self.time);
        format!("{counts}\n{}", lines::broken_after(", ", &ticks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minivmx::uapi::minivmx_stats;

    /// After so many exits for HLT, in a VM with 5 pages.
    fn look(at: Instant, exits: u64) -> Look {
        let mut raw = minivmx_stats {
            out_pages: 5,
            ..Default::default()
        };
        raw.out_exits[12] = exits;
        let ticks = Ticks {
            in_run: 10 * exits,
            ..Default::default()
        };
        Look {
            at,
            counts: Counts::Minivmx(Box::new(raw.into()), Mmu::Ept),
            ticks,
        }
    }

    #[test]
    fn a_period_is_what_came_since() {
        let at = Instant::now();
        let before = look(at, 100);
        let period = look(at + Duration::from_secs(4), 110).since(&before);
        let text = period.text();
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        assert_eq!(lines[1], "10         2.5  HLT (12)");
        assert!(text.contains("\npages 5,"), "{text}");
        assert!(text.ends_with("\nticks of its CPUs: in RUN 100, in the program 0, waiting 0"));
    }

    #[test]
    fn the_next_period_begins_where_one_was_shown() {
        let at = Instant::now();
        let mut before = look(at, 1);
        look(at, 3).show(&mut before);
        let period = look(at, 7).since(&before);
        assert_eq!(period.counts.json()["exits"][0]["count"], 4);
    }
}
