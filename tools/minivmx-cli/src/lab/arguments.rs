// SPDX-License-Identifier: GPL-2.0

//! What `minivmx lab` is told.

use std::path::PathBuf;

use clap::{
    Args,
    Subcommand, //
};

use super::workload::Workload;

/// Experiments that show how virtualisation works
#[derive(Debug, Subcommand)]
pub enum Experiment {
    EptVsShadow(EptVsShadow),
}

/// Compare EPT and the policies of shadow paging, workload by workload
///
/// Each workload is a guest with page tables of its own. It runs with every MMU that this machine
/// has, must come to the same result with each, and is shown with its exits by reason, its time,
/// and the memory that page tables for the guest took. What theory says about these is then
/// checked against the figures; the status is 0 only if all of it holds.
#[derive(Args, Debug)]
pub struct EptVsShadow {
    /// Print one row per workload, and of the checks only what fails
    #[arg(long)]
    pub short: bool,
    /// Also write all figures and checks to a file, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Also write a page with charts to a file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Run this guest, as `minivmx run --elf` does, in place of the workloads: nothing is checked then but
    /// that it does the same with each MMU
    #[arg(long, value_name = "FILE", conflicts_with_all = ["workloads", "html", "short"])]
    pub elf: Option<PathBuf>,
    /// Give that guest so many seconds with each MMU
    #[arg(long, value_name = "SECONDS", default_value_t = 60, requires = "elf",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub timeout: u32,
    /// Only these workloads
    #[arg(long, value_name = "WORKLOAD", value_delimiter = ',')]
    pub workloads: Vec<Workload>,
}
