// SPDX-License-Identifier: GPL-2.0

//! Figures, as a table to read and as JSON to keep.

use std::fmt;

use serde::Serialize;

use super::event::Event;

/// What an event takes, as `bench.json` has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// Name of the event.
    pub event: &'static str,
    /// `minivmx` or `kvm`.
    pub subject: &'static str,
    /// How guest-physical memory is translated.
    pub mmu: &'static str,
    /// Ticks of the time-stamp counter per event.
    pub ticks: u64,
    /// CPUs of the machine.
    pub cpus: usize,
    /// The CPU's own name.
    pub model: String,
}

/// Figures side by side.
pub struct Table<'a> {
    /// The events, one a row.
    pub events: &'a [Event],
    /// The figures that there are.
    pub figures: &'a [Figure],
}

impl Table<'_> {
    fn ticks(&self, event: Event, subject: &str) -> Option<u64> {
        let is_it = |figure: &&Figure| figure.event == event.name() && figure.subject == subject;
        self.figures.iter().find(is_it).map(|figure| figure.ticks)
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [event, minivmx, kvm, ratio, budget] = ["event", "minivmx", "kvm", "ratio", "budget"];
        writeln!(f, "{event:<16}{minivmx:>10}{kvm:>10}{ratio:>8}{budget:>9}")?;
        for event in self.events {
            let (ours, kvm) = (self.ticks(*event, "minivmx"), self.ticks(*event, "kvm"));
            let ratio = ours.zip(kvm).map(|(ours, kvm)| ours as f64 / kvm as f64);
            let over = ours.is_some_and(|ours| ours > event.budget());
            writeln!(
                f,
                "{:<16}{:>10}{:>10}{:>8}{:>9}{}",
                event.name(),
                cell(ours),
                cell(kvm),
                ratio.map_or("-".into(), |ratio| format!("{ratio:.2}")),
                event.budget(),
                if over { "  over" } else { "" },
            )?;
        }
        Ok(())
    }
}

fn cell(ticks: Option<u64>) -> String {
    ticks.map_or("-".into(), |ticks| ticks.to_string())
}

/// What such a figure means, to stand beside the table.
pub const MEANING: &str = "\
Ticks of the time-stamp counter per event, from one system call to the next or in a loop of
the guest, as the median of several loops; ratio is minivmx to kvm. In the emulator (Bochs
without synchronisation) the counter counts executed instructions: with one CPU a tick is
about one instruction, with several CPUs they share it. So a figure is the software's own
work. It holds no cache misses and no latency of VM transitions, and is no number of cycles
of a real chip. Budgets are for the emulated Haswell with one CPU.";

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(event: Event, subject: &'static str, ticks: u64) -> Figure {
        Figure {
            event: event.name(),
            subject,
            mmu: "ept",
            ticks,
            cpus: 1,
            model: "m".into(),
        }
    }

    #[test]
    fn a_row_has_both_figures_their_ratio_and_the_budget() {
        let figures = [
            figure(Event::RunHlt, "minivmx", 960),
            figure(Event::RunHlt, "kvm", 2400),
            figure(Event::Cpuid, "minivmx", 120),
        ];
        let events = [Event::RunHlt, Event::Cpuid];
        let table = Table {
            events: &events,
            figures: &figures,
        };
        let text = table.to_string();
        let words: Vec<Vec<_>> = text
            .lines()
            .map(|l| l.split_whitespace().collect())
            .collect();
        assert_eq!(words[1], ["run_hlt", "960", "2400", "0.40", "950", "over"]);
        assert_eq!(words[2], ["cpuid", "120", "-", "-", "130"]);
    }

    #[test]
    fn json_has_the_members_that_readers_expect() {
        let value =
            serde_json::to_value([figure(Event::Vmcall, "kvm", 1276)]).expect("it is plain");
        assert_eq!(
            value,
            serde_json::json!([{
                "event": "vmcall", "subject": "kvm", "mmu": "ept", "ticks": 1276,
                "cpus": 1, "model": "m",
            }])
        );
    }
}
