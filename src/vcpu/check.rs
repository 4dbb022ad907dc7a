// SPDX-License-Identifier: GPL-2.0

//! Answering `MINIVMX_CHECK`: could the guest be entered?

use super::{
    burst::load_frame,
    context::Context,
    entry_check,
    event,
    Vcpu, //
};
use crate::{
    support::uapi::minivmx_violation,
    vmx::{
        check::Violation,
        exit::Interruptibility,
        field::GUEST_INTERRUPTIBILITY, //
    }, //
};
use kernel::prelude::*;
use zerocopy::FromZeros;

impl Vcpu {
    /// What the next entry would fail for, or zeroes.
    ///
    /// # Errors
    ///
    /// Those of `MINIVMX_RUN` for an event that cannot be delivered; `EBUSY`, `EIO`.
    pub(crate) fn check_entry(&self) -> Result<minivmx_violation> {
        let event = self.page.event()?;
        self.with_context(|cx| {
            self.page.read_frame(&mut cx.guest.frame);
            cx.guest.event = event;
            event::check(cx.vmcs, cx.guest, &cx.vm.machine.capabilities)?;
            load_frame(cx.vmcs, cx.guest);
            let found = find(cx);
            Ok(found.map_or_else(minivmx_violation::new_zeroed, |found| {
                entry_check::told(cx, &found)
            }))
        })
    }
}

/// Looks at the guest as a run would enter it, and leaves it as it is.
fn find(cx: &Context<'_>) -> Option<Violation> {
    let blocking = Interruptibility::from_raw(cx.vmcs.read(GUEST_INTERRUPTIBILITY));
    event::begin_to_step(cx.vmcs, cx.guest.frame.rflags);
    let found = entry_check::find(cx);
    cx.vmcs.set_interruptibility(blocking);
    found
}
