// SPDX-License-Identifier: GPL-2.0

//! `minivmx lab linux-boot`: one Linux by each way to translate its memory, and by KVM's.

mod boot;
mod boots;
mod budget;
pub mod mode;
mod page;
mod table;

use std::{
    fs,
    path::Path,
    process::ExitCode, //
};

use anyhow::{
    ensure,
    Context,
    Result, //
};
use serde::{
    Deserialize,
    Serialize, //
};

use super::{
    arguments::LinuxBoot,
    write, //
};
use crate::host::{
    self,
    Counter,
    Host, //
};
use boot::Boot;
use boots::Boots;
use budget::Finding;
use mode::Mode;
use table::{
    Head,
    Row, //
};

/// What `--json` writes and `--add` reads, which has no need of the rest.
#[derive(Deserialize, Serialize)]
struct Report {
    host: Host,
    boots: Boots,
    #[serde(skip_deserializing)]
    ticks: &'static str,
    #[serde(skip_deserializing)]
    budgets: Vec<Finding>,
}

/// Boots the guest in each mode, and shows what that took.
pub fn run(arguments: &LinuxBoot) -> Result<ExitCode> {
    let host = Host::here();
    host::stay_on_this_cpu()?;
    let boots = boots(arguments, &host)?;
    let findings = budget::check(&host, &boots);
    println!("\n{}", meaning(host.counter));
    for finding in &findings {
        println!("{finding}");
    }
    if let Some(path) = &arguments.html {
        write(path, &page::html(&host, &boots, &findings)?)?;
    }
    let holds = findings.iter().all(Finding::holds);
    if let Some(path) = &arguments.json {
        let report = Report {
            ticks: meaning(host.counter),
            host,
            boots,
            budgets: findings,
        };
        write(path, &(serde_json::to_string_pretty(&report)? + "\n"))?;
    }
    Ok(match holds {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Those that are to be added, and then the others, one after the other, shown as they end.
fn boots(arguments: &LinuxBoot, host: &Host) -> Result<Boots> {
    let modes = match arguments.modes.as_slice() {
        [] => Mode::here()?,
        some => some.to_vec(),
    };
    println!("{}, CPUs: {}\n\n{Head}", host.model, host.cpus);
    let mut boots = match &arguments.add {
        Some(path) => added(path, host)?,
        None => Boots::default(),
    };
    for boot in boots.all() {
        println!("{}", Row(boot, &boots));
    }
    for mode in modes {
        let boot = Boot::new(mode, arguments).with_context(|| mode.options().join(" "))?;
        println!("{}", Row(&boot, &boots));
        boots.add(boot);
    }
    Ok(boots)
}

fn added(path: &Path, host: &Host) -> Result<Boots> {
    let name = || path.display().to_string();
    let text = fs::read_to_string(path).with_context(name)?;
    let report: Report = serde_json::from_str(&text).with_context(name)?;
    ensure!(
        report.host == *host,
        "{}: that was measured on another machine",
        name()
    );
    Ok(report.boots)
}

/// What the figures are, to stand beside them.
fn meaning(counter: Counter) -> &'static str {
    match counter {
        Counter::Cycles => CYCLES,
        Counter::Instructions => INSTRUCTIONS,
    }
}

const CYCLES: &str = "\
Mticks are millions of the time-stamp counter's ticks, from the first entry into the guest until
it had printed what was waited for, the program's devices among them. Ratio is to KVM's in the
same mode. EPT, faults and INVLPG are exits; writes are those to page tables that were trapped;
tables are pages of them, at the end.";

const INSTRUCTIONS: &str = "\
Mticks are millions of ticks, which are instructions in the emulator and no cycles, from the first
entry into the guest until it had printed what was waited for, the program's devices among them.
Ratio is to KVM's in the same mode. EPT, faults and INVLPG are exits; writes are those to page
tables that were trapped; tables are pages of them, at the end.";
