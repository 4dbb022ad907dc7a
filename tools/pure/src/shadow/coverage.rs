// SPDX-License-Identifier: GPL-2.0

//! How often each way through the driver was taken: a test that does not get somewhere says nothing
//! about it.

use super::cpu::Touch;
use crate::mmu::{
    guest_walk::Mode,
    shadow::{Fault, Glance},
};
use std::collections::BTreeMap;

/// Counters by name.
#[derive(Default)]
pub(super) struct Coverage(BTreeMap<String, u64>);

/// What programs must have come by under each policy.
const EVERYWHERE: &[&str] = &[
    "fill without paging",
    "fill with 32 bits",
    "fill with PAE",
    "fill with four levels",
    "fill for a fetch",
    "step for the supervisor",
    "reclaim",
    "fault 0",
    "fault 1",
    "fault 2",
    "fault 3",
    "fault 4",
    "fault 5",
    "fault 6",
    "fault 7",
    "fault 9",
    "fault 11",
    "fault 13",
    "fault 15",
    "fault 16",
    "fault 17",
    "fault 20",
    "fault 21",
    "fault 25",
    "fault 29",
];

/// And under some.
const SOMEWHERE: &[&str] = &[
    "wp: step of a write to a table",
    "pv: step of a write to a table",
    "unsync: step of a write to a table",
    "wp: release as data",
    "pv: release as data",
    "unsync: release as data",
    "unsync: unsync",
    "resync",
    "step of a single store",
    "too much work",
    "work left for later",
    "out of pages",
    "memory allocated",
    "memory outside",
];

impl Coverage {
    pub(super) fn count(&mut self, what: &str) {
        *self.0.entry(what.to_owned()).or_default() += 1;
    }

    /// Counts what became of a page fault.
    pub(super) fn fault(
        &mut self,
        policy: &str,
        mode: Mode,
        touch: &Touch,
        fault: &Fault,
        before: Glance,
        after: Glance,
    ) {
        let table_write = after.table_writes != before.table_writes;
        let what = match fault {
            Fault::Guest(code) => format!("fault {code}"),
            Fault::Step if table_write => "step of a write to a table".to_owned(),
            Fault::Step => "step for the supervisor".to_owned(),
            Fault::Filled if table_write && after.unsync > before.unsync => "unsync".to_owned(),
            Fault::Filled if table_write => "release as data".to_owned(),
            Fault::Filled if touch.access.fetch => "fill for a fetch".to_owned(),
            Fault::Filled => format!("fill {}", name(mode)),
            _ => return,
        };
        self.count(&format!("{policy}: {what}"));
        if after.reclaims != before.reclaims {
            self.count(&format!("{policy}: reclaim"));
        }
    }

    /// Prints all counts, and finds that none is missing.
    pub(super) fn assert_complete(&self, policies: &[&str]) {
        for (name, count) in &self.0 {
            println!("{count:10} {name}");
        }
        let everywhere = policies.iter().flat_map(|policy| {
            EVERYWHERE
                .iter()
                .map(move |what| format!("{policy}: {what}")) //
        });
        let somewhere = SOMEWHERE.iter().map(|what| (*what).to_owned());
        let missing: Vec<_> = everywhere
            .chain(somewhere)
            .filter(|name| !self.0.contains_key(name))
            .collect();
        assert!(missing.is_empty(), "never met: {missing:#?}");
    }
}

fn name(mode: Mode) -> &'static str {
    match mode {
        Mode::Off => "without paging",
        Mode::Bits32 { .. } => "with 32 bits",
        Mode::Pae => "with PAE",
        Mode::FourLevels => "with four levels",
    }
}
