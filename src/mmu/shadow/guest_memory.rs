// SPDX-License-Identifier: GPL-2.0

//! The guest's memory, as far as shadow paging needs it.

use super::referrers::Referrers;
use crate::mmu::{
    address::{
        Gpa,
        Hpa, //
    },
    guest_walk::PhysicalMemory,
    node::Entries, //
};

/// A page of guest memory.
#[derive(Clone, Copy)]
pub(crate) struct GuestPage<'a> {
    /// Where it is in the host.
    pub(crate) hpa: Hpa,
    /// May the guest write to it?
    pub(crate) writable: bool,
    /// The shadow entries that map it.
    pub(crate) referrers: &'a Referrers,
}

/// The guest's memory.
pub(crate) trait GuestMemory: PhysicalMemory {
    /// The 512 words of the page that an address lies in; [`None`] if none is allocated.
    fn contents(&self, gpa: Gpa) -> Option<&Entries>;

    /// The page that an address lies in; [`None`] if none is allocated.
    fn page(&self, gpa: Gpa) -> Option<GuestPage<'_>>;

    /// The shadow entries that map the page that an address lies in, even if the page is about to
    /// be taken away: as long as there can be any.
    fn referrers(&self, gpa: Gpa) -> Option<&Referrers>;
}
