// SPDX-License-Identifier: GPL-2.0

//! `minivmx manual`: the manual pages, from the same definitions as the
//! command line.

use std::{
    env,
    io::{
        self,
        IsTerminal,
        Write, //
    },
    process::{
        Command,
        Stdio, //
    },
};

use anyhow::{
    Context,
    Result, //
};
use clap_mangen::Man;

/// Shows the page of the program, or that of one of its commands, given word by word: as text
/// where somebody reads it, which needs no man(1).
pub fn show(program: clap::Command, command: &[String]) -> Result<()> {
    let page = find(program, command)?;
    if io::stdout().is_terminal() {
        let text = text(page);
        page_by_page(&text).or_else(|_| print(&text))
    } else {
        Ok(Man::new(page).render(&mut io::stdout())?)
    }
}

fn find(program: clap::Command, command: &[String]) -> Result<clap::Command> {
    let mut program = program.disable_help_subcommand(true);
    // Gives the commands their full names, such as minivmx-run.
    program.build();
    let page = command.iter().try_fold(&program, |page, name| {
        page.find_subcommand(name)
            .with_context(|| format!("there is no command {}", command.join(" ")))
    })?;
    Ok(page.clone())
}

/// The page as wide as the terminal.
fn text(mut page: clap::Command) -> String {
    page.render_long_help().to_string()
}

/// Shows text by PAGER, which may be a command with options, or by less, which ends by itself
/// where all of it is seen at once.
fn page_by_page(text: &str) -> Result<()> {
    let pager = env::var("PAGER").unwrap_or_default();
    let mut words = pager.split_whitespace();
    let mut child = Command::new(words.next().unwrap_or("less"))
        .args(words)
        .env("LESS", env::var("LESS").unwrap_or_else(|_| "FRX".into()))
        .stdin(Stdio::piped())
        .spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        // Whoever has read enough closes it.
        let _ = pipe.write_all(text.as_bytes());
    }
    child.wait()?;
    Ok(())
}

fn print(text: &str) -> Result<()> {
    Ok(io::stdout().write_all(text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory;

    fn page(command: &[&str]) -> String {
        let command: Vec<_> = command.iter().map(ToString::to_string).collect();
        let mut text = Vec::new();
        let page = find(Cli::command(), &command).expect("there is such a page");
        Man::new(page).render(&mut text).expect("a vector takes it");
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
        assert!(find(Cli::command(), &["fly".into()]).is_err());
    }

    #[test]
    fn as_text_it_fits_into_a_line_of_80() {
        for command in [
            &[][..],
            &["run".into()],
            &["lab".into(), "ept-vs-shadow".into()],
        ] {
            let page = find(Cli::command(), command).expect("there is such a page");
            let text = text(page.term_width(80));
            assert!(text.contains("Usage: minivmx"), "{text}");
            let long: Vec<_> = text
                .lines()
                .filter(|line| line.chars().count() > 80)
                .collect();
            assert!(long.is_empty(), "{long:#?}");
        }
    }
}
