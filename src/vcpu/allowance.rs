// SPDX-License-Identifier: GPL-2.0

//! How much a guest gets before interrupts come on again.
//!
//! The host's interrupts end a burst by VM exits of their own, but a guest can keep them out. Where
//! the delivery of an exception raises the next exception (#DB whose delivery writes to a watched
//! address,
//! #AC with a misaligned stack), the next one comes before interrupts, NMIs and the VMX-preemption
//! timer (SDM Vol. 3A, "Priority Among Concurrent Events"); and that timer starts anew at each VM
//! entry. So the burst bounds itself, whatever the exit handlers think of their progress: by the
//! time that it takes, and where one entry can take long, by their number. What happens between two
//! entries is bounded by the handlers.

use crate::support::cpu;

/// What is left for VM entries of this burst.
pub(crate) struct Allowance {
    /// Entries that deliver an event.
    events: u32,
    /// Value of the time-stamp counter when the time is over.
    end: u64,
}

impl Allowance {
    /// For a whole burst, in microseconds. With the longest stay in the guest, and one exit more,
    /// this is less than a millisecond.
    const TIME: u32 = 300;
    const EVENTS: u32 = 8;

    /// For a burst that begins.
    #[inline]
    pub(crate) fn new() -> Self {
        Self {
            events: Self::EVENTS,
            end: cpu::tsc().saturating_add(cpu::tsc_ticks(Self::TIME)),
        }
    }

    /// Pays for one more VM entry, which delivers an event or not; whether there was enough for it.
    #[inline]
    pub(crate) fn pay(&mut self, event: bool) -> bool {
        if event {
            match self.events.checked_sub(1) {
                Some(rest) => self.events = rest,
                None => return false,
            }
        }
        cpu::tsc() < self.end
    }
}
