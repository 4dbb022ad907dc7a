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

/// Which region it is, of all that a VM ever had: where one was, another may be now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct RegionId(u64);

/// A range of guest-physical addresses that has memory.
#[derive(Clone, Copy)]
pub(crate) struct Region {
    /// Where it is.
    pub(crate) range: GpaRange,
    /// Its properties.
    pub(crate) kind: Kind,
    /// What its parts have in common when something was taken out of it.
    pub(crate) id: RegionId,
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
pub(crate) struct Regions {
    all: KVec<Region>,
    /// Regions that were ever added.
    added: u64,
}

impl Regions {
    /// Number of regions.
    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// Bytes in all regions.
    pub(crate) fn bytes(&self) -> u64 {
        // They lie in 2^48 bytes and do not overlap, so the sum has room.
        self.all
            .iter()
            .fold(0, |sum: u64, region| sum.saturating_add(region.range.len()))
    }

    /// The region that an address is in.
    #[inline]
    pub(crate) fn find(&self, gpa: Gpa) -> Option<&Region> {
        let behind = self
            .all
            .partition_point(|region| region.range.start_position() <= gpa.get());
        let region = self.all.get(behind.checked_sub(1)?)?;
        region.range.contains(gpa).then_some(region)
    }

    /// Where the next part of a region begins, behind an address that is not in it.
    pub(crate) fn part_behind(&self, gpa: Gpa, id: RegionId) -> Option<Gpa> {
        self.all
            .iter()
            .find(|region| region.id == id && region.range.start_position() > gpa.get())
            .map(|region| region.range.start())
    }

    /// Has a region an address in common with the range?
    pub(crate) fn overlaps(&self, range: GpaRange) -> bool {
        self.all.iter().any(|region| region.range.overlaps(range))
    }

    /// Is a region in two parts without the range?
    pub(crate) fn are_cut_by(&self, range: GpaRange) -> bool {
        self.all
            .iter()
            .any(|region| matches!(remainder(region.range, range), [Some(_), Some(_)]))
    }

    /// Is there room for one more?
    pub(crate) fn has_room(&self) -> bool {
        self.all.len() < self.all.capacity()
    }

    /// Room for so many, for [`Self::move_to`]. May sleep.
    pub(crate) fn room(count: usize) -> Result<KVec<Region>, AllocError> {
        KVec::with_capacity(count, GFP_KERNEL_ACCOUNT)
    }

    /// Moves to where there is more room; gives back what is free now, to be dropped where sleeping
    /// is allowed.
    pub(crate) fn move_to(&mut self, mut room: KVec<Region>) -> KVec<Region> {
        for region in &self.all {
            let moved = room.push_within_capacity(*region);
            debug_assert!(moved.is_ok());
        }
        core::mem::replace(&mut self.all, room)
    }

    /// Adds a region, which overlaps none; there is room for it.
    pub(crate) fn add(&mut self, range: GpaRange, kind: Kind) -> RegionId {
        let id = RegionId(self.added);
        // At one in each nanosecond, the numbers last for centuries.
        self.added = self.added.wrapping_add(1);
        self.insert(Region { range, kind, id });
        id
    }

    /// Takes a range out; if a region [is cut by it](Self::are_cut_by), there is room for one more.
    pub(crate) fn remove(&mut self, range: GpaRange) {
        let mut second_part = None;
        self.all.retain(|region| {
            let (first, second) = match remainder(region.range, range) {
                [None, Some(only)] => (Some(only), None),
                [first, second] => (first, second),
            };
            second_part = second_part.or(second.map(|range| Region { range, ..*region }));
            region.range = first.unwrap_or(region.range);
            first.is_some()
        });
        if let Some(region) = second_part {
            self.insert(region);
        }
    }

    /// Takes out a region; if it has more than one part, one of them.
    pub(crate) fn take(&mut self, id: RegionId) -> Option<Region> {
        let place = self.all.iter().position(|region| region.id == id)?;
        self.all.remove(place).ok()
    }

    fn insert(&mut self, new: Region) {
        let place = self
            .all
            .partition_point(|region| region.range.start_position() < new.range.start_position());
        let inserted = self.all.insert_within_capacity(place, new);
        debug_assert!(inserted.is_ok());
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

    /// Regions at these places, of as many pages, and room for one more.
    fn regions(places: &[(u64, u64)]) -> Result<Regions> {
        let mut all = Regions::default();
        drop(all.move_to(Regions::room(places.len() + 1)?));
        for (start, pages) in places {
            all.add(range(*start, *pages).ok_or(EINVAL)?, KIND);
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
        let places = [(0x1000, 4), (0x6000, 2), (0x9000, 4)];
        let mut all = regions(&places)?;
        let middle = range(0x2000, 1).ok_or(EINVAL)?;
        assert!(all.are_cut_by(middle));
        all.remove(middle);
        assert_eq!(all.count(), 4);
        assert!(all.find(Gpa::new(0x2000)).is_none());
        assert!(all.find(Gpa::new(0x1fff)).is_some());
        assert!(all.find(Gpa::new(0x3000)).is_some());

        let mut all = regions(&places)?;
        let ends = range(0x4000, 6).ok_or(EINVAL)?;
        assert!(!all.are_cut_by(ends));
        all.remove(ends);
        assert_eq!(all.count(), 2);
        assert_eq!(all.bytes(), 6 * 4096);
        assert!(all.find(Gpa::new(0x3fff)).is_some());
        assert!(all.find(Gpa::new(0xa000)).is_some());
        Ok(())
    }

    // Behind a hole the same region goes on, whatever came into the hole, up to its last part.
    #[test]
    fn finds_the_next_part() -> Result {
        let mut all = regions(&[(0x1000, 8)])?;
        let id = all.find(Gpa::new(0x1000)).ok_or(ENOENT)?.id;
        let hole = range(0x2000, 4).ok_or(EINVAL)?;
        all.remove(hole);
        drop(all.move_to(Regions::room(3)?));
        all.add(range(0x3000, 1).ok_or(EINVAL)?, KIND);
        let part = all.part_behind(Gpa::new(0x2000), id).ok_or(ENOENT)?;
        assert_eq!(part.get(), 0x6000);
        assert!(all.part_behind(Gpa::new(0x9000), id).is_none());
        Ok(())
    }

    // The parts of a region go with it, and what came into its place stays.
    #[test]
    fn takes_one_region() -> Result {
        let mut all = regions(&[(0x1000, 4)])?;
        let id = all.find(Gpa::new(0x1000)).ok_or(ENOENT)?.id;
        let middle = range(0x2000, 1).ok_or(EINVAL)?;
        all.remove(middle);
        drop(all.move_to(Regions::room(3)?));
        let new = all.add(middle, KIND);
        let mut pages = 0;
        while let Some(part) = all.take(id) {
            pages += part.range.len() / 4096;
        }
        assert_eq!(pages, 3);
        assert_eq!(all.count(), 1);
        assert!(all.take(new).is_some());
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
