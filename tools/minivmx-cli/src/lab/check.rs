// SPDX-License-Identifier: GPL-2.0

//! What theory says about EPT and shadow paging, checked against the figures.

use std::fmt;

use minivmx::{
    Mmu,
    Reason, //
};
use serde::{
    Serialize,
    Serializer, //
};

use super::{
    measurement::Measurement,
    results::Results,
    workload::{
        Workload,
        PAGES_A_TURN,
        SWITCHING,
        TOUCHED_PAGES, //
    }, //
};

/// One claim about one MMU, and what the figures say to it.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    pub claim: &'static str,
    #[serde(serialize_with = "mmu_name")]
    pub mmu: Mmu,
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What the figures say to a claim, with the figures in words.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "verdict", content = "evidence", rename_all = "snake_case")]
pub enum Verdict {
    Holds(String),
    Fails(String),
    /// This machine has no such MMU, or the workloads were left out.
    NotMeasured,
}

impl Verdict {
    pub fn fails(&self) -> bool {
        matches!(self, Self::Fails(_))
    }

    fn new(holds: bool, evidence: String) -> Self {
        if holds {
            Self::Holds(evidence)
        } else {
            Self::Fails(evidence)
        }
    }
}

/// A claim: about which MMUs, seen in which workloads, and whether it holds in their measurements.
struct Claim {
    text: &'static str,
    mmus: &'static [Mmu],
    workloads: &'static [Workload],
    judge: fn(&[&Measurement]) -> Verdict,
}

const SHADOW: &[Mmu] = &[Mmu::Vtlb, Mmu::Wp, Mmu::Unsync, Mmu::Pv];
const CACHED: &[Mmu] = &[Mmu::Wp, Mmu::Unsync, Mmu::Pv];

/// How much a share must be below one for something not to be paid each time.
const FEW: u64 = 4;

const CLAIMS: &[Claim] = &[
    Claim {
        text: "no exits for CR3 loads, table writes, flushes and faults of the guest",
        mmus: &[Mmu::Ept],
        workloads: &[
            Workload::Compute,
            Workload::DemandFault,
            Workload::Fork,
            Workload::Switch1,
            Workload::Switch10,
            Workload::Switch100,
            Workload::MapUnmap,
            Workload::Mprotect,
        ],
        judge: no_exits,
    },
    Claim {
        text: "the first touch of a page costs an exit",
        mmus: Mmu::ALL,
        workloads: &[Workload::Touch],
        judge: an_exit_a_page,
    },
    Claim {
        text: "steady computing costs no exits",
        mmus: SHADOW,
        workloads: &[Workload::Compute],
        judge: no_exits,
    },
    Claim {
        text: "each page fault of the guest exits and is handed back",
        mmus: SHADOW,
        workloads: &[
            Workload::DemandFault,
            Workload::Fork,
            Workload::MapUnmap,
            Workload::Mprotect,
        ],
        judge: faults_exit,
    },
    Claim {
        text: "pays at each load of CR3: all pages in use miss again",
        mmus: &[Mmu::Vtlb],
        workloads: &SWITCHING,
        judge: misses_at_each_load,
    },
    Claim {
        text: "keeps shadows over loads of CR3: pages in use do not miss again",
        mmus: CACHED,
        workloads: &SWITCHING,
        judge: hardly_misses,
    },
    Claim {
        text: "pays for each entry that the guest writes to a table in use",
        mmus: &[Mmu::Wp],
        workloads: &[Workload::DemandFault],
        judge: traps_each_write,
    },
    Claim {
        text: "lets go of a table that is written again and again without being used",
        mmus: &[Mmu::Wp],
        workloads: &[Workload::MapUnmap, Workload::Mprotect],
        judge: traps_some_writes,
    },
    Claim {
        text: "pays at flushes, not for each entry that the guest writes",
        mmus: &[Mmu::Unsync],
        workloads: &[Workload::MapUnmap, Workload::Mprotect],
        judge: traps_few_writes,
    },
    Claim {
        text: "the guest changes its tables by hypercalls, and nothing is trapped",
        mmus: &[Mmu::Pv],
        workloads: &[
            Workload::DemandFault,
            Workload::Fork,
            Workload::MapUnmap,
            Workload::Mprotect,
        ],
        judge: only_hypercalls,
    },
    Claim {
        text: "pays for each batch, not for each entry that the guest writes",
        mmus: &[Mmu::Pv],
        workloads: &[Workload::MapUnmap, Workload::Mprotect],
        judge: few_hypercalls,
    },
    Claim {
        text: "memory for tables grows with processes",
        mmus: CACHED,
        workloads: &SWITCHING,
        judge: tables_grow,
    },
    Claim {
        text: "memory for tables does not grow with processes",
        mmus: &[Mmu::Ept],
        workloads: &SWITCHING,
        judge: tables_stay,
    },
];

/// Checks everything.
pub fn all(results: &Results) -> Vec<Finding> {
    let claims = CLAIMS.iter().flat_map(|claim| {
        claim.mmus.iter().map(move |mmu| Finding {
            claim: claim.text,
            mmu: *mmu,
            verdict: judge(claim, *mmu, results),
        })
    });
    same_results(results).into_iter().chain(claims).collect()
}

/// With every MMU the guest came to the same result, on the same way.
fn same_results(results: &Results) -> Vec<Finding> {
    let mmus = results.mmus();
    let Some((reference, others)) = mmus.split_first() else {
        return Vec::new();
    };
    let finding = |mmu: &Mmu| {
        let pairs: Vec<_> = results
            .of_mmu(*mmu)
            .filter_map(|one| Some((results.get(one.workload, *reference)?, one)))
            .collect();
        let different: Vec<_> = pairs
            .iter()
            .filter(|(one, other)| one.guest != other.guest)
            .map(|(one, _)| one.workload.name())
            .collect();
        let evidence = match different.as_slice() {
            [] => format!("{} checksums are those of {reference}", pairs.len()),
            names => format!("not those of {reference}: {}", names.join(", ")),
        };
        Finding {
            claim: "the guest comes to the same result on the same way",
            mmu: *mmu,
            verdict: Verdict::new(different.is_empty(), evidence),
        }
    };
    others.iter().map(finding).collect()
}

fn judge(claim: &Claim, mmu: Mmu, results: &Results) -> Verdict {
    let measured: Option<Vec<_>> = claim
        .workloads
        .iter()
        .map(|workload| results.get(*workload, mmu))
        .collect();
    measured.map_or(Verdict::NotMeasured, |measured| (claim.judge)(&measured))
}

fn sum(measured: &[&Measurement], value: impl Fn(&Measurement) -> u64) -> u64 {
    measured.iter().map(|measurement| value(measurement)).sum()
}

fn entries(measurement: &Measurement) -> u64 {
    measurement.guest.entries
}

fn base_loads(measurement: &Measurement) -> u64 {
    measurement.guest.base_loads
}

fn no_exits(measured: &[&Measurement]) -> Verdict {
    let exits = sum(measured, Measurement::caused_exits);
    let evidence = format!(
        "{exits} exits; {} CR3 loads, {} entries, {} INVLPG, {} faults",
        sum(measured, base_loads),
        sum(measured, entries),
        sum(measured, |m| m.guest.page_flushes),
        sum(measured, |m| m.guest.faults),
    );
    Verdict::new(exits == 0, evidence)
}

fn an_exit_a_page(measured: &[&Measurement]) -> Verdict {
    let exits = sum(measured, Measurement::caused_exits);
    Verdict::new(
        exits >= TOUCHED_PAGES,
        format!("{exits} exits for {TOUCHED_PAGES} pages"),
    )
}

fn faults_exit(measured: &[&Measurement]) -> Verdict {
    let (faults, exits) = (
        sum(measured, |m| m.guest.faults),
        sum(measured, |m| m.guest_faults),
    );
    let equal = measured.iter().all(|m| m.guest.faults == m.guest_faults);
    Verdict::new(equal, format!("{exits} exits for {faults} faults"))
}

fn misses_at_each_load(measured: &[&Measurement]) -> Verdict {
    let holds = measured.iter().all(|m| {
        m.exits_for(Reason::CONTROL_REGISTER) >= m.guest.base_loads
            && m.shadow_misses >= m.guest.base_loads * PAGES_A_TURN
    });
    Verdict::new(holds, misses(measured))
}

fn hardly_misses(measured: &[&Measurement]) -> Verdict {
    let holds = measured
        .iter()
        .all(|m| m.shadow_misses * FEW < m.guest.base_loads);
    Verdict::new(holds, misses(measured))
}

fn misses(measured: &[&Measurement]) -> String {
    let (misses, loads) = (
        sum(measured, |m| m.shadow_misses),
        sum(measured, base_loads),
    );
    format!("{misses} misses at {loads} CR3 loads")
}

fn traps_each_write(measured: &[&Measurement]) -> Verdict {
    let holds = measured.iter().all(|m| m.table_writes >= m.guest.entries);
    Verdict::new(holds, traps(measured))
}

fn traps_some_writes(measured: &[&Measurement]) -> Verdict {
    let holds = measured
        .iter()
        .all(|m| (1..m.guest.entries).contains(&m.table_writes));
    Verdict::new(holds, traps(measured))
}

fn traps_few_writes(measured: &[&Measurement]) -> Verdict {
    let holds = measured
        .iter()
        .all(|m| m.table_writes * FEW < m.guest.entries && m.syncs > 0);
    let syncs = sum(measured, |m| m.syncs);
    Verdict::new(holds, format!("{}, {syncs} synchronised", traps(measured)))
}

fn traps(measured: &[&Measurement]) -> String {
    let (traps, entries) = (sum(measured, |m| m.table_writes), sum(measured, entries));
    format!("{traps} traps for {entries} entries")
}

fn only_hypercalls(measured: &[&Measurement]) -> Verdict {
    let holds = measured.iter().all(|m| {
        m.hypercalls > 0
            && m.exits_for(Reason::VMCALL) == m.hypercalls
            && m.table_writes + m.exits_for(Reason::CONTROL_REGISTER) == 0
            && m.exits_for(Reason::INVLPG) == 0
    });
    Verdict::new(
        holds,
        format!("{}, {} calls", traps(measured), calls(measured)),
    )
}

fn few_hypercalls(measured: &[&Measurement]) -> Verdict {
    let holds = measured
        .iter()
        .all(|m| m.hypercalls > 0 && m.hypercalls * FEW < m.guest.entries);
    let entries = sum(measured, entries);
    Verdict::new(
        holds,
        format!("{} calls for {entries} entries", calls(measured)),
    )
}

fn calls(measured: &[&Measurement]) -> u64 {
    sum(measured, |m| m.hypercalls)
}

fn tables_grow(measured: &[&Measurement]) -> Verdict {
    let grow = |pair: &[&Measurement]| pair[0].shadow_tables < pair[1].shadow_tables;
    let holds = measured.windows(2).all(grow);
    let tables = measured.iter().map(|m| m.shadow_tables.to_string());
    Verdict::new(
        holds,
        format!(
            "{} shadow tables",
            tables.collect::<Vec<_>>().join(", then ")
        ),
    )
}

fn tables_stay(measured: &[&Measurement]) -> Verdict {
    let holds = measured.windows(2).all(|m| m[0].tables == m[1].tables);
    let tables = measured.iter().map(|m| m.tables.to_string());
    Verdict::new(
        holds,
        format!("{} tables", tables.collect::<Vec<_>>().join(", then ")),
    )
}

fn mmu_name<S: Serializer>(mmu: &Mmu, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(mmu.name())
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, evidence) = match &self.verdict {
            Verdict::Holds(evidence) => ("holds", evidence.as_str()),
            Verdict::Fails(evidence) => ("FAILS", evidence.as_str()),
            Verdict::NotMeasured => ("-", "not measured"),
        };
        write!(
            f,
            "{word:<6}{:<7} {}\n{:14}{evidence}",
            self.mmu.name(),
            self.claim,
            ""
        )
    }
}

/// How many claims hold.
pub struct Summary<'a>(pub &'a [Finding]);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count =
            |wanted: fn(&Verdict) -> bool| self.0.iter().filter(|f| wanted(&f.verdict)).count();
        write!(
            f,
            "{} checks hold, {} fail, {} could not be measured here.",
            count(|verdict| matches!(verdict, Verdict::Holds(_))),
            count(Verdict::fails),
            count(|verdict| *verdict == Verdict::NotMeasured),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{super::measurement::tests::measurement, *};
    use clap::ValueEnum;

    fn find(results: &Results, mmu: Mmu, claim: &str) -> Verdict {
        let findings = all(results);
        let mut found = findings
            .iter()
            .filter(|f| f.mmu == mmu && f.claim.contains(claim));
        let finding = found.next().expect("there is such a claim");
        assert!(found.next().is_none(), "{claim} is one claim");
        finding.verdict.clone()
    }

    fn everything(mmu: Mmu, exits: &[(Reason, u64)]) -> Vec<Measurement> {
        let all = Workload::value_variants().iter();
        all.map(|workload| measurement(*workload, mmu, exits))
            .collect()
    }

    #[test]
    fn an_exit_under_ept_is_noticed() {
        let quiet = everything(Mmu::Ept, &[(Reason::EXTERNAL_INTERRUPT, 3)]);
        let verdict = find(&Results::new(quiet), Mmu::Ept, "no exits for CR3");
        assert!(matches!(verdict, Verdict::Holds(_)), "{verdict:?}");
        for reason in [Reason::CONTROL_REGISTER, Reason::EXCEPTION_OR_NMI] {
            let noisy = everything(Mmu::Ept, &[(reason, 1)]);
            assert!(find(&Results::new(noisy), Mmu::Ept, "no exits for CR3").fails());
        }
    }

    #[test]
    fn what_was_not_measured_is_neither_true_nor_false() {
        let results = Results::new(everything(Mmu::Ept, &[]));
        assert_eq!(
            find(&results, Mmu::Wp, "table in use"),
            Verdict::NotMeasured
        );
        let one = Results::new(vec![measurement(Workload::Fork, Mmu::Ept, &[])]);
        assert_eq!(find(&one, Mmu::Ept, "no exits for"), Verdict::NotMeasured);
    }

    #[test]
    fn another_checksum_fails() {
        let mut one = measurement(Workload::Fork, Mmu::Wp, &[]);
        let results = |one: &Measurement| {
            Results::new(vec![
                measurement(Workload::Fork, Mmu::Ept, &[]),
                one.clone(),
            ])
        };
        assert!(!find(&results(&one), Mmu::Wp, "same result").fails());
        one.guest.checksum += 1;
        let verdict = find(&results(&one), Mmu::Wp, "same result");
        assert_eq!(verdict, Verdict::Fails("not those of ept: fork".into()));
    }

    #[test]
    fn a_fault_that_the_guest_did_not_see_fails() {
        let mut all = everything(Mmu::Vtlb, &[]);
        assert!(!find(&Results::new(all.clone()), Mmu::Vtlb, "handed back").fails());
        all[2].guest_faults += 1;
        assert!(find(&Results::new(all), Mmu::Vtlb, "handed back").fails());
    }

    #[test]
    fn shadow_memory_must_grow() {
        let mut all = everything(Mmu::Wp, &[]);
        assert!(find(&Results::new(all.clone()), Mmu::Wp, "grows with").fails());
        for (tables, one) in all.iter_mut().enumerate() {
            one.shadow_tables = tables as u64;
        }
        assert!(!find(&Results::new(all), Mmu::Wp, "grows with").fails());
    }

    #[test]
    fn each_policy_is_held_to_what_it_pays_for() {
        let with = |mmu, change: fn(&mut Measurement)| {
            let mut all = everything(mmu, &[(Reason::VMCALL, 20)]);
            for one in &mut all {
                one.guest.entries = 100;
                change(one);
            }
            Results::new(all)
        };
        let wp = |change| find(&with(Mmu::Wp, change), Mmu::Wp, "table in use").fails();
        assert!(wp(|one| one.table_writes = 99));
        assert!(!wp(|one| one.table_writes = 100));
        let wp = |change| find(&with(Mmu::Wp, change), Mmu::Wp, "lets go").fails();
        assert!(wp(|one| one.table_writes = 0));
        assert!(!wp(|one| one.table_writes = 99));
        assert!(wp(|one| one.table_writes = 100));
        let unsync = |change| find(&with(Mmu::Unsync, change), Mmu::Unsync, "flushes").fails();
        assert!(unsync(|one| (one.table_writes, one.syncs) = (25, 1)));
        assert!(unsync(|one| (one.table_writes, one.syncs) = (24, 0)));
        assert!(!unsync(|one| (one.table_writes, one.syncs) = (24, 1)));
        let pv = |change, claim| find(&with(Mmu::Pv, change), Mmu::Pv, claim).fails();
        assert!(pv(|one| one.hypercalls = 19, "nothing is trapped"));
        assert!(!pv(|one| one.hypercalls = 20, "nothing is trapped"));
        assert!(!pv(|one| one.hypercalls = 20, "each batch"));
        assert!(pv(|one| one.hypercalls = 25, "each batch"));
        assert!(pv(|one| one.hypercalls = 0, "each batch"));
    }

    #[test]
    fn json_names_the_verdict() {
        let results = Results::new(everything(Mmu::Ept, &[]));
        let value = serde_json::to_value(all(&results)).expect("it is plain");
        assert_eq!(value[0]["mmu"], "ept");
        assert_eq!(value[0]["verdict"], "holds");
        assert!(value[0]["evidence"].is_string());
    }

    #[test]
    fn lines_are_narrow() {
        for claim in CLAIMS {
            assert!(claim.text.len() <= 86, "{}", claim.text);
        }
    }
}
