// SPDX-License-Identifier: GPL-2.0

//! Error numbers with their names and, for the driver's own, their one meaning.

use std::{
    fmt,
    io, //
};

/// An error number of a system call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Errno(pub i32);

impl Errno {
    /// The number that the last system call of this thread left behind.
    pub fn last() -> Self {
        Self(vmm_sys_util::errno::Error::last().errno())
    }

    /// The symbolic name; `None` for a number that no call used here returns.
    pub fn name(self) -> Option<&'static str> {
        self.row().map(|(_, name, _)| *name)
    }

    /// What the driver means by it, as `uapi/minivmx.h` lists it.
    pub fn meaning(self) -> Option<&'static str> {
        self.row().and_then(|(_, _, meaning)| *meaning)
    }

    fn row(self) -> Option<&'static Row> {
        TABLE.iter().find(|(number, ..)| *number == self.0)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let system = io::Error::from_raw_os_error(self.0);
        match self.row() {
            Some((_, name, Some(meaning))) => write!(f, "{name}: {meaning}"),
            Some((_, name, None)) => write!(f, "{name}: {system}"),
            None => write!(f, "{system}"),
        }
    }
}

type Row = (i32, &'static str, Option<&'static str>);

/// The errors of the interface in the order of its header, then those of
/// `open()` and `mmap()`.
const TABLE: &[Row] = &[
    (
        libc::ENOTTY,
        "ENOTTY",
        Some("there is no such call on this kind of file"),
    ),
    (
        libc::E2BIG,
        "E2BIG",
        Some("that is more than this driver takes"),
    ),
    (
        libc::EOPNOTSUPP,
        "EOPNOTSUPP",
        Some("this CPU or this driver does not support it"),
    ),
    (
        libc::EINVAL,
        "EINVAL",
        Some("a member has a value that it can never have"),
    ),
    (libc::ENOENT, "ENOENT", Some("what is named is not there")),
    (
        libc::EEXIST,
        "EEXIST",
        Some("what is to be made is there already"),
    ),
    (
        libc::EPERM,
        "EPERM",
        Some("this VMCS field is not the caller's to read or write"),
    ),
    (
        libc::EBUSY,
        "EBUSY",
        Some(
            "VMX is held by a program that the driver cannot share it with, \
             or the vCPU is running on another thread",
        ),
    ),
    (libc::EINTR, "EINTR", Some("a signal came first")),
    (libc::ENOMEM, "ENOMEM", Some("there is no memory for it")),
    (
        libc::EFAULT,
        "EFAULT",
        Some("a pointer does not lead to memory of the program"),
    ),
    (
        libc::EIO,
        "EIO",
        Some("the CPU refused a VMX instruction that it should have carried out"),
    ),
    (libc::EACCES, "EACCES", None),
    (libc::EMFILE, "EMFILE", None),
    (libc::ENFILE, "ENFILE", None),
    (libc::ENODEV, "ENODEV", None),
    (libc::ENXIO, "ENXIO", None),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_comes_first() {
        let text = Errno(libc::EBUSY).to_string();
        assert!(text.starts_with("EBUSY: VMX is held by"), "{text}");
        assert!(Errno(libc::EACCES)
            .to_string()
            .starts_with("EACCES: Permission denied"));
    }

    #[test]
    fn an_unknown_number_is_still_said() {
        assert_eq!(Errno(libc::EXDEV).name(), None);
        assert!(Errno(libc::EXDEV).to_string().contains("os error 18"));
    }
}
