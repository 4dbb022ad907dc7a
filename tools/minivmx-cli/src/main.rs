// SPDX-License-Identifier: GPL-2.0

//! The command `minivmx`: shows what a CPU can do, runs guests, measures exits.

mod bench;
mod cli;
mod console;
mod guest;
mod host;
mod info;
mod lab;
mod manual;
mod pc;
mod run;

use std::{
    io,
    process::ExitCode, //
};

use anyhow::Result;
use clap::{
    CommandFactory,
    Parser, //
};

use cli::{
    Cli,
    Command, //
};

fn main() -> ExitCode {
    match execute(&Cli::parse().command) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("minivmx: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Info(arguments) => info::show(arguments)?,
        Command::Run(arguments) => return run::run(arguments),
        Command::Bench(arguments) => bench::run(arguments)?,
        Command::Lab(experiment) => return lab::run(experiment),
        Command::Manual { command } => manual::write(command, &mut io::stdout())?,
        Command::Completion { shell } => {
            let (mut command, name) = (Cli::command(), env!("CARGO_BIN_NAME"));
            clap_complete::generate(*shell, &mut command, name, &mut io::stdout());
        }
    }
    Ok(ExitCode::SUCCESS)
}
