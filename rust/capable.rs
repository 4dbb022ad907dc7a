// SPDX-License-Identifier: GPL-2.0

//! Capabilities of the calling program.

use kernel::bindings;

/// Has the calling program `CAP_SYS_ADMIN`?
pub(crate) fn sys_admin() -> bool {
    // SAFETY: Asking for a capability of the current task has no preconditions.
    unsafe { bindings::capable(bindings::CAP_SYS_ADMIN as _) }
}
