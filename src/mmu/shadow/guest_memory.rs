// SPDX-License-Identifier: GPL-2.0

//! The guest's memory, as far as shadow paging needs it.

use crate::mmu::{
    address::{
        Gpa,
        Hpa, //
    },
    guest_walk::PhysicalMemory,
    node::Entries, //
};

/// A page of guest memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct GuestPage {
    /// Where it is in the host.
    pub(crate) hpa: Hpa,
    /// May the guest write to it?
    pub(crate) writable: bool,
}

/// The guest's memory.
pub(crate) trait GuestMemory: PhysicalMemory {
    /// The 512 words of the page that an address lies in; [`None`] if none is allocated.
    fn contents(&self, gpa: Gpa) -> Option<&Entries>;

    /// The page that an address lies in; [`None`] if none is allocated.
    fn page(&self, gpa: Gpa) -> Option<GuestPage>;
}
