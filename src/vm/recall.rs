// SPDX-License-Identifier: GPL-2.0

//! How a vCPU is called back to its program, so that no call is lost.
//!
//! Who calls
//!  1. leaves the call,
//!  2. wakes the thread that waits in the guest's place,
//!  3. interrupts the CPU that the vCPU runs on, if it does.
//!
//! Who enters the guest
//!  1. says on which CPU it runs,
//!  2. looks for calls, and does not enter if there is one.
//!
//! Memory order: both sides have a full barrier between their first and their last step, as with
//! generations ([`Whereabouts`]): either the vCPU sees the call, or the caller sees the vCPU. An
//! interrupt that is sent while interrupts are still off there comes before the guest's first
//! instruction. Who waits looks once more after it is in the queue, which has a lock. Who takes a
//! call sees all that its caller did before.
//!
//! Calls are made with interrupts on or off, by any number of threads at once.
//!
//! `tools/tlb` tries all orders in which these steps can be seen, and leaves out each of them in
//! turn.
//!
//! [`Whereabouts`]: crate::mmu::generation::Whereabouts

use crate::support::atomic::{
    fence,
    AtomicU64,
    Ordering::{
        Acquire,
        Relaxed,
        Release,
        SeqCst, //
    }, //
};

/// Why a vCPU is called back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// Somebody wants the program to look around; it goes when it is taken.
    Kick = 1 << 0,
    /// The deadline is over; it stays until there is another.
    Deadline = 1 << 1,
}

/// Calls that wait for a vCPU.
pub(crate) struct Recall(AtomicU64);

impl Recall {
    /// Without a call.
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Leaves a call. Whether the vCPU runs, or somebody waits, is to be looked at afterwards.
    pub(crate) fn leave(&self, call: Call) {
        // Pairs with `take`.
        self.0.fetch_or(call as u64, Release);
        // Pairs with the full barrier of `Whereabouts::enter`.
        fence(SeqCst);
    }

    /// Is there a call? That the vCPU is here comes before this CPU looks.
    #[inline]
    pub(crate) fn is_called(&self) -> bool {
        self.0.load(Relaxed) != 0
    }

    /// The call that waits: a kick comes first, and is taken.
    #[inline]
    pub(crate) fn take(&self) -> Option<Call> {
        if !self.is_called() {
            return None;
        }
        match self.withdraw(Call::Kick) {
            true => Some(Call::Kick),
            false => Some(Call::Deadline),
        }
    }

    /// Takes a call back; was it there?
    pub(crate) fn withdraw(&self, call: Call) -> bool {
        // Pairs with `leave`.
        self.0.fetch_and(!(call as u64), Acquire) & call as u64 != 0
    }

    /// What is not 0 if there is a call.
    pub(crate) fn word(&self) -> &AtomicU64 {
        &self.0
    }
}
