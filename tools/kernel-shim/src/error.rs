// SPDX-License-Identifier: GPL-2.0

//! Errors.

use crate::alloc::AllocError;

/// An errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error(pub i32);

/// Result of a kernel function.
pub type Result<T = (), E = Error> = core::result::Result<T, E>;

impl From<AllocError> for Error {
    fn from(_: AllocError) -> Self {
        code::ENOMEM
    }
}

/// Errnos by name.
pub mod code {
    use super::Error;

    /// No such file or directory.
    pub const ENOENT: Error = Error(-2);
    /// Interrupted system call.
    pub const EINTR: Error = Error(-4);
    /// Argument list too long.
    pub const E2BIG: Error = Error(-7);
    /// Out of memory.
    pub const ENOMEM: Error = Error(-12);
    /// Bad address.
    pub const EFAULT: Error = Error(-14);
    /// File exists.
    pub const EEXIST: Error = Error(-17);
    /// Invalid argument.
    pub const EINVAL: Error = Error(-22);
    /// Value too large.
    pub const EOVERFLOW: Error = Error(-75);
}
