// SPDX-License-Identifier: GPL-2.0

//! What of a guest is to be shown when it has stopped.

use std::path::PathBuf;

use clap::Args;
use minivmx::{
    Address,
    Purpose,
    Question, //
};

use crate::numbers::number;

/// What of translation is to be shown at the end.
#[derive(Args, Debug)]
pub struct LookArgs {
    /// End when the guest comes to the instruction at this linear address (it uses DR0); with
    /// --step, go on from there one by one
    #[arg(long = "break", value_name = "ADDRESS", value_parser = number)]
    pub breakpoint: Option<u64>,
    /// At the end, draw how linear addresses are translated: every entry of every table, numbered.
    /// An address is read from, unless :write or :fetch stands behind it; :user makes it an access
    /// of a program
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', value_parser = question,
        conflicts_with = "json")]
    pub walk: Vec<Question>,
    /// Write the drawings of --walk to this file, too, as a page with pictures
    #[arg(long, value_name = "FILE", requires = "walk")]
    pub walk_page: Option<PathBuf>,
    /// At the end, show all that the guest's tables map, with what EPT or the shadow has beside it
    #[arg(long, conflicts_with = "json")]
    pub tables: bool,
}

fn question(text: &str) -> Result<Question, String> {
    let mut words = text.split(':');
    let address = words.next().unwrap_or_default();
    let address =
        number(address).map_err(|error| format!("{address} is not an address: {error}"))?;
    let mut question = Question::read(Address::Linear(address));
    for word in words {
        match word {
            "read" => question.purpose = Purpose::Read,
            "write" => question.purpose = Purpose::Write,
            "fetch" => question.purpose = Purpose::Fetch,
            "user" => question.user = true,
            _ => return Err(format!("{word} is neither read, write, fetch nor user")),
        }
    }
    Ok(question)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_for() {
        let read = question("0x1000").expect("an address");
        assert_eq!(read, Question::read(Address::Linear(0x1000)));
        let write = question("4096:write:user").expect("an address");
        assert_eq!((write.purpose, write.user), (Purpose::Write, true));
        assert!(question("0x1000:jump").is_err());
        assert!(question("main").is_err());
    }
}
