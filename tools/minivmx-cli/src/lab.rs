// SPDX-License-Identifier: GPL-2.0

//! `minivmx lab`: experiments.

mod arguments;
pub mod chart;
mod check;
mod child;
mod guest;
mod linux_boot;
mod measurement;
mod own_guest;
mod page;
mod results;
mod table;
mod workload;

use std::{
    fs,
    path::Path,
    process::ExitCode, //
};

use anyhow::{
    bail,
    Context,
    Result, //
};
use clap::ValueEnum;
use minivmx::{
    Device,
    Mmu, //
};
use serde_json::json;

use arguments::EptVsShadow;
pub use arguments::Experiment;
use check::{
    Finding,
    Verdict, //
};
use own_guest::Runs;
use results::Results;
use workload::Workload;

use crate::host::{
    self,
    Host, //
};

/// What ticks are, to stand beside them.
const TICKS: &str = "\
Ticks are those of the guest's time-stamp counter, which runs on while the hypervisor works. In the
emulator (Bochs without synchronisation, one CPU) they are executed instructions, not cycles: they
hold the software's own work, and neither cache and TLB misses nor the time that a VM exit takes a
real chip.";

/// Runs an experiment.
pub fn run(experiment: &Experiment) -> Result<ExitCode> {
    match experiment {
        Experiment::EptVsShadow(arguments) => ept_vs_shadow(arguments),
        Experiment::LinuxBoot(arguments) => linux_boot::run(arguments),
    }
}

fn ept_vs_shadow(arguments: &EptVsShadow) -> Result<ExitCode> {
    if let Some(elf) = &arguments.elf {
        return own_guest(elf, arguments);
    }
    let workloads = match arguments.workloads.as_slice() {
        [] => Workload::value_variants(),
        some => some,
    };
    let host = Host::here();
    host::stay_on_this_cpu()?;
    let results = measure(workloads)?;
    let findings = check::all(&results);
    print(arguments, &host, &results, &findings);
    if let Some(path) = &arguments.json {
        let object = json!({
            "host": host,
            "ticks": TICKS,
            "measurements": results.measurements(),
            "checks": findings,
        });
        write(path, &format!("{object:#}\n"))?;
    }
    if let Some(path) = &arguments.html {
        write(path, &page::html(&host, &results, &findings)?)?;
    }
    let failed = findings.iter().any(|finding| finding.verdict.fails());
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The user's own guest in place of the workloads: there is no theory of it, but that it does the
/// same with each MMU.
fn own_guest(elf: &Path, arguments: &EptVsShadow) -> Result<ExitCode> {
    let host = Host::here();
    host::stay_on_this_cpu()?;
    let runs = Runs::new(elf, &mmus(&Device::open()?)?, arguments.timeout)?;
    println!("{}, CPUs: {}\n\n{runs}\n\n{TICKS}", host.model, host.cpus);
    let faults = runs.faults();
    for fault in &faults {
        println!("\n{fault}");
    }
    if let Some(path) = &arguments.json {
        let object = json!({"host": host, "ticks": TICKS, "runs": runs, "faults": faults});
        write(path, &format!("{object:#}\n"))?;
    }
    Ok(match faults.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn mmus(device: &Device) -> Result<Vec<Mmu>> {
    let mmus = device.info()?.mmus();
    if mmus.is_empty() {
        bail!("this machine has no MMU for a guest; `minivmx info` says why");
    }
    Ok(mmus)
}

/// One guest at a time, each in a VM of its own.
fn measure(workloads: &[Workload]) -> Result<Results> {
    let device = Device::open()?;
    let mmus = mmus(&device)?;
    let mut measurements = Vec::new();
    for workload in workloads {
        for mmu in &mmus {
            let measurement = guest::measure(&device, *mmu, *workload)
                .with_context(|| format!("{} with {mmu}", workload.name()))?;
            measurements.push(measurement);
        }
    }
    Ok(Results::new(measurements))
}

fn print(arguments: &EptVsShadow, host: &Host, results: &Results, findings: &[Finding]) {
    println!("{}, CPUs: {}\n", host.model, host.cpus);
    if arguments.short {
        println!("{}", table::Short(results));
    } else {
        println!("{}", table::Long(results));
    }
    println!("{TICKS}\n");
    let shown = |finding: &&Finding| match finding.verdict {
        Verdict::Holds(_) => !arguments.short,
        Verdict::Fails(_) => true,
        Verdict::NotMeasured => false,
    };
    for finding in findings.iter().filter(shown) {
        println!("{finding}");
    }
    println!("What theory says: {}", check::Summary(findings));
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| path.display().to_string())
}
