// SPDX-License-Identifier: GPL-2.0

//! How much a guest gets before interrupts come on again.
//!
//! The host's interrupts end a burst by VM exits of their own, but a guest can keep them out. Where the
//! delivery of an exception raises the next exception (#DB whose delivery writes to a watched address,
//! #AC with a misaligned stack), the next one comes before interrupts, NMIs and the VMX-preemption
//! timer (SDM Vol. 3A, "Priority Among Concurrent Events"); and that timer starts anew at each VM entry.
//! So the burst counts by itself, whatever the exit handlers think of their progress. What happens
//! between two entries is bounded by the handlers.

/// What is left for VM entries of this burst.
pub(crate) struct Allowance(u32);

impl Allowance {
    /// For a whole burst: some 100,000 instructions, where each exit is answered by the driver.
    const BURST: u32 = 512;
    /// For an entry that delivers an event: eight of these make a burst.
    const EVENT: u32 = Self::BURST / 8;

    /// For a burst that begins.
    #[inline]
    pub(crate) fn new() -> Self {
        Self(Self::BURST)
    }

    /// Pays for one more VM entry, which delivers an event or not; whether there was enough for it.
    #[inline]
    pub(crate) fn pay(&mut self, event: bool) -> bool {
        let price = if event { Self::EVENT } else { 1 };
        match self.0.checked_sub(price) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }
}
