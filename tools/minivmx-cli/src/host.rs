// SPDX-License-Identifier: GPL-2.0

//! The machine that figures are of.

use std::{
    env,
    fs, //
};

use anyhow::{
    Context,
    Result, //
};
use serde::{
    Deserialize,
    Serialize, //
};

/// What the time-stamp counter counts.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Counter {
    /// Time.
    Cycles,
    /// Executed instructions: an emulator without synchronisation.
    Instructions,
}

impl Counter {
    /// The lab says it of its emulator, which cannot be told from a CPU.
    fn here() -> Self {
        match env::var("MINIVMX_ENGINE").as_deref() {
            Ok("bochs") => Self::Instructions,
            _ => Self::Cycles,
        }
    }
}

/// The machine that figures are of.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Host {
    /// CPUs that are online.
    pub cpus: usize,
    /// The CPU's own name.
    pub model: String,
    /// What its time-stamp counter counts.
    pub counter: Counter,
}

impl Host {
    /// This machine.
    pub fn here() -> Self {
        Self {
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            model: fs::read_to_string("/proc/cpuinfo")
                .ok()
                .and_then(|text| model(&text))
                .unwrap_or_else(|| "unknown".into()),
            counter: Counter::here(),
        }
    }
}

fn model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))?;
    let (_, name) = line.split_once(':')?;
    Some(name.trim().to_owned())
}

/// Stays on the CPU that it runs on: time-stamp counters of different CPUs need not agree.
pub fn stay_on_this_cpu() -> Result<()> {
    // SAFETY: All bit patterns are values of this structure.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `sched_getcpu()` takes no argument; CPU_SET checks the number; the set is only read.
    let answer = unsafe {
        libc::CPU_SET(usize::try_from(libc::sched_getcpu()).unwrap_or(0), &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &set)
    };
    match answer {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()).context("staying on one CPU"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_the_cpus_own_name() {
        let text = "processor\t: 0\nmodel name\t: Intel(R) Core(TM) i7: 4770\nflags\t: vmx\n";
        assert_eq!(model(text).as_deref(), Some("Intel(R) Core(TM) i7: 4770"));
        assert_eq!(model("flags: vmx\n"), None);
    }
}
