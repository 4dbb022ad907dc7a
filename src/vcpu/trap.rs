// SPDX-License-Identifier: GPL-2.0

//! What exits because the program wants to see it.

use super::{
    context::Context,
    state::Traps,
    windows::Windows, //
};
use crate::vmx::exit::basic;
use kernel::prelude::*;

/// Lets exit what the program wants to see, and nothing else but what has to.
pub(crate) fn set(cx: &mut Context<'_>, traps: Traps) -> Result {
    // The guest's own bits may have changed since their shadows were written, which it is to read
    // now.
    let registers = &cx.vm.control_registers;
    registers.cr0.set(cx.vmcs, cx.cr0())?;
    registers.cr4.set(cx.vmcs, cx.cr4())?;
    cx.vmcs
        .set_control_register_exiting(traps.contains(basic::CR_ACCESS));
    cx.vmcs.set_exceptions(traps.exceptions);
    cx.vmcs.set_msr_bitmap(traps.all_msrs());
    cx.guest.traps = traps;
    Ok(())
}

/// Lets exit what the program waits for in this run.
#[inline]
pub(crate) fn set_windows(cx: &mut Context<'_>, asked: Windows) {
    cx.guest.windows_asked = asked;
    if asked != cx.guest.windows_set {
        open_windows(cx, asked);
    }
}

/// The same again, where the controls have served something else.
#[cold]
pub(crate) fn renew_windows(cx: &mut Context<'_>) {
    open_windows(cx, cx.guest.windows_asked);
}

/// Lets exit something else, until a burst begins.
#[cold]
pub(crate) fn open_windows(cx: &mut Context<'_>, windows: Windows) {
    cx.guest.windows_set = windows;
    cx.vmcs.set_windows(windows.interrupt(), windows.nmi());
}
