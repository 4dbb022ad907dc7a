// SPDX-License-Identifier: GPL-2.0

//! Capabilities of the calling program.

use kernel::{
    bindings,
    prelude::*, //
};

/// Has the calling program `CAP_SYS_ADMIN`?
pub(crate) fn sys_admin() -> bool {
    // CAST: A small number.
    const CAP_SYS_ADMIN: c_int = bindings::CAP_SYS_ADMIN as c_int;
    // SAFETY: Asking for a capability of the current task has no preconditions.
    unsafe { bindings::capable(CAP_SYS_ADMIN) }
}
