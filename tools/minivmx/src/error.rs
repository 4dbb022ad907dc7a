// SPDX-License-Identifier: GPL-2.0

//! What can go wrong, as sentences.

use crate::errno::Errno;

/// The result of a call of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of the driver, or of what a program wanted of its guest's memory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The device file could not be opened.
    #[error("{path}: {}", open_failure(*.errno))]
    Open {
        /// Path of the device file.
        path: &'static str,
        /// Why.
        errno: Errno,
    },

    /// A call of the driver failed.
    #[error("{call}: {errno}")]
    Call {
        /// Name of the call, as in `uapi/minivmx.h`.
        call: &'static str,
        /// Why.
        errno: Errno,
    },

    /// `GET_MSRS` or `SET_MSRS` stopped at an entry.
    #[error("{call}: MSR {index:#x}: {errno}")]
    Msr {
        /// Name of the call.
        call: &'static str,
        /// The MSR that was refused.
        index: u32,
        /// Why.
        errno: Errno,
    },

    /// What was to be ended has led to another exit, which waits in its place.
    #[error("another VM exit came of the answer to the last one")]
    Exited,

    /// The program touched guest memory that is not there.
    #[error("guest memory at {gpa:#x}, {length} bytes: {cause}")]
    Memory {
        /// Guest-physical address.
        gpa: u64,
        /// Bytes.
        length: usize,
        /// Why.
        cause: String,
    },
}

impl Error {
    /// The error number, where the system gave one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Open { errno, .. } | Self::Call { errno, .. } | Self::Msr { errno, .. } => {
                Some(*errno)
            }
            Self::Exited | Self::Memory { .. } => None,
        }
    }

    /// Whether [`Vcpu::run`](crate::Vcpu::run) was interrupted, and is to be called again.
    pub fn is_interrupted(&self) -> bool {
        self.errno() == Some(Errno(libc::EINTR))
    }
}

fn open_failure(errno: Errno) -> String {
    match errno.0 {
        libc::ENOENT => "ENOENT: the device is not there; is the module minivmx loaded?".into(),
        libc::ENODEV | libc::ENXIO => format!("{errno}; is the module minivmx loaded?"),
        libc::EACCES | libc::EPERM => "EACCES: the device is for root only".into(),
        _ => errno.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_device_names_the_module() {
        let error = Error::Open {
            path: "/dev/minivmx",
            errno: Errno(libc::ENOENT),
        };
        assert_eq!(
            error.to_string(),
            "/dev/minivmx: ENOENT: the device is not there; is the module minivmx loaded?"
        );
    }

    #[test]
    fn a_failed_call_is_named() {
        let error = Error::Call {
            call: "MINIVMX_CREATE_VM",
            errno: Errno(libc::EOPNOTSUPP),
        };
        assert_eq!(
            error.to_string(),
            "MINIVMX_CREATE_VM: EOPNOTSUPP: this CPU or this driver does not support it"
        );
    }
}
