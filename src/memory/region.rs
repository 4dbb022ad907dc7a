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

#[kunit_tests(minivmx_regions)]
mod tests {
    use super::*;

    const KIND: Kind = Kind {
        readonly: false,
        huge: false,
    };

    fn range(start: u64, pages: u64) -> Option<GpaRange> {
        GpaRange::from_len(Gpa::new(start), pages * 4096)
    }

    fn region(start: u64, pages: u64) -> Option<Region> {
        let range = range(start, pages)?;
        Some(Region { range, kind: KIND })
    }

    /// Regions at these places, of as many pages.
    fn regions(places: &[(u64, u64)]) -> Result<Regions> {
        let mut all = Regions::default();
        for (start, pages) in places {
            let mut more = Regions::with_room(all.count() + 1)?;
            more.copy_with(&all, region(*start, *pages).ok_or(EINVAL)?);
            all = more;
        }
        Ok(all)
    }

    // Whatever the order they come in, they are found by each of their addresses and no other.
    #[test]
    fn finds_regions() -> Result {
        let all = regions(&[(0x8000, 2), (0x1000, 1), (0x4000, 1)])?;
        for (gpa, start) in [(0x1000, 0x1000), (0x4fff, 0x4000), (0x9fff, 0x8000)] {
            let found = all.find(Gpa::new(gpa)).ok_or(ENOENT)?;
            assert_eq!(found.range.start_position(), start);
        }
        for gpa in [0, 0xfff, 0x2000, 0x5000, 0x7fff, 0xa000, u64::MAX] {
            assert!(all.find(Gpa::new(gpa)).is_none());
        }
        assert_eq!(all.bytes(), 4 * 4096);
        Ok(())
    }

    // A range is taken out of the middle of one region, and off the ends of two others.
    #[test]
    fn removes_ranges() -> Result {
        let all = regions(&[(0x1000, 4), (0x6000, 2), (0x9000, 4)])?;
        let mut rest = Regions::with_room(4)?;
        rest.copy_without(&all, range(0x2000, 1).ok_or(EINVAL)?);
        assert_eq!(rest.count(), 4);
        assert!(rest.find(Gpa::new(0x2000)).is_none());
        assert!(rest.find(Gpa::new(0x1fff)).is_some());
        assert!(rest.find(Gpa::new(0x3000)).is_some());

        let mut rest = Regions::with_room(4)?;
        rest.copy_without(&all, range(0x4000, 6).ok_or(EINVAL)?);
        assert_eq!(rest.count(), 2);
        assert_eq!(rest.bytes(), 6 * 4096);
        Ok(())
    }

    // Ranges that only touch do not overlap.
    #[test]
    fn knows_overlaps() -> Result {
        let all = regions(&[(0x4000, 2)])?;
        assert!(!all.overlaps(range(0x3000, 1).ok_or(EINVAL)?));
        assert!(!all.overlaps(range(0x6000, 1).ok_or(EINVAL)?));
        assert!(all.overlaps(range(0x5000, 1).ok_or(EINVAL)?));
        assert!(all.overlaps(range(0x3000, 8).ok_or(EINVAL)?));
        Ok(())
    }
}
