// SPDX-License-Identifier: GPL-2.0

//! What a boot may take, as a share of KVM's in the same mode.

use std::fmt;

use serde::Serialize;

use super::boots::Boots;
use crate::host::{
    Counter,
    Host, //
};

/// Modes and their shares; of the policies of shadow paging the one that is best for Linux.
const BUDGETS: [(&str, f64); 2] = [("ept", 0.95), ("unsync", 0.80)];

/// A budget and what was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    mode: &'static str,
    beside: &'static str,
    budget: f64,
    ratio: f64,
}

impl Finding {
    pub fn holds(&self) -> bool {
        self.ratio <= self.budget
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.holds() { "holds" } else { "FAILS" };
        let Self {
            mode,
            beside,
            budget,
            ratio,
        } = self;
        write!(
            f,
            "{word}  {mode} takes at most {budget:.2} of {beside}: {ratio:.2}"
        )
    }
}

/// Those of what was measured. They are for instructions of one CPU.
pub fn check(host: &Host, boots: &Boots) -> Vec<Finding> {
    if host.counter != Counter::Instructions || host.cpus != 1 {
        return Vec::new();
    }
    let finding = |(mode, budget)| {
        let boot = boots.get(mode)?;
        Some(Finding {
            mode,
            beside: boot.kvms(),
            budget,
            ratio: boots.ratio(boot)?,
        })
    };
    BUDGETS.into_iter().filter_map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::boot::tests::boot,
        *, //
    };

    fn host(cpus: usize, counter: Counter) -> Host {
        Host {
            cpus,
            model: "a CPU".into(),
            counter,
        }
    }

    #[test]
    fn a_budget_is_a_share_of_what_kvm_takes() {
        let mut boots = Boots::default();
        for (mode, ticks) in [
            ("kvm-ept", 100),
            ("ept", 96),
            ("kvm-shadow", 100),
            ("unsync", 80),
        ] {
            boots.add(boot(mode, ticks));
        }
        let findings = check(&host(1, Counter::Instructions), &boots);
        let texts: Vec<_> = findings.iter().map(Finding::to_string).collect();
        assert_eq!(
            texts,
            [
                "FAILS  ept takes at most 0.95 of kvm-ept: 0.96",
                "holds  unsync takes at most 0.80 of kvm-shadow: 0.80"
            ]
        );
    }

    #[test]
    fn what_was_not_measured_or_is_no_instruction_has_none() {
        let mut boots = Boots::default();
        boots.add(boot("ept", 96));
        assert_eq!(check(&host(1, Counter::Instructions), &boots), []);
        boots.add(boot("kvm-ept", 100));
        assert_eq!(check(&host(1, Counter::Cycles), &boots), []);
        assert_eq!(check(&host(2, Counter::Instructions), &boots), []);
        assert_eq!(check(&host(1, Counter::Instructions), &boots).len(), 1);
    }
}
