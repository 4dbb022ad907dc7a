// SPDX-License-Identifier: GPL-2.0

//! An MMU on the command line: one of the names that the library has.

use clap::builder::{
    PossibleValuesParser,
    TypedValueParser, //
};
use minivmx::Mmu;

/// Takes the name of an MMU.
pub fn parser() -> impl TypedValueParser<Value = Mmu> {
    PossibleValuesParser::new(Mmu::ALL.iter().map(|mmu| mmu.name()))
        .try_map(|name| name.parse::<Mmu>())
}
