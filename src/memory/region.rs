// SPDX-License-Identifier: GPL-2.0

//! Ranges of guest-physical addresses that have memory, in order.

use crate::mmu::address::{
    Gpa,
    GpaRange,
    PageSize, //
};
use kernel::{
    alloc::AllocError,
    prelude::*, //
};

/// Properties of a region.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    /// The guest cannot write to it.
    pub(crate) readonly: bool,
    /// Allocated in blocks of 2 MiB.
    pub(crate) huge: bool,
}

/// A range of guest-physical addresses that has memory.
#[derive(Clone, Copy)]
pub(crate) struct Region {
    /// Where it is.
    pub(crate) range: GpaRange,
    /// Its properties.
    pub(crate) kind: Kind,
}

impl Region {
    /// Does the page of that size around `gpa` lie wholly in the region?
    pub(crate) fn covers(&self, gpa: Gpa, size: PageSize) -> bool {
        GpaRange::page(gpa, size).is_some_and(|page| {
            self.range.start_position() <= page.start_position()
                && page.end_position() <= self.range.end_position()
        })
    }
}

/// The regions of a VM, in ascending order, without overlap.
#[derive(Default)]
pub(crate) struct Regions(KVec<Region>);

impl Regions {
    /// Number of regions.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Bytes in all regions.
    pub(crate) fn bytes(&self) -> u64 {
        // They lie in 2^48 bytes and do not overlap, so the sum has room.
        self.0
            .iter()
            .fold(0, |sum: u64, region| sum.saturating_add(region.range.len()))
    }

    /// The region that an address is in.
    #[inline]
    pub(crate) fn find(&self, gpa: Gpa) -> Option<Region> {
        let behind = self
            .0
            .partition_point(|region| region.range.start_position() <= gpa.get());
        let region = self.0.get(behind.checked_sub(1)?)?;
        region.range.contains(gpa).then_some(*region)
    }

    /// Has a region an address in common with the range?
    pub(crate) fn overlaps(&self, range: GpaRange) -> bool {
        self.0.iter().any(|region| region.range.overlaps(range))
    }

    /// No regions, with room for so many. May sleep.
    pub(crate) fn with_room(room: usize) -> Result<Self, AllocError> {
        Ok(Self(KVec::with_capacity(room, GFP_KERNEL)?))
    }

    /// Copies the regions of `old` and `new`, which overlaps none of them, as far as there is room.
    pub(crate) fn copy_with(&mut self, old: &Self, new: Region) {
        let place = old
            .0
            .partition_point(|region| region.range.start_position() < new.range.start_position());
        let (before, behind) = old.0.split_at(place);
        before.iter().for_each(|region| self.push(*region));
        self.push(new);
        behind.iter().for_each(|region| self.push(*region));
    }

    /// Copies the regions of `old` without a range, as far as there is room: one more at most.
    pub(crate) fn copy_without(&mut self, old: &Self, range: GpaRange) {
        for region in &old.0 {
            for range in remainder(region.range, range).into_iter().flatten() {
                self.push(Region { range, ..*region });
            }
        }
    }

    fn push(&mut self, region: Region) {
        let pushed = self.0.push_within_capacity(region);
        debug_assert!(pushed.is_ok());
    }
}

/// What is left of `whole` before and behind `hole`.
fn remainder(whole: GpaRange, hole: GpaRange) -> [Option<GpaRange>; 2] {
    if !whole.overlaps(hole) {
        return [Some(whole), None];
    }
    [
        GpaRange::new(whole.start(), hole.start()),
        GpaRange::new(hole.end(), whole.end()),
    ]
}
