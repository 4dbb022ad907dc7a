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
mod signal;

/// What the driver tells guests of the CPU, by its own file: a guest of KVM is to hear the same.
/// The kernel's rules ask for fewer parentheses.
#[allow(clippy::precedence)]
#[path = "../../../src/machine"]
mod machine {
    pub(crate) mod cpuid;
}

/// The architecture, by the driver's own files, of which not all is used here.
#[allow(dead_code, clippy::precedence)]
#[path = "../../../src/x86"]
mod x86 {
    pub(crate) mod cpuid;
    pub(crate) mod debug_register;
    pub(crate) mod misc_enable;
    pub(crate) mod msr;
    pub(crate) mod rflags;
}

fn main() -> std::process::ExitCode {
    cli::execute()
}
