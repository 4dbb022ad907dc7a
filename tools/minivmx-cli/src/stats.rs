// SPDX-License-Identifier: GPL-2.0

//! `minivmx stats`: what VMs of running programs did so far.

mod files;

use std::{
    thread,
    time::{
        Duration,
        Instant, //
    },
};

use anyhow::{
    bail,
    Result, //
};
use clap::Args;
use minivmx::Stats;
use serde_json::{
    json,
    Value, //
};

use crate::counts;
use files::{
    File,
    Kind, //
};

/// Show what the VMs of running programs did so far
///
/// A VM that runs is not stopped for it. All programs are looked at whose files this user may see.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Only the VMs of these processes
    #[arg(value_name = "PID")]
    processes: Vec<u32>,
    /// Go on, and show what happened in each so many seconds, until no VM is left
    #[arg(long, value_name = "SECONDS", conflicts_with = "json", value_parser = seconds)]
    every: Option<Duration>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows what the command line asks for.
pub fn show(arguments: &Arguments) -> Result<()> {
    let mut files = files::open(&arguments.processes)?;
    if files.is_empty() {
        bail!("there is no VM in any program whose files this user may see");
    }
    if arguments.json {
        println!("{:#}", json(&files));
        return Ok(());
    }
    print(&files, &[], Duration::ZERO);
    let mut looked = Instant::now();
    while let Some(time) = arguments.every {
        thread::sleep(time);
        let (before, passed) = (files, looked.elapsed());
        looked = Instant::now();
        // A process that is gone has none.
        files = files::open(&arguments.processes).unwrap_or_default();
        if files.is_empty() {
            break;
        }
        print(&files, &before, passed);
    }
    Ok(())
}

/// More than no time at all.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|error| format!("{error}"))?;
    let time = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    match time.is_zero() {
        true => Err("there must be some time".into()),
        false => Ok(time),
    }
}

/// Shows each file, with what it counted since `before` if it was there, so long ago.
fn print(files: &[File], before: &[File], passed: Duration) {
    for file in files {
        let same = before.iter().find(|other| other.is_same(file));
        let (stats, time) = match same {
            Some(before) => (file.stats.since(&before.stats), Some(passed)),
            None => (file.stats, None),
        };
        println!("{}\n", text(file, &stats, time));
    }
}

fn text(file: &File, stats: &Stats, time: Option<Duration>) -> String {
    let owner = format!(
        "file {} of process {} ({})",
        file.fd, file.process, file.program
    );
    match file.kind {
        Kind::Vm(mmu) => format!(
            "VM with {mmu}, {owner}\n{}",
            counts::Table { stats, mmu, time }
        ),
        Kind::Vcpu(number) => format!("vCPU {number}, {owner}\n{}", counts::of_vcpu(stats, time)),
    }
}

fn json(files: &[File]) -> Value {
    let one = |file: &File| {
        let stats = match file.kind {
            Kind::Vm(mmu) => counts::json(&file.stats, mmu),
            Kind::Vcpu(number) => counts::json_of_vcpu(&file.stats, number),
        };
        json!({
            "process": file.process,
            "program": file.program,
            "file": file.fd,
            "stats": stats,
        })
    };
    files.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_given_in_seconds_or_parts_of_them() {
        assert_eq!(seconds("2"), Ok(Duration::from_secs(2)));
        assert_eq!(seconds("0.25"), Ok(Duration::from_millis(250)));
        for refused in ["0", "-1", "soon", "1e-12", "nan"] {
            assert!(seconds(refused).is_err(), "{refused}");
        }
    }
}
