// SPDX-License-Identifier: GPL-2.0

//! The command line: one definition for parsing, help, manual pages and shell
//! completion. What a command is told is defined beside it.

use std::{
    io,
    process::ExitCode, //
};

use anyhow::Result;
use clap::{
    CommandFactory,
    Parser,
    Subcommand, //
};
use clap_complete::Shell;

use crate::{
    bench,
    boot,
    console::output,
    info,
    lab,
    manual,
    run,
    stats, //
};

/// Virtual machines on Intel VMX, to see how it works
#[derive(Debug, Parser)]
#[command(name = env!("CARGO_BIN_NAME"), version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Info(info::Arguments),
    Run(run::Arguments),
    Boot(boot::Arguments),
    Stats(stats::Arguments),
    Bench(bench::Arguments),
    #[command(subcommand)]
    Lab(lab::Experiment),
    /// Show the manual on a terminal; elsewhere print a manual page, for man(1)
    Manual {
        /// The page of this command, instead of the program's
        command: Vec<String>,
    },
    /// Print completions for a shell
    Completion {
        /// The shell
        shell: Shell,
    },
}

/// Does what the command line says; an error goes to standard error.
pub fn execute() -> ExitCode {
    match Cli::parse().command.execute() {
        Ok(status) => status,
        Err(error) => {
            output::tell(format_args!("minivmx: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

impl Command {
    fn execute(&self) -> Result<ExitCode> {
        match self {
            Self::Info(arguments) => info::show(arguments)?,
            Self::Run(arguments) => return run::run(arguments),
            Self::Boot(arguments) => return boot::boot(arguments),
            Self::Stats(arguments) => stats::show(arguments)?,
            Self::Bench(arguments) => bench::run(arguments)?,
            Self::Lab(experiment) => return lab::run(experiment),
            Self::Manual { command } => manual::show(Cli::command(), command)?,
            Self::Completion { shell } => {
                let (mut command, name) = (Cli::command(), env!("CARGO_BIN_NAME"));
                clap_complete::generate(*shell, &mut command, name, &mut io::stdout());
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(words.split(' '))
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn errors_name_the_argument() {
        for (words, text) in [
            ("minivmx run", "--bios"),
            ("minivmx run --bios b --elf e", "cannot be used with"),
            ("minivmx run --flat f", "the address is missing"),
            ("minivmx run --flat f@0xg", "0xg is not an address"),
            ("minivmx run --bios b --timeout 0", "--timeout"),
            ("minivmx run --bios b --memory -1", "-1"),
            ("minivmx run --bios b --mmu npt", "vtlb"),
            ("minivmx boot", "--kernel"),
            ("minivmx boot --kernel k --memory 2T", "2T is not"),
            ("minivmx bench --events sleep", "sleep"),
            ("minivmx lab ept-vs-shadow --workloads idle", "idle"),
        ] {
            let error = parse(words).expect_err(words).to_string();
            assert!(error.contains(text), "{words}: {error}");
        }
    }
}
