// SPDX-License-Identifier: GPL-2.0

//! What `minivmx lab` is told.

use std::path::PathBuf;

use clap::{
    Args,
    Subcommand, //
};

use super::{
    linux_boot::mode::Mode,
    workload::Workload, //
};

/// Experiments that show how virtualisation works
#[derive(Debug, Subcommand)]
pub enum Experiment {
    EptVsShadow(EptVsShadow),
    LinuxBoot(LinuxBoot),
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
    /// Run this guest, as `minivmx run --elf` does, in place of the workloads: nothing is checked
    /// then but that it does the same with each MMU
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

/// Boot one Linux by EPT, by each policy of shadow paging, and by KVM, and compare what it took
///
/// Each boot is one of `minivmx boot`, with the same devices whatever runs the guest, up to what
/// --until waits for. How KVM translates is said when kvm_intel is loaded (ept=0): to have both
/// ways in one table, boot by one, load it anew, and --add what was written before. Where both
/// are there, and the counter counts instructions of one CPU, the status is 0 only if minivmx
/// stays within its budget, a share of what KVM takes in the same mode.
#[derive(Args, Debug)]
pub struct LinuxBoot {
    /// The kernel, a bzImage for 64-bit CPUs
    #[arg(long, value_name = "FILE")]
    pub kernel: PathBuf,
    /// Its initial RAM disk
    #[arg(long, value_name = "FILE")]
    pub initrd: PathBuf,
    /// Its command line (default: as of `minivmx boot`)
    #[arg(long, value_name = "WORDS")]
    pub cmdline: Option<String>,
    /// Its memory (default: as of `minivmx boot`)
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// What it prints when it is there
    #[arg(long, value_name = "TEXT")]
    pub until: String,
    /// Fail if that takes so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub timeout: u32,
    /// Only these: kvm, ept, vtlb, wp, unsync (default: what this machine has)
    #[arg(long, value_name = "MODE", value_delimiter = ',')]
    pub modes: Vec<Mode>,
    /// Put the boots that --json wrote before into the table, too
    #[arg(long, value_name = "FILE")]
    pub add: Option<PathBuf>,
    /// Also write all figures to a file, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Also write a page with charts to a file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}
