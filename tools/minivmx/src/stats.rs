// SPDX-License-Identifier: GPL-2.0

//! What the driver counts for a VM.

use crate::{
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
        let (mut now, before) = (self.0, before.0);
        let counters = [
            (&mut now.out_runs, before.out_runs),
            (&mut now.out_bursts, before.out_bursts),
            (&mut now.out_entries, before.out_entries),
            (&mut now.out_returns, before.out_returns),
            (&mut now.out_injections, before.out_injections),
            (&mut now.out_flushes, before.out_flushes),
            (&mut now.out_kicks, before.out_kicks),
            (&mut now.out_guest_faults, before.out_guest_faults),
            (&mut now.out_shadow_misses, before.out_shadow_misses),
            (&mut now.out_table_writes, before.out_table_writes),
            (&mut now.out_syncs, before.out_syncs),
            (&mut now.out_reclaims, before.out_reclaims),
            (&mut now.out_supervisor_writes, before.out_supervisor_writes),
            (&mut now.out_ept_fills, before.out_ept_fills),
            (&mut now.out_allocations, before.out_allocations),
            (&mut now.out_absences, before.out_absences),
        ];
        let exits = now.out_exits.iter_mut().zip(before.out_exits);
        for (counter, before) in counters.into_iter().chain(exits) {
            *counter = counter.saturating_sub(before);
        }
        Stats(now)
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

    /// The counters of shadow paging, with their names as in `uapi/minivmx.h` without `out_`.
    pub fn shadow_counters(&self) -> [(&'static str, u64); 6] {
        [
            ("guest_faults", self.0.out_guest_faults),
            ("shadow_misses", self.0.out_shadow_misses),
            ("table_writes", self.0.out_table_writes),
            ("syncs", self.0.out_syncs),
            ("reclaims", self.0.out_reclaims),
            ("shadow_tables", self.0.out_shadow_tables),
        ]
    }

    /// Page faults by what they were, EPT violations among them.
    pub fn page_faults(&self) -> [(&'static str, u64); 7] {
        [
            ("guest_faults", self.0.out_guest_faults),
            ("shadow_misses", self.0.out_shadow_misses),
            ("ept_fills", self.0.out_ept_fills),
            ("table_writes", self.0.out_table_writes),
            ("supervisor_writes", self.0.out_supervisor_writes),
            ("allocations", self.0.out_allocations),
            ("absences", self.0.out_absences),
        ]
    }

    /// The counters of every VM, with their names as in `uapi/minivmx.h` without `out_`.
    pub fn counters(&self) -> [(&'static str, u64); 9] {
        [
            ("runs", self.0.out_runs),
            ("bursts", self.0.out_bursts),
            ("entries", self.0.out_entries),
            ("returns", self.0.out_returns),
            ("injections", self.0.out_injections),
            ("flushes", self.0.out_flushes),
            ("kicks", self.0.out_kicks),
            ("pages", self.0.out_pages),
            ("tables", self.0.out_tables),
        ]
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
    use crate::ioctl::Argument;

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
}
