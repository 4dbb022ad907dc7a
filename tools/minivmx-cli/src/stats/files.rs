// SPDX-License-Identifier: GPL-2.0

//! The files of VMs and vCPUs that programs have open, by what `/proc` says of them.

use std::{
    fs,
    path::Path, //
};

use anyhow::{
    Context,
    Result, //
};
use minivmx::{
    Mmu,
    Stats, //
};

/// A file that a program has open.
#[derive(Debug)]
pub struct File {
    /// The program's process.
    pub process: u32,
    /// Its name.
    pub program: String,
    /// Its number for the file.
    pub fd: u32,
    /// What the file is.
    pub kind: Kind,
    /// What was counted.
    pub stats: Stats,
}

/// What a file is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A VM.
    Vm(Mmu),
    /// A vCPU, with its number.
    Vcpu(u32),
}

impl File {
    /// Is it the same file, looked at another time?
    pub fn is_same(&self, other: &File) -> bool {
        (self.process, self.fd, self.kind) == (other.process, other.fd, other.kind)
    }
}

/// Those of these processes, else of all, in the order of their numbers. A process that goes
/// meanwhile has none.
///
/// # Errors
///
/// If one that is named is not there, or not to be looked at.
pub fn open(processes: &[u32]) -> Result<Vec<File>> {
    let mut files = Vec::new();
    if processes.is_empty() {
        for process in numbers(Path::new("/proc"))? {
            files.extend(of_process(process).unwrap_or_default());
        }
    } else {
        for process in processes {
            files.extend(of_process(*process)?);
        }
    }
    Ok(files)
}

fn of_process(process: u32) -> Result<Vec<File>> {
    let place = Path::new("/proc").join(process.to_string());
    let fds = numbers(&place.join("fd"))?;
    let program = fs::read_to_string(place.join("comm")).unwrap_or_default();
    let found = fds.into_iter().filter_map(|fd| {
        let link = fs::read_link(place.join(format!("fd/{fd}"))).ok()?;
        if !link.to_str()?.starts_with("anon_inode:minivmx-") {
            return None;
        }
        let text = fs::read_to_string(place.join(format!("fdinfo/{fd}"))).ok()?;
        Some(File {
            process,
            program: program.trim_end().to_owned(),
            fd,
            kind: kind(&text)?,
            stats: Stats::from_fdinfo(&text),
        })
    });
    Ok(found.collect())
}

/// The entries of a directory that are numbers.
fn numbers(directory: &Path) -> Result<Vec<u32>> {
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut numbers: Vec<u32> = names.filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// What a file is, by its text.
fn kind(text: &str) -> Option<Kind> {
    text.lines().find_map(|line| match line.split_once(":\t")? {
        ("mmu", name) => name.parse().ok().map(Kind::Vm),
        ("vcpu", number) => number.parse().ok().map(Kind::Vcpu),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_it_is() {
        assert_eq!(
            kind("pos:\t0\nmmu:\twp\nruns:\t1\n"),
            Some(Kind::Vm(Mmu::Wp))
        );
        assert_eq!(kind("pos:\t0\nvcpu:\t3\n"), Some(Kind::Vcpu(3)));
        assert_eq!(kind("pos:\t0\nflags:\t02\n"), None);
    }

    #[test]
    fn a_process_without_vms_has_no_files() {
        assert!(of_process(std::process::id()).is_ok_and(|files| files.is_empty()));
        assert!(open(&[u32::MAX]).is_err());
    }
}
