// SPDX-License-Identifier: GPL-2.0

//! The command `minivmx`: shows what a CPU can do, runs guests, measures exits.

// The command line, and what it leads to.
mod bench;
mod boot;
mod cli;
mod info;
mod lab;
mod manual;
mod run;
mod stats;

// What a guest that runs needs around it.
mod console;
mod guest;
mod pc;
mod walk;

// What several commands ask and say.
mod counts;
mod host;
mod lines;
mod mmu;
mod numbers;
mod page;

fn main() -> std::process::ExitCode {
    cli::execute()
}
