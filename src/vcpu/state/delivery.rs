// SPDX-License-Identifier: GPL-2.0

//! The delivery of an event, as far as it matters if an exception cuts it short.

use crate::x86::{
    event::{
        Event,
        Waiting, //
    },
    rflags, //
};

/// The delivery that the last VM entry with an event began.
#[derive(Clone, Copy)]
pub(crate) struct Delivery {
    event: Option<Event>,
    rip: u64,
    /// Was RFLAGS.RF 1?
    resumes: bool,
}

impl Delivery {
    /// None yet.
    pub(super) const NOTHING: Self = Self {
        event: None,
        rip: 0,
        resumes: false,
    };

    /// One that begins with these registers.
    pub(crate) fn new(event: &Waiting, rip: u64, flags: u64) -> Self {
        Self {
            event: event.info.event(),
            rip,
            resumes: flags & rflags::RF != 0,
        }
    }

    /// RF in the image of the flags that this event pushes, at this RIP. If it is not a fault, that
    /// is what RF was (SDM Vol. 3B, "Instruction-Breakpoint Exception Condition"); [`None`] if it
    /// was not a VM entry that began with it.
    pub(crate) fn resumes(&self, event: Event, rip: u64) -> Option<bool> {
        let is_this = self.event == Some(event) && self.rip == rip;
        match event.suppresses_breakpoints() {
            true => Some(true),
            false => is_this.then_some(self.resumes),
        }
    }
}
