// SPDX-License-Identifier: GPL-2.0

//! `minivmx manual`: the manual pages, from the same definitions as the
//! command line.

use std::io::Write;

use anyhow::{
    Context,
    Result, //
};
use clap::CommandFactory;
use clap_mangen::Man;

use crate::cli::Cli;

/// Writes the page of the program, or that of one of its commands.
pub fn write(command: Option<&str>, output: &mut impl Write) -> Result<()> {
    let mut program = Cli::command().disable_help_subcommand(true);
    // Gives the commands their full names, such as minivmx-run.
    program.build();
    let page = match command {
        None => program,
        Some(name) => program
            .find_subcommand(name)
            .with_context(|| format!("there is no command {name}"))?
            .clone(),
    };
    Ok(Man::new(page).render(output)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(command: Option<&str>) -> String {
        let mut text = Vec::new();
        write(command, &mut text).expect("there is such a page");
        String::from_utf8(text).expect("it is text")
    }

    #[test]
    fn the_program_has_a_page_that_leads_to_the_others() {
        assert!(page(None).contains("minivmx\\-run(1)"));
    }

    #[test]
    fn a_command_has_a_page_with_its_options() {
        let text = page(Some("run"));
        assert!(text.contains(".TH minivmx-run 1"), "{text}");
        assert!(text.contains("\\-\\-until"), "{text}");
    }

    #[test]
    fn an_unknown_command_has_none() {
        assert!(write(Some("fly"), &mut Vec::new()).is_err());
    }
}
