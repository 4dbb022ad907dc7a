// SPDX-License-Identifier: GPL-2.0

//! The pages of guest memory, by where they are.

use super::ram_page::RamPage;
use crate::{
    mmu::address::{
        Gpa,
        GpaRange,
        PageSize, //
    },
    support::page::KernelPage, //
};
use kernel::{
    alloc::AllocError,
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNode, //
    }, //
};

/// Pages of 4 KiB in a chunk.
const FRAMES_PER_CHUNK: usize = 512;

/// Pages that one call takes out of a chunk.
const BATCH: usize = 32;

/// Pages of 2 MiB of guest-physical addresses, those that are allocated.
pub(crate) struct Chunk {
    pages: KVVec<Option<RamPage>>,
    /// The pages were allocated as one block of 2 MiB, and are all still there.
    whole: bool,
}

impl Chunk {
    /// A chunk without pages. May sleep.
    pub(crate) fn new() -> Result<Self, AllocError> {
        let mut pages = KVVec::with_capacity(FRAMES_PER_CHUNK, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..FRAMES_PER_CHUNK {
            pages.push(None, GFP_KERNEL_ACCOUNT)?;
        }
        Ok(Self {
            pages,
            whole: false,
        })
    }

    /// A chunk whose pages are one block of 2 MiB. May sleep.
    pub(crate) fn new_2m() -> Result<Self, AllocError> {
        let block = RamPage::new_2m()?;
        let mut chunk = Self::new()?;
        for (slot, page) in chunk.pages.iter_mut().zip(block) {
            *slot = Some(RamPage::count(page)?);
        }
        chunk.whole = true;
        Ok(chunk)
    }

    /// The page that an address lies in, if it is allocated.
    #[inline]
    pub(super) fn page(&self, gpa: Gpa) -> Option<&KernelPage> {
        Some(self.ram_page(gpa)?.page())
    }

    /// The same, with what is known of it.
    #[inline]
    pub(super) fn ram_page(&self, gpa: Gpa) -> Option<&RamPage> {
        self.pages.get(frame_in_chunk(gpa))?.as_ref()
    }

    fn slot(&mut self, gpa: Gpa) -> Option<&mut Option<RamPage>> {
        self.pages.get_mut(frame_in_chunk(gpa))
    }

    /// Puts a page where there is none; gives it back where there is one.
    pub(crate) fn put(&mut self, gpa: Gpa, page: RamPage) -> Option<RamPage> {
        match self.slot(gpa) {
            Some(slot @ None) => slot.replace(page),
            _ => Some(page),
        }
    }

    /// Takes a page away.
    fn take(&mut self, gpa: Gpa) -> Option<RamPage> {
        self.whole = false;
        self.slot(gpa)?.take()
    }

    /// Takes away pages of a range, as many as there is room for, and says where there may be more.
    fn take_some(&mut self, range: GpaRange, room: &mut [Option<RamPage>; BATCH]) -> Gpa {
        let mut rest = range.pages(PageSize::Size4K);
        for place in room {
            *place = rest.find_map(|gpa| self.take(gpa));
        }
        rest.next().unwrap_or(range.end())
    }

    /// Number of pages.
    pub(crate) fn count(&self) -> usize {
        self.pages.iter().flatten().count()
    }
}

/// The chunks of a VM, by number: guest-physical address divided by 2 MiB.
#[derive(Default)]
pub(crate) struct Chunks {
    tree: RBTree<u64, Chunk>,
    /// Pages in all of them.
    count: u64,
}

impl Chunks {
    /// The page that an address lies in, if it is allocated.
    #[inline]
    pub(crate) fn page(&self, gpa: Gpa) -> Option<&KernelPage> {
        self.chunk(Self::number(gpa))?.page(gpa)
    }

    /// The same, with what is known of it.
    pub(super) fn ram_page(&self, gpa: Gpa) -> Option<&RamPage> {
        self.chunk(Self::number(gpa))?.ram_page(gpa)
    }

    /// The number of the chunk that an address lies in.
    #[inline]
    pub(super) fn number(gpa: Gpa) -> u64 {
        gpa.get() / PageSize::Size2M.bytes()
    }

    /// The chunk with this number.
    #[inline]
    pub(super) fn chunk(&self, number: u64) -> Option<&Chunk> {
        self.tree.get(&number)
    }

    /// The page that an address lies in, if it is allocated; if it is part of a block of 2 MiB and
    /// that will do, the first page of the block.
    #[inline]
    pub(crate) fn page_or_block(&self, gpa: Gpa, block: bool) -> Option<(PageSize, &KernelPage)> {
        let chunk = self.tree.get(&Self::number(gpa))?;
        let (size, frame) = match chunk.whole && block {
            true => (PageSize::Size2M, 0),
            false => (PageSize::Size4K, frame_in_chunk(gpa)),
        };
        Some((size, chunk.pages.get(frame)?.as_ref()?.page()))
    }

    /// Is there a chunk for an address?
    pub(crate) fn contains(&self, gpa: Gpa) -> bool {
        self.tree.get(&Self::number(gpa)).is_some()
    }

    /// Number of pages.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Puts a page into its chunk; gives it back if there is no such chunk, or a page already.
    pub(crate) fn put(&mut self, gpa: Gpa, page: RamPage) -> Option<RamPage> {
        let Some(chunk) = self.tree.get_mut(&Self::number(gpa)) else {
            return Some(page);
        };
        let refused = chunk.put(gpa, page);
        if refused.is_none() {
            self.count = self.count.saturating_add(1);
        }
        refused
    }

    /// Adds a chunk where there is none; gives back one that was there all the same.
    pub(crate) fn insert(&mut self, chunk: ChunkNode) -> Option<ChunkNode> {
        let added = chunk.count;
        let replaced = self.tree.insert(chunk.node);
        self.count = self.count.saturating_add(added);
        replaced.map(|node| ChunkNode { node, count: 0 })
    }

    /// The first chunk that a range has, and the part of the range that is in it.
    fn first(&self, range: GpaRange) -> Option<(u64, GpaRange)> {
        let first = range.start_position() / PageSize::Size2M.bytes();
        let found = *self.tree.cursor_lower_bound(&first)?.current().0;
        let start = found.checked_mul(PageSize::Size2M.bytes())?;
        let chunk = GpaRange::page(Gpa::new(start), PageSize::Size2M)?;
        let part = GpaRange::new(
            Gpa::new(chunk.start_position().max(range.start_position())),
            Gpa::new(chunk.end_position().min(range.end_position())),
        )?;
        Some((found, part))
    }

    /// The part of a range that is in the first chunk it has.
    pub(super) fn first_part(&self, range: GpaRange) -> Option<GpaRange> {
        Some(self.first(range)?.1)
    }

    /// Takes away what is in the first chunk of a range that has any: the chunk itself if the range
    /// covers it, else some of the pages in the range. [`None`] when nothing is left.
    pub(crate) fn remove_first(&mut self, range: GpaRange) -> Option<Removed> {
        let (number, part) = self.first(range)?;
        let mut pages = [const { None }; BATCH];
        let mut end = part.end();
        let mut whole = part.is_aligned(PageSize::Size2M);
        if !whole {
            let chunk = self.tree.get_mut(&number)?;
            end = chunk.take_some(part, &mut pages);
            whole = chunk.count() == 0;
            // CAST: At most 32.
            let taken = pages.iter().flatten().count() as u64;
            self.count = self.count.saturating_sub(taken);
        }
        let chunk = if whole {
            self.remove_chunk(number)
        } else {
            None
        };
        Some(Removed {
            end,
            _pages: pages,
            _chunk: chunk,
        })
    }

    fn remove_chunk(&mut self, number: u64) -> Option<ChunkNode> {
        let count = self.tree.get(&number)?.count();
        // CAST: At most 512.
        self.count = self.count.saturating_sub(count as u64);
        let node = self.tree.remove_node(&number)?;
        Some(ChunkNode { node, count: 0 })
    }
}

/// A chunk in the memory that it takes in [`Chunks`]; to be dropped where sleeping is allowed.
pub(crate) struct ChunkNode {
    node: RBTreeNode<u64, Chunk>,
    count: u64,
}

impl ChunkNode {
    /// For the chunk that an address lies in. May sleep.
    pub(crate) fn new(gpa: Gpa, chunk: Chunk) -> Result<Self> {
        // CAST: At most 512.
        let count = chunk.count() as u64;
        let node = RBTreeNode::new(Chunks::number(gpa), chunk, GFP_KERNEL_ACCOUNT)?;
        Ok(Self { node, count })
    }
}

/// What [`Chunks::remove_first`] took away, to be dropped where sleeping is allowed.
pub(crate) struct Removed {
    /// Where there may be more.
    pub(crate) end: Gpa,
    _pages: [Option<RamPage>; BATCH],
    _chunk: Option<ChunkNode>,
}

fn frame_in_chunk(gpa: Gpa) -> usize {
    // CAST: Less than 512.
    (gpa.offset(PageSize::Size2M) / PageSize::Size4K.bytes()) as usize
}

#[kunit_tests(minivmx_chunks)]
mod tests {
    use super::*;
    use core::sync::atomic::Ordering;

    const CHUNK: u64 = 2 << 20;

    fn chunks(starts: &[u64]) -> Result<Chunks> {
        let mut chunks = Chunks::default();
        for start in starts {
            let gpa = Gpa::new(*start);
            assert!(chunks.insert(ChunkNode::new(gpa, Chunk::new()?)?).is_none());
            assert!(chunks.put(gpa, RamPage::new()?).is_none());
        }
        Ok(chunks)
    }

    fn range(start: u64, length: u64) -> Result<GpaRange> {
        GpaRange::from_len(Gpa::new(start), length).ok_or(EINVAL)
    }

    // A page is where it was put, and a second one for the same place is given back.
    #[test]
    fn keeps_pages() -> Result {
        let mut chunks = chunks(&[0])?;
        let gpa = Gpa::new(0x5000);
        let page = RamPage::new()?;
        let phys = page.page().phys();
        assert!(chunks.put(gpa, page).is_none());
        assert!(chunks.put(gpa, RamPage::new()?).is_some());
        assert_eq!(
            chunks.page(Gpa::new(0x5fff)).map(KernelPage::phys),
            Some(phys)
        );
        assert!(chunks.page(Gpa::new(0x6000)).is_none());
        assert!(chunks.put(Gpa::new(CHUNK), RamPage::new()?).is_some());
        assert_eq!(chunks.count(), 2);
        Ok(())
    }

    // A block of 2 MiB is contiguous, aligned and zero; one page less, and it is no block any more.
    #[test]
    fn splits_blocks() -> Result {
        let mut chunks = Chunks::default();
        let gpa = Gpa::new(CHUNK);
        let _none = chunks.insert(ChunkNode::new(gpa, Chunk::new_2m()?)?);
        let block = |chunks: &Chunks| match chunks.page_or_block(gpa, true) {
            Some((PageSize::Size2M, first)) => Some(first.phys()),
            _ => None,
        };
        let first = block(&chunks).ok_or(ENOENT)?;
        assert_eq!(first % CHUNK, 0);
        let last = chunks.page(Gpa::new(2 * CHUNK - 1)).ok_or(ENOENT)?;
        assert_eq!(last.phys(), first + CHUNK - 4096);
        assert!(last
            .words()
            .iter()
            .all(|word| word.load(Ordering::Relaxed) == 0));

        let removed = chunks.remove_first(range(CHUNK + 0x1000, 0x1000)?);
        assert_eq!(removed.ok_or(ENOENT)?.end, Gpa::new(CHUNK + 0x2000));
        assert!(block(&chunks).is_none());
        assert_eq!(chunks.count(), 511);

        // What is left of it goes in batches, and with the last of them the chunk.
        let mut rest = GpaRange::new(gpa, Gpa::new(2 * CHUNK - 0x1000));
        while let Some(range) = rest {
            let removed = chunks.remove_first(range).ok_or(ENOENT)?;
            rest = GpaRange::new(removed.end, range.end());
        }
        assert_eq!(chunks.count(), 1);
        assert!(chunks.contains(gpa));
        let last = range(2 * CHUNK - 0x1000, 0x1000)?;
        assert!(chunks.remove_first(last).is_some());
        assert!(!chunks.contains(gpa));
        Ok(())
    }

    // Removing goes from chunk to chunk, over holes, and ends at the end of the range.
    #[test]
    fn removes_chunks() -> Result {
        let mut chunks = chunks(&[0, 4 * CHUNK, 5 * CHUNK, 9 * CHUNK])?;
        let range = range(CHUNK, 7 * CHUNK)?;
        for end in [5 * CHUNK, 6 * CHUNK] {
            let removed = chunks.remove_first(range);
            assert_eq!(removed.ok_or(ENOENT)?.end, Gpa::new(end));
        }
        assert!(chunks.remove_first(range).is_none());
        assert_eq!(chunks.count(), 2);
        Ok(())
    }
}
