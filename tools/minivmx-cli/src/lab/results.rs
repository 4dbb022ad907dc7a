// SPDX-License-Identifier: GPL-2.0

//! All measurements, by workload and MMU.

use minivmx::{
    Mmu,
    Reason, //
};

use super::{
    measurement::Measurement,
    workload::Workload, //
};

/// All measurements, by workload and MMU.
pub struct Results(Vec<Measurement>);

impl Results {
    /// At most one for each workload and MMU.
    pub fn new(measurements: Vec<Measurement>) -> Self {
        Self(measurements)
    }

    /// All, in the order in which they were made.
    pub fn measurements(&self) -> &[Measurement] {
        &self.0
    }

    /// That of a workload with an MMU.
    pub fn get(&self, workload: Workload, mmu: Mmu) -> Option<&Measurement> {
        let mut all = self.0.iter();
        all.find(|measurement| measurement.workload == workload && measurement.mmu == mmu)
    }

    /// Those of a workload.
    pub fn of(&self, workload: Workload) -> impl Iterator<Item = &Measurement> {
        let all = self.0.iter();
        all.filter(move |measurement| measurement.workload == workload)
    }

    /// Those with an MMU.
    pub fn of_mmu(&self, mmu: Mmu) -> impl Iterator<Item = &Measurement> {
        let all = self.0.iter();
        all.filter(move |measurement| measurement.mmu == mmu)
    }

    /// The MMUs, each once.
    pub fn mmus(&self) -> Vec<Mmu> {
        distinct(self.0.iter().map(|measurement| measurement.mmu))
    }

    /// The workloads, each once.
    pub fn workloads(&self) -> Vec<Workload> {
        distinct(self.0.iter().map(|measurement| measurement.workload))
    }

    /// Reasons of the exits that a workload caused, those first that are the most frequent over
    /// all MMUs.
    pub fn reasons(&self, workload: Workload) -> Vec<Reason> {
        let exits = || self.of(workload).flat_map(Measurement::caused);
        let mut reasons = distinct(exits().map(|exits| exits.reason));
        let total = |reason: &Reason| {
            let counts = exits().filter(|exits| exits.reason == *reason);
            counts.map(|exits| exits.count).sum::<u64>()
        };
        reasons.sort_by_key(|reason| (std::cmp::Reverse(total(reason)), *reason));
        reasons
    }
}

fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for item in items {
        if !seen.contains(&item) {
            seen.push(item);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::{super::measurement::tests::measurement, *};

    #[test]
    fn reasons_are_sorted_by_their_sum() {
        let exits = [(Reason::INVLPG, 5), (Reason::VMCALL, 3)];
        let results = Results::new(vec![
            measurement(Workload::Touch, Mmu::Wp, &exits),
            measurement(Workload::Touch, Mmu::Pv, &[(Reason::VMCALL, 4)]),
            measurement(Workload::Fork, Mmu::Pv, &[(Reason::HLT, 9)]),
        ]);
        assert_eq!(
            results.reasons(Workload::Touch),
            [Reason::VMCALL, Reason::INVLPG]
        );
        assert_eq!(results.mmus(), [Mmu::Wp, Mmu::Pv]);
        assert_eq!(results.workloads(), [Workload::Touch, Workload::Fork]);
        assert!(results.get(Workload::Fork, Mmu::Wp).is_none());
    }
}
