// SPDX-License-Identifier: GPL-2.0

//! What came out of one workload with one MMU.

use minivmx::{
    Mmu,
    Reason,
    Stats, //
};
use serde::{
    Serialize,
    Serializer, //
};

use super::workload::Workload;

/// Bytes of a table.
const PAGE: u64 = 4096;

/// What came out of one workload with one MMU; counts are of the measured part only.
#[derive(Clone, Debug, Serialize)]
pub struct Measurement {
    /// The workload.
    #[serde(serialize_with = "workload_name")]
    pub workload: Workload,
    /// How guest-physical memory was translated.
    #[serde(serialize_with = "mmu_name")]
    pub mmu: Mmu,
    /// Ticks of the guest's time-stamp counter.
    pub ticks: u64,
    /// VM exits by reason, the most frequent first.
    pub exits: Vec<Exits>,
    /// What the guest did: the same with every MMU.
    pub guest: Guest,
    /// VMCALLs by which the guest changed and flushed page tables.
    pub hypercalls: u64,
    /// Page faults that exited and were the guest's own.
    pub guest_faults: u64,
    /// Page faults that were answered by a shadow entry.
    pub shadow_misses: u64,
    /// Writes to guest page tables that were trapped.
    pub table_writes: u64,
    /// Shadow entries that were found to differ from the guest's.
    pub syncs: u64,
    /// Shadow tables that were dropped for want of room.
    pub reclaims: u64,
    /// Tables that shadow guest tables, at the end.
    pub shadow_tables: u64,
    /// Pages that page tables for the guest take, at the end.
    pub tables: u64,
    /// The same in bytes.
    pub table_bytes: u64,
}

/// Exits with one reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Exits {
    #[serde(serialize_with = "reason_number")]
    pub reason: Reason,
    pub name: String,
    pub count: u64,
}

/// What the guest did; by hypercalls it did the same with fewer loads and flushes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Guest {
    /// Over everything that it read.
    pub checksum: u64,
    /// Page-table entries that it wrote.
    pub entries: u64,
    /// Loads of CR3.
    pub base_loads: u64,
    /// Flushes of single pages.
    pub page_flushes: u64,
    /// Page faults that it handled.
    pub faults: u64,
}

impl Measurement {
    /// Puts it together; `left_out` are exits that are no part of the workload.
    pub fn new(
        workload: Workload,
        mmu: Mmu,
        ticks: u64,
        hypercalls: u64,
        guest: Guest,
        stats: &Stats,
        left_out: &[(Reason, u64)],
    ) -> Self {
        Self {
            workload,
            mmu,
            ticks,
            exits: exits(stats, left_out),
            guest,
            hypercalls,
            guest_faults: stats.guest_faults(),
            shadow_misses: stats.shadow_misses(),
            table_writes: stats.table_writes(),
            syncs: stats.syncs(),
            reclaims: stats.reclaims(),
            shadow_tables: stats.shadow_tables(),
            tables: stats.tables(),
            table_bytes: stats.tables().saturating_mul(PAGE),
        }
    }

    /// Exits with this reason.
    pub fn exits_for(&self, reason: Reason) -> u64 {
        let mut exits = self.exits.iter();
        exits
            .find(|exits| exits.reason == reason)
            .map_or(0, |exits| exits.count)
    }

    /// Exits that the guest caused: all but those for the host.
    pub fn caused(&self) -> impl Iterator<Item = &Exits> {
        let exits = self.exits.iter();
        exits.filter(|exits| !is_for_host(exits.reason))
    }

    /// How many exits the guest caused.
    pub fn caused_exits(&self) -> u64 {
        self.caused().map(|exits| exits.count).sum()
    }
}

/// Whether an exit lets the host have its CPU back, whatever the guest does.
pub fn is_for_host(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::EXTERNAL_INTERRUPT | Reason::PREEMPTION_TIMER
    )
}

fn exits(stats: &Stats, left_out: &[(Reason, u64)]) -> Vec<Exits> {
    let less = |(reason, count): (Reason, u64)| {
        let mut out = left_out.iter().filter(|(other, _)| *other == reason);
        (
            reason,
            count.saturating_sub(out.next().map_or(0, |(_, count)| *count)),
        )
    };
    let counts = stats.exits().into_iter().map(less);
    let named = counts.map(|(reason, count)| Exits {
        reason,
        name: reason.to_string(),
        count,
    });
    named.filter(|exits| exits.count > 0).collect()
}

fn workload_name<S: Serializer>(workload: &Workload, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(workload.name())
}

fn mmu_name<S: Serializer>(mmu: &Mmu, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(mmu.name())
}

fn reason_number<S: Serializer>(reason: &Reason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u32(reason.0)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use minivmx::uapi::minivmx_stats;

    /// A measurement with these exits.
    pub fn measurement(workload: Workload, mmu: Mmu, exits: &[(Reason, u64)]) -> Measurement {
        let mut raw = minivmx_stats {
            out_tables: 5,
            ..Default::default()
        };
        for (reason, count) in exits {
            raw.out_exits[reason.0 as usize] = *count;
        }
        let (ticks, hypercalls) = (1000, 0);
        let stats = Stats::from(raw);
        Measurement::new(
            workload,
            mmu,
            ticks,
            hypercalls,
            Guest::default(),
            &stats,
            &[],
        )
    }

    #[test]
    fn what_ends_a_workload_is_no_part_of_it() {
        let mut raw = minivmx_stats::default();
        raw.out_exits[Reason::IO_INSTRUCTION.0 as usize] = 1;
        raw.out_exits[Reason::INVLPG.0 as usize] = 2;
        let exits = exits(&Stats::from(raw), &[(Reason::IO_INSTRUCTION, 1)]);
        assert_eq!(
            exits,
            [Exits {
                reason: Reason::INVLPG,
                name: "INVLPG".into(),
                count: 2
            }]
        );
    }

    #[test]
    fn exits_for_the_host_are_not_the_guests() {
        let exits = [
            (Reason::EXTERNAL_INTERRUPT, 7),
            (Reason::PREEMPTION_TIMER, 2),
            (Reason::INVLPG, 3),
        ];
        assert_eq!(
            measurement(Workload::Touch, Mmu::Wp, &exits).caused_exits(),
            3
        );
    }

    #[test]
    fn json_has_names_and_numbers() {
        let measurement = measurement(Workload::Switch10, Mmu::Vtlb, &[(Reason::INVLPG, 3)]);
        let value = serde_json::to_value(measurement).expect("it is plain");
        assert_eq!(value["workload"], "switch_10");
        assert_eq!(value["mmu"], "vtlb");
        assert_eq!(
            value["exits"][0],
            serde_json::json!({"reason": 14, "name": "INVLPG", "count": 3})
        );
        assert_eq!(value["table_bytes"], 5 * 4096);
        assert_eq!(value["guest"]["entries"], 0);
    }
}
