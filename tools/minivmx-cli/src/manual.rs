// SPDX-License-Identifier: GPL-2.0

//! `minivmx manual`: the manual pages, from the same definitions as the
//! command line.

use std::io::Write;

use anyhow::{
    Context,
    Result, //
};
use clap_mangen::Man;

/// Writes the page of the program, or that of one of its commands, given word by word.
pub fn write(program: clap::Command, command: &[String], output: &mut impl Write) -> Result<()> {
    let mut program = program.disable_help_subcommand(true);
    // Gives the commands their full names, such as minivmx-run.
    program.build();
    let page = command.iter().try_fold(&program, |page, name| {
        page.find_subcommand(name)
            .with_context(|| format!("there is no command {}", command.join(" ")))
    })?;
    Ok(Man::new(page.clone()).render(output)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory;

    fn page(command: &[&str]) -> String {
        let command: Vec<_> = command.iter().map(ToString::to_string).collect();
        let mut text = Vec::new();
        write(Cli::command(), &command, &mut text).expect("there is such a page");
        String::from_utf8(text).expect("it is text")
    }

    #[test]
    fn the_program_has_a_page_that_leads_to_the_others() {
        assert!(page(&[]).contains("minivmx\\-run(1)"));
    }

    #[test]
    fn a_command_has_a_page_with_its_options() {
        let text = page(&["run"]);
        assert!(text.contains(".TH minivmx-run 1"), "{text}");
        assert!(text.contains("\\-\\-until"), "{text}");
    }

    #[test]
    fn a_command_of_a_command_has_a_page() {
        let text = page(&["lab", "ept-vs-shadow"]);
        assert!(text.contains(".TH minivmx-lab-ept-vs-shadow 1"), "{text}");
        assert!(text.contains("\\-\\-html"), "{text}");
    }

    #[test]
    fn an_unknown_command_has_none() {
        assert!(write(Cli::command(), &["fly".into()], &mut Vec::new()).is_err());
    }
}
