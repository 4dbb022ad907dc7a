// SPDX-License-Identifier: GPL-2.0

//! A boot and what it took.

use std::ffi::{
    OsStr,
    OsString, //
};

use anyhow::{
    ensure,
    Result, //
};
use minivmx::Reason;
use serde::{
    Deserialize,
    Serialize, //
};

use super::{
    super::{
        arguments::LinuxBoot,
        child::{
            Exits,
            Run, //
        }, //
    },
    mode::Mode, //
};

/// Lines of the console that say enough of a boot that failed.
const LAST_LINES: usize = 20;

/// A boot and what it took.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Boot {
    /// An MMU of minivmx, or KVM's with `kvm-` before it.
    pub mode: String,
    /// Of the time-stamp counter, from the first entry to what was waited for.
    pub ticks: u64,
    /// VM exits, those for the host among them.
    pub exits: u64,
    /// By the guest's IN and OUT.
    pub io: u64,
    /// Of pages that EPT did not have or not allow.
    pub ept_violations: u64,
    /// The guest's own and those that a shadow was filled for.
    pub page_faults: u64,
    pub invlpg: u64,
    /// Writes of the guest to its page tables that the hypervisor carried out.
    pub table_writes: u64,
    /// Pages of tables for the guest at the end; KVM does not say it.
    pub tables: Option<u64>,
    /// The most frequent first; KVM does not say them.
    pub by_reason: Vec<Exits>,
}

impl Boot {
    /// Boots the guest in a process of its own.
    pub fn new(mode: Mode, arguments: &LinuxBoot) -> Result<Self> {
        let run = Run::new(options(mode, arguments))?;
        ensure!(
            run.outcome == "seen",
            "{}; its last lines:\n{}",
            run.sentence,
            last_lines(&run.serial)
        );
        Ok(match mode {
            Mode::Kvm => Self::of_kvm(&run),
            Mode::Minivmx(_) => Self::of_minivmx(run),
        })
    }

    /// Whether KVM ran it.
    pub fn is_by_kvm(&self) -> bool {
        self.mode.starts_with("kvm-")
    }

    /// That of KVM which it is to be compared with.
    pub fn kvms(&self) -> &'static str {
        match self.mode.as_str() {
            "ept" | "kvm-ept" => "kvm-ept",
            _ => "kvm-shadow",
        }
    }

    fn of_minivmx(run: Run) -> Self {
        Self {
            ticks: run.ticks,
            exits: run.stats.exits.iter().map(|exits| exits.count).sum(),
            io: run.exits_for(Reason::IO_INSTRUCTION),
            ept_violations: run.exits_for(Reason::EPT_VIOLATION),
            page_faults: run.exits_for(Reason::EXCEPTION_OR_NMI),
            invlpg: run.exits_for(Reason::INVLPG),
            table_writes: run.counter("table_writes"),
            tables: Some(run.counter("tables")),
            by_reason: run.stats.exits,
            mode: run.stats.mmu,
        }
    }

    /// Faults of both kinds have one counter there (Linux, Documentation/virt/kvm/api.rst,
    /// "KVM_GET_STATS_FD").
    fn of_kvm(run: &Run) -> Self {
        let counter = |name: &str| run.stats.kvm.get(name).copied().unwrap_or_default();
        let faults = counter("pf_taken");
        let (ept_violations, page_faults) = match run.stats.mmu.as_str() {
            "ept" => (faults, 0),
            _ => (0, faults),
        };
        Self {
            mode: format!("kvm-{}", run.stats.mmu),
            ticks: run.ticks,
            exits: counter("exits"),
            io: counter("io_exits"),
            ept_violations,
            page_faults,
            invlpg: counter("invlpg"),
            table_writes: counter("mmu_pte_write"),
            tables: None,
            by_reason: Vec::new(),
        }
    }
}

fn options(mode: Mode, arguments: &LinuxBoot) -> Vec<OsString> {
    let first = ["boot", "--json"].into_iter().chain(mode.options());
    let mut options: Vec<OsString> = first.map(Into::into).collect();
    let mut add = |name: &str, value: &OsStr| options.extend([name.into(), value.into()]);
    add("--kernel", arguments.kernel.as_ref());
    add("--initrd", arguments.initrd.as_ref());
    add("--until", arguments.until.as_ref());
    add("--timeout", arguments.timeout.to_string().as_ref());
    if let Some(cmdline) = &arguments.cmdline {
        add("--cmdline", cmdline.as_ref());
    }
    if let Some(memory) = &arguments.memory {
        add("--memory", memory.as_ref());
    }
    options
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

#[cfg(test)]
pub mod tests {
    use super::*;

    fn run(stats: serde_json::Value) -> Run {
        let value = serde_json::json!({
            "outcome": "seen", "sentence": "", "serial": "", "absent_ports": [], "ticks": 1000,
            "stats": stats,
        });
        serde_json::from_value(value).expect("it is what boot says")
    }

    /// A boot that took so many ticks.
    pub fn boot(mode: &str, ticks: u64) -> Boot {
        Boot {
            mode: mode.into(),
            ticks,
            ..Boot::of_minivmx(run(serde_json::json!({"mmu": "ept"})))
        }
    }

    #[test]
    fn what_minivmx_counts_is_by_reason() {
        let boot = Boot::of_minivmx(run(serde_json::json!({
            "mmu": "wp", "table_writes": 3, "tables": 9,
            "exits": [
                {"reason": 0, "name": "exception or NMI", "count": 4},
                {"reason": 1, "name": "external interrupt", "count": 5},
            ],
        })));
        assert_eq!((boot.mode.as_str(), boot.exits), ("wp", 9));
        assert_eq!(
            (boot.page_faults, boot.table_writes, boot.tables),
            (4, 3, Some(9))
        );
        assert_eq!((boot.kvms(), boot.is_by_kvm()), ("kvm-shadow", false));
    }

    #[test]
    fn faults_are_what_kvm_was_loaded_for() {
        let boot = |mmu| {
            Boot::of_kvm(&run(
                serde_json::json!({"mmu": mmu, "kvm": {"exits": 7, "pf_taken": 5}}),
            ))
        };
        let (ept, shadow) = (boot("ept"), boot("shadow"));
        assert_eq!((ept.ept_violations, ept.page_faults), (5, 0));
        assert_eq!((shadow.ept_violations, shadow.page_faults), (0, 5));
        assert_eq!((ept.kvms(), shadow.kvms()), ("kvm-ept", "kvm-shadow"));
        assert_eq!((ept.exits, ept.tables), (7, None));
    }

    #[test]
    fn the_end_of_what_it_printed_is_shown() {
        let lines: Vec<_> = (0..30).map(|line: u32| line.to_string()).collect();
        let last = last_lines(&lines.join("\r\n"));
        assert_eq!(last.lines().count(), LAST_LINES);
        assert!(last.ends_with("\n29"), "{last}");
    }
}
