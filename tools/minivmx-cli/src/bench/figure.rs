// SPDX-License-Identifier: GPL-2.0

//! Figures, as a table to read and as JSON to keep.

use std::fmt;

use minivmx::Mmu;
use serde::{
    Deserialize,
    Serialize, //
};

use super::event::Event;
use crate::host::Counter;

/// What an event takes, as `bench.json` has it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Figure {
    /// Name of the event.
    pub event: String,
    /// `minivmx` or `kvm`.
    pub subject: String,
    /// How guest-physical memory is translated.
    pub mmu: String,
    /// Ticks of the time-stamp counter per event.
    pub ticks: u64,
    /// What they are.
    pub counter: Counter,
    /// CPUs of the machine.
    pub cpus: usize,
    /// The CPU's own name.
    pub model: String,
}

/// Figures of several events, a column for each subject and MMU, with the budgets where they are of
/// the kind that those are.
pub struct Table<'a> {
    pub events: &'a [Event],
    pub figures: &'a [Figure],
}

impl Table<'_> {
    /// Subjects and MMUs, each pair once.
    fn columns(&self) -> Vec<(&str, &str)> {
        let mut columns = Vec::new();
        for figure in self.figures {
            let column = (figure.subject.as_str(), figure.mmu.as_str());
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        columns
    }

    fn ticks(&self, event: Event, (subject, mmu): (&str, &str)) -> Option<u64> {
        let figure = self.figures.iter().find(|figure| {
            (figure.event.as_str(), figure.subject.as_str()) == (event.name(), subject)
                && figure.mmu == mmu
        });
        figure.map(|figure| figure.ticks)
    }

    /// The figure that counts: that of the best policy for events of shadow paging, and that of EPT
    /// for others, where the CPU has it.
    fn counting(&self, event: Event, subject: &str) -> Option<u64> {
        let ept = Mmu::Ept.name();
        let shadow = || {
            let columns = self.columns().into_iter();
            let shadows = columns.filter(|(other, mmu)| *other == subject && *mmu != ept);
            shadows.filter_map(|column| self.ticks(event, column)).min()
        };
        match event.is_for_shadow() {
            true => shadow(),
            false => self.ticks(event, (subject, ept)).or_else(shadow),
        }
    }

    /// Budgets are instructions of one CPU.
    fn has_budgets(&self) -> bool {
        let is_of_that_kind = |one: &Figure| one.counter == Counter::Instructions && one.cpus == 1;
        self.figures.iter().all(is_of_that_kind)
    }

    fn head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.columns();
        write!(f, "{:<19}", "")?;
        for (subject, _) in &columns {
            write!(f, "{subject:>8}")?;
        }
        write!(f, "\n{:<19}", "event")?;
        for (_, mmu) in &columns {
            write!(f, "{mmu:>8}")?;
        }
        let budget = if self.has_budgets() { "  budget" } else { "" };
        writeln!(f, "{:>7}{budget}", "ratio")
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        for event in self.events {
            write!(f, "{:<19}", event.name())?;
            for column in self.columns() {
                let ticks = self.ticks(*event, column);
                write!(
                    f,
                    "{:>8}",
                    ticks.map_or("-".into(), |ticks| ticks.to_string())
                )?;
            }
            let ours = self.counting(*event, "minivmx");
            let kvm = self.counting(*event, "kvm");
            let ratio = ours.zip(kvm).map(|(ours, kvm)| ours as f64 / kvm as f64);
            let ratio = ratio.map_or("-".into(), |ratio| format!("{ratio:.2}"));
            write!(f, "{ratio:>7}")?;
            if self.has_budgets() {
                let over = ours.is_some_and(|ours| ours > event.budget());
                let mark = if over { " over" } else { "" };
                write!(f, "{:>8}{mark}", event.budget())?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// What such figures mean, to stand beside the table.
pub fn meaning(counter: Counter) -> &'static str {
    match counter {
        Counter::Cycles => CYCLES,
        Counter::Instructions => INSTRUCTIONS,
    }
}

const CYCLES: &str = "\
Cycles of the time-stamp counter per event, from one system call to the next or in a loop of
the guest, as the median of several loops. Ratio is minivmx to kvm: by EPT, or in events of
shadow paging by the policy that is best there. The counter runs at the same rate whatever the
core's frequency is, and what else runs on the machine is in the figures.";

const INSTRUCTIONS: &str = "\
Ticks of the time-stamp counter per event, from one system call to the next or in a loop of
the guest, as the median of several loops. Ratio is minivmx to kvm, and the budget is for
minivmx: by EPT, or in events of shadow paging by the policy that is best there. In the
emulator (Bochs without synchronisation) the counter counts executed instructions: with one
CPU a tick is about one instruction, with several CPUs they share it. So a figure is the
software's own work. It holds no cache misses and no latency of VM transitions, and is no
number of cycles of a real chip. Budgets are for the emulated Haswell with one CPU.";

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(event: Event, subject: &str, mmu: &str, ticks: u64) -> Figure {
        Figure {
            event: event.name().into(),
            subject: subject.into(),
            mmu: mmu.into(),
            ticks,
            counter: Counter::Instructions,
            cpus: 1,
            model: "m".into(),
        }
    }

    fn rows(figures: &[Figure]) -> Vec<Vec<String>> {
        let events = [Event::RunHlt, Event::Cpuid, Event::ShadowFill];
        let table = Table {
            events: &events,
            figures,
        };
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
        table.to_string().lines().skip(1).map(words).collect()
    }

    #[test]
    fn a_row_has_all_figures_their_ratio_and_the_budget() {
        let rows = rows(&[
            figure(Event::RunHlt, "minivmx", "ept", 960),
            figure(Event::RunHlt, "kvm", "ept", 2400),
            figure(Event::Cpuid, "minivmx", "ept", 120),
        ]);
        assert_eq!(rows[0], ["event", "ept", "ept", "ratio", "budget"]);
        assert_eq!(rows[1], ["run_hlt", "960", "2400", "0.40", "950", "over"]);
        assert_eq!(rows[2], ["cpuid", "120", "-", "-", "130"]);
    }

    #[test]
    fn budgets_are_for_instructions_of_one_cpu() {
        let good = figure(Event::RunHlt, "minivmx", "ept", 9600);
        let cycles = Figure {
            counter: Counter::Cycles,
            ..good.clone()
        };
        let shared = Figure { cpus: 2, ..good };
        for other in [cycles, shared] {
            let rows = rows(&[other]);
            assert_eq!(rows[0], ["event", "ept", "ratio"]);
            assert_eq!(rows[1], ["run_hlt", "9600", "-"]);
        }
    }

    #[test]
    fn the_best_policy_counts_in_events_of_shadow_paging() {
        let rows = rows(&[
            figure(Event::ShadowFill, "minivmx", "ept", 5),
            figure(Event::ShadowFill, "minivmx", "vtlb", 800),
            figure(Event::ShadowFill, "minivmx", "wp", 2000),
            figure(Event::RunHlt, "minivmx", "wp", 940),
            figure(Event::ShadowFill, "kvm", "ept", 3),
            figure(Event::ShadowFill, "kvm", "shadow", 1600),
        ]);
        let fill = [
            "shadow_fill",
            "5",
            "800",
            "2000",
            "3",
            "1600",
            "0.50",
            "900",
        ];
        assert_eq!(rows[3], fill);
        let halt = ["run_hlt", "-", "-", "940", "-", "-", "-", "950"];
        assert_eq!(
            rows[1], halt,
            "there is no EPT: the best of the others counts"
        );
    }

    #[test]
    fn the_table_is_narrow() {
        let mmus = Mmu::ALL.iter().map(|mmu| ("minivmx", mmu.name()));
        let columns = mmus.chain([("kvm", "ept"), ("kvm", "shadow")]);
        let figures: Vec<_> = columns
            .map(|(subject, mmu)| figure(Event::ShadowCr3Switch, subject, mmu, 1_234_567))
            .collect();
        let events = [Event::ShadowCr3Switch];
        let table = Table {
            events: &events,
            figures: &figures,
        };
        assert!(table.to_string().lines().all(|line| line.len() <= 100));
    }

    #[test]
    fn json_has_the_members_that_readers_expect() {
        let value =
            serde_json::to_value([figure(Event::Vmcall, "kvm", "ept", 1276)]).expect("it is plain");
        assert_eq!(
            value,
            serde_json::json!([{
                "event": "vmcall", "subject": "kvm", "mmu": "ept", "ticks": 1276,
                "counter": "instructions", "cpus": 1, "model": "m",
            }])
        );
    }
}
