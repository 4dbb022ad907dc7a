// SPDX-License-Identifier: GPL-2.0

//! How addresses of a guest are translated: as a drawing for the terminal, as a page, and whole
//! tables.

pub mod arguments;
mod beside;
mod grid;
mod page;
mod tables;
mod words;

use std::{
    fs,
    io::{
        self,
        Write, //
    },
};

use anyhow::{
    Context,
    Result, //
};
use minivmx::{
    Pte,
    Question,
    Tables,
    Translation,
    Vcpu,
    Vm, //
};
use vm_memory::GuestMemoryMmap;

use arguments::LookArgs;

/// A translation, and what it is of.
struct Walk {
    question: Question,
    translation: Translation,
}

/// Shows what was asked for of a guest that does not run.
pub fn show(arguments: &LookArgs, vm: &Vm, vcpu: &Vcpu, memory: &GuestMemoryMmap) -> Result<()> {
    let walks = arguments
        .walk
        .iter()
        .map(|question| {
            let translation = vcpu.translate(question)?;
            Ok(Walk {
                question: *question,
                translation,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let mut out = io::stdout().lock();
    for walk in &walks {
        write!(out, "\n{}", text(walk, vm.mmu().is_shadow()))?;
    }
    if arguments.tables {
        write!(out, "\n{}", tables::text(vm, vcpu, memory)?)?;
    }
    if let Some(path) = &arguments.walk_page {
        fs::write(path, page::html(&walks, vm.mmu()))
            .with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// A walk for a terminal of 80 columns.
fn text(walk: &Walk, is_shadow: bool) -> String {
    match is_shadow {
        true => beside::text(walk),
        false => grid::text(walk),
    }
}

impl Walk {
    /// The rows of a drawing: one for each of the guest's entries, with those of EPT before it; at
    /// the end those for the page alone. References have their numbers, from 1 on.
    fn rows(&self) -> Vec<Row> {
        let mut rows = vec![Row::default()];
        for (number, pte) in (1..).zip(&self.translation.entries) {
            let Some(row) = rows.last_mut() else { break };
            match pte.tables {
                Tables::Guest => {
                    row.guest = Some((number, *pte));
                    rows.push(Row::default());
                }
                _ => row.ept.push((number, *pte)),
            }
        }
        rows.retain(|row| !row.ept.is_empty() || row.guest.is_some());
        rows
    }
}

/// A numbered entry.
type Numbered = (usize, Pte);

/// Entries of EPT that lead to an entry of the guest's, or to the page.
#[derive(Default)]
struct Row {
    ept: Vec<Numbered>,
    guest: Option<Numbered>,
}

impl Row {
    /// The guest-physical address that EPT translates here.
    fn gpa(&self) -> Option<u64> {
        let (_, pte) = self.ept.first()?;
        Some(pte.input)
    }
}

#[cfg(test)]
mod tests;
