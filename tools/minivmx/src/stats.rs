// SPDX-License-Identifier: GPL-2.0

//! What the driver counts for a VM.

use crate::{
    ioctl::Argument,
    mmu::Mmu,
    reason::Reason,
    uapi, //
};

/// What a VM did, and what it takes; `uapi/minivmx.h` has the meaning of each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stats(uapi::minivmx_stats);

impl Stats {
    /// VM exits by reason, the most frequent first, without those that never happened.
    pub fn exits(&self) -> Vec<(Reason, u64)> {
        let mut exits: Vec<_> = (0..)
            .map(Reason)
            .zip(self.0.out_exits)
            .filter(|(_, count)| *count != 0)
            .collect();
        exits.sort_by_key(|(reason, count)| (std::cmp::Reverse(*count), *reason));
        exits
    }

    /// How often exits with this reason happened.
    pub fn exits_for(&self, reason: Reason) -> u64 {
        let count = self.0.out_exits.get(reason.0 as usize);
        count.copied().unwrap_or_default()
    }

    /// What was counted since `before`; what says how much there is stays as it is.
    pub fn since(&self, before: &Stats) -> Stats {
        let (mut now, mut before) = (self.0, before.0);
        for ((_, now), (_, before)) in counts(&mut now).into_iter().zip(counts(&mut before)) {
            *now = now.saturating_sub(*before);
        }
        for (now, before) in now.out_exits.iter_mut().zip(before.out_exits) {
            *now = now.saturating_sub(before);
        }
        Stats(now)
    }

    /// What `/proc/PID/fdinfo` has for the file of a VM or of a vCPU, also while it runs: a line
    /// for each number, with its name as in `uapi/minivmx.h` without `out_`. Lines of other names
    /// are passed over.
    pub fn from_fdinfo(text: &str) -> Stats {
        let mut stats = uapi::minivmx_stats::sized();
        for (name, value) in text.lines().filter_map(|line| line.split_once(":\t")) {
            if let (Some(member), Ok(value)) = (member(&mut stats, name), value.parse()) {
                *member = value;
            }
        }
        Stats(stats)
    }

    /// Page faults that were the guest's own; 0 under EPT, where they do not exit.
    pub fn guest_faults(&self) -> u64 {
        self.0.out_guest_faults
    }

    /// Page faults that were answered by a shadow entry.
    pub fn shadow_misses(&self) -> u64 {
        self.0.out_shadow_misses
    }

    /// Writes to a guest page table that were trapped.
    pub fn table_writes(&self) -> u64 {
        self.0.out_table_writes
    }

    /// Shadow entries that were found to differ from the guest's.
    pub fn syncs(&self) -> u64 {
        self.0.out_syncs
    }

    /// Shadow tables that were dropped for want of room.
    pub fn reclaims(&self) -> u64 {
        self.0.out_reclaims
    }

    /// Pages that page tables for the guest take: EPT, or shadows.
    pub fn tables(&self) -> u64 {
        self.0.out_tables
    }

    /// Tables that shadow guest tables at present.
    pub fn shadow_tables(&self) -> u64 {
        self.0.out_shadow_tables
    }

    /// What shadow paging counts besides its page faults, with names as in `uapi/minivmx.h` without
    /// `out_`.
    pub fn shadow_counters(&self) -> [(&'static str, u64); 3] {
        [
            ("syncs", self.0.out_syncs),
            ("reclaims", self.0.out_reclaims),
            ("shadow_tables", self.0.out_shadow_tables),
        ]
    }

    /// Page faults by what they were, those that a VM with this MMU can have; under EPT they are
    /// EPT violations.
    pub fn page_faults(&self, mmu: Mmu) -> Vec<(&'static str, u64)> {
        let own: &[_] = match mmu.is_shadow() {
            true => &[
                ("guest_faults", self.0.out_guest_faults),
                ("shadow_misses", self.0.out_shadow_misses),
                ("table_writes", self.0.out_table_writes),
                ("supervisor_writes", self.0.out_supervisor_writes),
            ],
            false => &[("ept_fills", self.0.out_ept_fills)],
        };
        let of_all = [
            ("allocations", self.0.out_allocations),
            ("absences", self.0.out_absences),
        ];
        [own, &of_all].concat()
    }

    /// The counters of every VM, with their names as in `uapi/minivmx.h` without `out_`.
    pub fn counters(&self) -> [(&'static str, u64); 9] {
        let [runs, bursts, entries, returns, injections, flushes, kicks] = self.vcpu_counters();
        let (pages, tables) = (("pages", self.0.out_pages), ("tables", self.0.out_tables));
        [
            runs, bursts, entries, returns, injections, flushes, kicks, pages, tables,
        ]
    }

    /// Those of them that a vCPU has by itself.
    pub fn vcpu_counters(&self) -> [(&'static str, u64); 7] {
        [
            ("runs", self.0.out_runs),
            ("bursts", self.0.out_bursts),
            ("entries", self.0.out_entries),
            ("returns", self.0.out_returns),
            ("injections", self.0.out_injections),
            ("flushes", self.0.out_flushes),
            ("kicks", self.0.out_kicks),
        ]
    }
}

/// What only grows, but exits by reason.
fn counts(stats: &mut uapi::minivmx_stats) -> [(&'static str, &mut u64); 16] {
    [
        ("runs", &mut stats.out_runs),
        ("bursts", &mut stats.out_bursts),
        ("entries", &mut stats.out_entries),
        ("returns", &mut stats.out_returns),
        ("injections", &mut stats.out_injections),
        ("flushes", &mut stats.out_flushes),
        ("kicks", &mut stats.out_kicks),
        ("guest_faults", &mut stats.out_guest_faults),
        ("shadow_misses", &mut stats.out_shadow_misses),
        ("table_writes", &mut stats.out_table_writes),
        ("syncs", &mut stats.out_syncs),
        ("reclaims", &mut stats.out_reclaims),
        ("supervisor_writes", &mut stats.out_supervisor_writes),
        ("ept_fills", &mut stats.out_ept_fills),
        ("allocations", &mut stats.out_allocations),
        ("absences", &mut stats.out_absences),
    ]
}

/// A number by its name.
fn member<'a>(stats: &'a mut uapi::minivmx_stats, name: &str) -> Option<&'a mut u64> {
    match name {
        "pages" => Some(&mut stats.out_pages),
        "tables" => Some(&mut stats.out_tables),
        "shadow_tables" => Some(&mut stats.out_shadow_tables),
        _ => match name.strip_prefix("exits[") {
            Some(rest) => {
                let reason: usize = rest.strip_suffix(']')?.parse().ok()?;
                stats.out_exits.get_mut(reason)
            }
            None => {
                let mut counts = counts(stats).into_iter();
                counts
                    .find(|(other, _)| *other == name)
                    .map(|(_, count)| count)
            }
        },
    }
}

impl From<uapi::minivmx_stats> for Stats {
    fn from(stats: uapi::minivmx_stats) -> Self {
        Self(stats)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_are_sorted_by_count() {
        let mut raw = uapi::minivmx_stats::sized();
        raw.out_exits[10] = 5;
        raw.out_exits[30] = 70;
        raw.out_exits[12] = 5;
        assert_eq!(
            Stats(raw).exits(),
            [
                (Reason::IO_INSTRUCTION, 70),
                (Reason::CPUID, 5),
                (Reason::HLT, 5)
            ]
        );
    }

    #[test]
    fn a_difference_is_of_counts_and_not_of_amounts() {
        let mut before = uapi::minivmx_stats::sized();
        (before.out_runs, before.out_pages, before.out_exits[10]) = (3, 64, 5);
        (before.out_table_writes, before.out_shadow_tables) = (7, 9);
        let mut after = before;
        (after.out_runs, after.out_pages, after.out_exits[10]) = (4, 65, 8);
        (after.out_table_writes, after.out_shadow_tables) = (19, 11);
        let difference = Stats(after).since(&Stats(before));
        assert_eq!(difference.exits(), [(Reason::CPUID, 3)]);
        assert_eq!(difference.exits_for(Reason::MEMORY), 0);
        assert_eq!(difference.table_writes(), 12);
        assert_eq!(difference.shadow_tables(), 11);
        assert_eq!((difference.0.out_runs, difference.0.out_pages), (1, 65));
    }

    #[test]
    fn text_has_what_a_call_has() {
        let text = "pos:\t0\nmmu:\tept\nruns:\t3\ntables:\t7\nabsences:\t2\nexits[10]:\t5\nexits[99]:\t1\nlater:\t4\n";
        let mut raw = uapi::minivmx_stats::sized();
        (raw.out_runs, raw.out_tables, raw.out_absences) = (3, 7, 2);
        raw.out_exits[10] = 5;
        assert_eq!(Stats::from_fdinfo(text), Stats(raw));
    }

    #[test]
    fn page_faults_are_those_that_an_mmu_has() {
        let stats = Stats(uapi::minivmx_stats::sized());
        let names = |mmu| stats.page_faults(mmu).into_iter().map(|(name, _)| name);
        assert_eq!(
            names(Mmu::Ept).collect::<Vec<_>>(),
            ["ept_fills", "allocations", "absences"]
        );
        assert!(names(Mmu::Wp).any(|name| name == "table_writes"));
        assert!(names(Mmu::Wp).all(|name| name != "ept_fills"));
    }
}
