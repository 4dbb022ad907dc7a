// SPDX-License-Identifier: GPL-2.0

//! The shadow tables of a VM's vCPUs. Each vCPU has its own, as each CPU has a TLB of its own: what
//! one invalidates is no matter of the others.
//!
//! A vCPU's come when it is made and stay as long as the VM, as its counts do.

use super::{
    chunk::Chunks,
    ram::Ram, //
};
use crate::{
    mmu::{
        address::{
            Gpa,
            GpaRange,
            Hpa,
            PageSize, //
        },
        flush::Flush,
        shadow::{
            Counts,
            GuestPage,
            Removed,
            Shadow, //
        },
        table::{
            Pause,
            Progress, //
        }, //
    },
    support::page::KernelPage, //
};
use kernel::{
    alloc::AllocError,
    prelude::*, //
};

/// Shadow tables, by the numbers of vCPUs.
pub(crate) struct Shadows(KVec<Option<KBox<Shadow<KernelPage>>>>);

impl Shadows {
    /// None, with room for those of so many vCPUs. May sleep.
    pub(crate) fn new(vcpus: u32) -> Result<Self, AllocError> {
        // CAST: `usize` is 64 bits wide.
        let mut all = KVec::with_capacity(vcpus as usize, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..vcpus {
            all.push(None, GFP_KERNEL_ACCOUNT)?;
        }
        Ok(Self(all))
    }

    /// Puts a vCPU's in place. Those that are there are not replaced: a CPU may use them.
    pub(super) fn add(&mut self, vcpu: u32, shadow: KBox<Shadow<KernelPage>>) {
        if let Some(place) = self.0.get_mut(vcpu as usize) {
            place.get_or_insert(shadow);
        }
    }

    /// Takes the vCPU's out.
    pub(super) fn take(&mut self, vcpu: u32) -> Option<KBox<Shadow<KernelPage>>> {
        self.0.get_mut(vcpu as usize)?.take()
    }

    /// The vCPU's, to be looked at.
    pub(crate) fn of(&self, vcpu: u32) -> Option<&Shadow<KernelPage>> {
        self.0.get(vcpu as usize)?.as_deref()
    }

    /// The vCPU's.
    #[inline]
    pub(super) fn of_mut(&mut self, vcpu: u32) -> Option<&mut Shadow<KernelPage>> {
        self.0.get_mut(vcpu as usize)?.as_deref_mut()
    }

    /// What happened so far, to all of them.
    pub(crate) fn counts(&self) -> Counts {
        let all = self.0.iter().flatten();
        all.fold(Counts::default(), |sum, shadow| sum.plus(shadow.counts()))
    }

    /// Takes the pages of the first chunk of a range that has any out of the vCPU's, or all pages.
    pub(super) fn unmap(
        &mut self,
        vcpu: u32,
        chunks: &Chunks,
        ram: &Ram<'_>,
        range: GpaRange,
    ) -> Progress<Gpa> {
        let (Some(shadow), Some(part)) = (self.of_mut(vcpu), chunks.first_part(range)) else {
            return Progress {
                flush: Flush::NotNeeded,
                rest: None,
            };
        };
        let pages = part.pages(PageSize::Size4K);
        let rest = match shadow.remove(pages.filter_map(|gpa| page_at(chunks, gpa)), ram) {
            Removed::These => GpaRange::new(part.end(), range.end()),
            Removed::All => None,
        };
        Progress {
            flush: Flush::Needed,
            rest: rest.map(|rest| (rest, Pause::Share)),
        }
    }
}

/// A page that is about to be taken away.
fn page_at(chunks: &Chunks, gpa: Gpa) -> Option<(Gpa, GuestPage<'_>)> {
    let page = chunks.ram_page(gpa)?;
    let page = GuestPage {
        hpa: Hpa::new(page.page().phys()),
        writable: true,
        referrers: page.referrers(),
    };
    Some((gpa, page))
}
