// SPDX-License-Identifier: GPL-2.0

//! The workloads, and what is to be said about each.

use clap::ValueEnum;

/// A workload of `tools/guests/workloads`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Workload {
    /// A sieve over pages that are all there
    Compute,
    /// First touch of 512 pages that the guest has mapped
    Touch,
    /// 511 page faults that the guest answers by a new page
    DemandFault,
    /// Three times fork() with copy on write
    Fork,
    /// 300 loads of CR3 by one process
    #[value(name = "switch_1")]
    Switch1,
    /// 300 switches among 10 processes
    #[value(name = "switch_10")]
    Switch10,
    /// 300 switches among 100 processes
    #[value(name = "switch_100")]
    Switch100,
    /// 64 pages mapped, used, unmapped and flushed all at once, 16 times
    MapUnmap,
    /// 16 pages made read-only and writable again, flushed one by one, 32 times
    Mprotect,
}

/// Workloads that differ in the number of processes only, fewest first.
pub const SWITCHING: [Workload; 3] = [Workload::Switch1, Workload::Switch10, Workload::Switch100];

/// Pages that a process uses at its turn, in a workload of [`SWITCHING`].
pub const PAGES_A_TURN: u64 = 4;

/// Pages that [`Workload::Touch`] touches.
pub const TOUCHED_PAGES: u64 = 512;

impl Workload {
    /// Name as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compute => "compute",
            Self::Touch => "touch",
            Self::DemandFault => "demand_fault",
            Self::Fork => "fork",
            Self::Switch1 => "switch_1",
            Self::Switch10 => "switch_10",
            Self::Switch100 => "switch_100",
            Self::MapUnmap => "map_unmap",
            Self::Mprotect => "mprotect",
        }
    }

    /// What it does, for a heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Compute => "steady computing",
            Self::Touch => "first touch of 512 pages that the guest has mapped",
            Self::DemandFault => "511 page faults, each answered by the guest with a new page",
            Self::Fork => "fork of 128 pages with copy on write, 3 times",
            Self::Switch1 => "300 loads of CR3 by one process",
            Self::Switch10 => "300 switches among 10 processes",
            Self::Switch100 => "300 switches among 100 processes",
            Self::MapUnmap => "64 pages mapped, used, unmapped, flushed at once, 16 times",
            Self::Mprotect => "16 pages read-only and writable again, flushed singly, 32 times",
        }
    }

    /// Two sentences on what there is to see.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Compute => {
                "Once all translations are there, no kind of paging needs the hypervisor, and \
                 nothing exits but for the host. Shadow paging is even the better one on a \
                 real chip here, since a TLB miss costs a walk of one table instead of two nested \
                 ones."
            }
            Self::Touch => {
                "The hypervisor gives memory page by page, so that each first touch exits: as an \
                 EPT violation, or as a page fault that finds no shadow entry. The guest's own \
                 tables do not change, and all policies of shadow paging pay the same."
            }
            Self::DemandFault => {
                "Under EPT a page fault is the guest's own affair and never exits. Under shadow \
                 paging the fault itself exits and is handed back, the new entry is noticed in \
                 one way or the other, and the access then misses in the shadow."
            }
            Self::Fork => {
                "fork() writes every entry of two tables, and each first write afterwards is a \
                 fault, a copy and one more entry. wp traps these writes until it \
                 lets go of a table that is written again and again, unsync traps the first to \
                 each table, and pv has them in batches; vtlb pays when it fills the shadow \
                 again after every load of CR3."
            }
            Self::Switch1 => {
                "A load of CR3 is an instruction like others under EPT, and an exit under vtlb, \
                 wp and unsync; pv has a hypercall for it. vtlb then has dropped all its entries \
                 and misses anew on code, stack and data, while the others find the shadow that \
                 they kept."
            }
            Self::Switch10 => {
                "With more processes a load of CR3 costs what it did with one, as long as the \
                 shadow of each is kept. Only the memory for shadows grows."
            }
            Self::Switch100 => {
                "A hundred processes have a hundred sets of shadow tables under wp, unsync and \
                 pv, which is the price for cheap switches. vtlb has one set and pays in misses \
                 at each switch, EPT has one for all processes and pays nothing."
            }
            Self::MapUnmap => {
                "Each round writes 128 entries and then flushes all by one load of CR3, as Linux \
                 does when many pages go. wp traps some of the writes, then lets the table go and \
                 fills its shadow anew; unsync traps one and compares the table at the flush; pv \
                 has two batches; vtlb pays only at the flush, but there for \
                 everything."
            }
            Self::Mprotect => {
                "Here each entry that changes is flushed by an INVLPG of its own, which exits under \
                 vtlb and unsync but not under wp, whose shadows are right already. pv shows what batches are \
                 worth: 16 entries and their flush are one exit."
            }
        }
    }

    /// Its number in the guest.
    pub fn number(self) -> u64 {
        match self {
            Self::Compute => 0,
            Self::Touch => 1,
            Self::DemandFault => 2,
            Self::Fork => 3,
            Self::Switch1 | Self::Switch10 | Self::Switch100 => 4,
            Self::MapUnmap => 5,
            Self::Mprotect => 6,
        }
    }

    /// How many processes the guest has.
    pub fn processes(self) -> u64 {
        match self {
            Self::Switch10 => 10,
            Self::Switch100 => 100,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_command_line() {
        for workload in Workload::value_variants() {
            let value = workload.to_possible_value().expect("none is hidden");
            assert_eq!(value.get_name(), workload.name());
        }
    }

    #[test]
    fn an_explanation_has_two_sentences() {
        for workload in Workload::value_variants() {
            let text = workload.explanation();
            assert_eq!(text.matches(". ").count(), 1, "{text}");
            assert!(text.ends_with('.'), "{text}");
        }
    }

    #[test]
    fn no_two_workloads_are_the_same() {
        let all = Workload::value_variants();
        for (index, workload) in all.iter().enumerate() {
            for other in &all[..index] {
                let parameters = |w: &Workload| (w.number(), w.processes());
                assert_ne!(parameters(workload), parameters(other));
            }
        }
    }
}
