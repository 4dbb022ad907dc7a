// SPDX-License-Identifier: GPL-2.0

//! A guest that the tool runs in a process of its own, and what that says of it as JSON.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsStr,
    process::Command, //
};

use anyhow::{
    anyhow,
    Result, //
};
use minivmx::Reason;
use serde::{
    Deserialize,
    Serialize, //
};

use super::measurement::is_for_host;

/// What `minivmx run --json` and `minivmx boot --json` say.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Run {
    pub outcome: String,
    pub sentence: String,
    pub serial: String,
    /// `run` has it.
    #[serde(default)]
    pub debug: String,
    pub ticks: u64,
    pub stats: Stats,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Stats {
    pub mmu: String,
    #[serde(default)]
    pub exits: Vec<Exits>,
    /// What KVM counts, by KVM's names, where that ran the guest: not by reason.
    #[serde(default)]
    pub kvm: BTreeMap<String, u64>,
    /// The others by name.
    #[serde(flatten)]
    counters: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Exits {
    pub reason: u32,
    pub name: String,
    pub count: u64,
}

impl Run {
    /// Runs the tool with these arguments.
    pub fn new(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Self> {
        let output = Command::new(env::current_exe()?).args(arguments).output()?;
        serde_json::from_slice(&output.stdout).map_err(|_| {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.trim_end().trim_start_matches("minivmx: ");
            anyhow!("{}: {said}", output.status)
        })
    }

    /// Exits that the guest caused, and not the host.
    pub fn caused(&self) -> impl Iterator<Item = &Exits> {
        let exits = self.stats.exits.iter();
        exits.filter(|exits| !is_for_host(Reason(exits.reason)))
    }

    /// Exits with a reason.
    pub fn exits_for(&self, reason: Reason) -> u64 {
        let exits = self.stats.exits.iter();
        let exits = exits.filter(|exits| exits.reason == reason.0);
        exits.map(|exits| exits.count).sum()
    }

    /// What another MMU does not have, it has not counted.
    pub fn counter(&self, name: &str) -> u64 {
        self.stats.counters.get(name).copied().unwrap_or_default()
    }
}
