// SPDX-License-Identifier: GPL-2.0

//! Adding and removing memory: what allocates, sleeps, and waits for vCPUs to leave the guest.

use super::{
    Layout,
    Vm, //
};
use crate::{
    memory::{
        max_bytes,
        Chunk,
        ChunkNode,
        Kind,
        Memory,
        RamPage,
        RegionId,
        Regions,
        REAPED, //
    },
    mmu::{
        address::{
            Gpa,
            GpaRange,
            PageSize, //
        },
        flush::Flush,
        page::Stock,
        table::Reaper, //
    },
    support::{
        irq,
        page::KernelPage,
        per_cpu, //
    }, //
};
use kernel::{
    alloc::AllocError,
    prelude::*, //
};

/// Regions that a VM may have.
pub(crate) const MAX_REGIONS: usize = 256;

/// What became of a page that was to be there.
enum Populated {
    /// It is there, as part of at least so much.
    Present(PageSize),
    /// Another thread was in the way: it may be there.
    Raced,
    /// The address is in no region, or in another than was named.
    NoRegion,
}

impl Vm {
    /// A range of addresses, if the guest has them: else `EINVAL`.
    pub(crate) fn range(&self, gpa: u64, length: u64) -> Result<GpaRange> {
        let range = GpaRange::from_len(Gpa::new(gpa), length).ok_or(EINVAL)?;
        if range.end_position() > 1 << self.machine.memory_bits() {
            return Err(EINVAL);
        }
        Ok(range)
    }

    /// Adds memory that nothing is allocated of yet.
    ///
    /// # Errors
    ///
    /// `EEXIST` if there is memory in the range already, `E2BIG` if it would be too much or too
    /// many, `ENOMEM`.
    pub(crate) fn add_region(&self, range: GpaRange, kind: Kind) -> Result<RegionId> {
        let layout = self.layout.lock();
        self.make_room(&layout)?;
        let regions = &mut self.memory.lock().regions;
        if regions.overlaps(range) {
            return Err(EEXIST);
        }
        if regions.bytes().saturating_add(range.len()) > max_bytes() {
            return Err(E2BIG);
        }
        Ok(regions.add(range, kind))
    }

    /// Sees to it that there is room for one more region, as long as `layout` is held. `E2BIG`,
    /// `ENOMEM`.
    fn make_room(&self, _layout: &Layout) -> Result {
        let count = {
            let regions = &self.memory.lock().regions;
            if regions.count() >= MAX_REGIONS {
                return Err(E2BIG);
            }
            if regions.has_room() {
                return Ok(());
            }
            regions.count()
        };
        let room = Regions::room(count.saturating_add(1))?;
        let old = self.memory.lock().regions.move_to(room);
        // Freed without the lock.
        drop(old);
        Ok(())
    }

    /// Allocates all pages of a region, whose range is given. `EINTR` if a signal came in between,
    /// `ENOMEM`.
    pub(crate) fn populate_all(&self, range: GpaRange, id: RegionId) -> Result {
        let mut rest = Some(range);
        while let Some(range) = rest {
            if current!().signal_pending() {
                return Err(EINTR);
            }
            let gpa = range.start();
            let next = match self.populate_in(gpa, Some(id))? {
                Populated::Present(size) => gpa.page_base(size).checked_add(size.bytes()),
                Populated::Raced => Some(gpa),
                // Another thread takes some of the region away already, or all of it.
                Populated::NoRegion => self.memory.lock().regions.part_behind(gpa, id),
            };
            rest = next.and_then(|next| GpaRange::new(next, range.end()));
            irq::cond_resched();
        }
        Ok(())
    }

    /// Allocates the page that an address lies in, if it is in a region and has none yet.
    ///
    /// # Errors
    ///
    /// `ENOENT` if the address is in no region, `ENOMEM`.
    pub(crate) fn populate(&self, gpa: Gpa) -> Result {
        match self.populate_in(gpa, None)? {
            Populated::Present(_) | Populated::Raced => Ok(()),
            Populated::NoRegion => Err(ENOENT),
        }
    }

    /// As [`Self::populate`], in this region if one is named.
    fn populate_in(&self, gpa: Gpa, id: Option<RegionId>) -> Result<Populated> {
        let (region, present, has_chunk) = {
            let memory = self.memory.lock();
            let region = memory.regions.find(gpa).copied();
            let Some(region) = region.filter(|region| id.is_none_or(|id| region.id == id)) else {
                return Ok(Populated::NoRegion);
            };
            let present = memory.chunks.page_or_block(gpa, true);
            (
                region,
                present.map(|(size, _page)| size),
                memory.chunks.contains(gpa),
            )
        };
        if let Some(size) = present {
            return Ok(Populated::Present(size));
        }
        let is_added = if has_chunk {
            self.add_page(gpa, region.id, RamPage::new()?)
        } else {
            let block = region.kind.huge && region.covers(gpa, PageSize::Size2M);
            self.add_chunk(gpa, region.id, new_chunk(gpa, block)?)?
        };
        Ok(match is_added {
            // More of it may be there, if it is a block.
            true => Populated::Present(PageSize::Size4K),
            false => Populated::Raced,
        })
    }

    /// Puts a chunk where there is none; another thread may have been faster, or the region be
    /// gone: then it is not.
    fn add_chunk(&self, gpa: Gpa, id: RegionId, chunk: Chunk) -> Result<bool> {
        let node = ChunkNode::new(gpa, chunk)?;
        let refused = {
            let mut memory = self.memory.lock();
            if is_in(&memory, gpa, id) && !memory.chunks.contains(gpa) {
                memory.chunks.insert(node)
            } else {
                Some(node)
            }
        };
        // Freed without the lock.
        Ok(refused.is_none())
    }

    /// Puts a page into its chunk, in the same way.
    fn add_page(&self, gpa: Gpa, id: RegionId, page: RamPage) -> bool {
        let refused = {
            let mut memory = self.memory.lock();
            if is_in(&memory, gpa, id) {
                memory.chunks.put(gpa, page)
            } else {
                Some(page)
            }
        };
        // Freed without the lock.
        refused.is_none()
    }

    /// The page at this offset of a mapping of the VM's file.
    pub(crate) fn page_for_program(&self, offset: usize) -> Result<KernelPage> {
        // CAST: `usize` is 64 bits wide.
        let address = (offset as u64).checked_mul(PageSize::Size4K.bytes());
        let gpa = Gpa::new(address.ok_or(EFAULT)?);
        loop {
            self.populate(gpa)?;
            // Between the two, the region can be removed and made again.
            if let Some(page) = self.memory.lock().chunks.page(gpa) {
                return Ok(page.share());
            }
            if irq::is_killed() {
                return Err(EINTR);
            }
        }
    }

    /// Takes a range away from the guest, then frees its pages.
    ///
    /// # Errors
    ///
    /// `ENOENT` if there is no memory in it. If a region or a large page has to be split for it:
    /// `E2BIG` if there are as many regions as there may be, `ENOMEM`.
    pub(crate) fn remove_range(&self, range: GpaRange) -> Result {
        let layout = self.layout.lock();
        // All that can fail comes first.
        if self.memory.lock().regions.are_cut_by(range) {
            self.make_room(&layout)?;
        }
        let mut stock = Stock::default();
        while !self.remove_regions(range, stock.len())? {
            // A range has two ends.
            stock.fill(2)?;
        }
        self.take_away(range, &layout, &mut stock);
        Ok(())
    }

    /// Removes a range from the regions, if there are tables enough to remove it from the page
    /// tables.
    fn remove_regions(&self, range: GpaRange, tables: usize) -> Result<bool> {
        let mut memory = self.memory.lock();
        if !memory.regions.overlaps(range) {
            return Err(ENOENT);
        }
        let enough = memory.splits(range) <= tables;
        if enough {
            memory.regions.remove(range);
        }
        Ok(enough)
    }

    /// Takes a region away, as far as it is still there.
    pub(crate) fn remove_region(&self, id: RegionId) {
        let layout = self.layout.lock();
        loop {
            let part = self.memory.lock().regions.take(id);
            let Some(part) = part else {
                return;
            };
            // No large page goes beyond a region, so there is nothing to split.
            self.take_away(part.range, &layout, &mut Stock::default());
        }
    }

    /// Takes a range away that is in no region any more, so that nothing maps a page of it from
    /// here on.
    fn take_away(&self, range: GpaRange, layout: &Layout, stock: &mut Stock) {
        self.unmap(range, layout, stock);
        self.free_pages(range);
    }

    /// Removes a range from the page tables, and waits until no CPU can use them for it.
    fn unmap(&self, range: GpaRange, layout: &Layout, stock: &mut Stock) {
        let mut reaper = Reaper::<KernelPage, REAPED>::new();
        let mut rest = Some(range);
        while let Some(range) = rest {
            let flush;
            (flush, rest) = self.unmap_some(range, layout, stock, &mut reaper);
            if flush.is_needed() {
                self.generation.advance();
                self.kick(layout);
                reaper.clear();
            }
            irq::cond_resched();
        }
    }

    /// Removes a range from the page tables of all vCPUs, as far as one call goes: what has to be
    /// flushed for it, and what is left. Where several vCPUs have their own, that is nothing: each
    /// drops all that it has.
    fn unmap_some(
        &self,
        range: GpaRange,
        layout: &Layout,
        stock: &mut Stock,
        reaper: &mut Reaper<KernelPage, REAPED>,
    ) -> (Flush, Option<GpaRange>) {
        // Extended page tables are those of all vCPUs.
        let owners = match self.eptp {
            Some(_) => 1,
            None => layout.members.len(),
        };
        let (mut flush, mut rest) = (Flush::NotNeeded, None);
        for member in layout.members.iter().take(owners) {
            let progress = self.memory.lock().unmap(member.id, range, stock, reaper);
            if progress.flush.is_needed() {
                flush.need();
            }
            rest = progress.rest.map(|(range, _)| range);
        }
        (flush, rest)
    }

    /// Interrupts the CPUs that run a vCPU of this VM, and waits until they have left the guest.
    fn kick(&self, layout: &Layout) {
        for member in &layout.members {
            if let Some(cpu) = member.whereabouts.cpu() {
                per_cpu::interrupt(cpu);
                member.counters.kick();
            }
        }
    }

    /// Frees the pages of a range that no CPU can reach any more.
    fn free_pages(&self, range: GpaRange) {
        let mut rest = Some(range);
        while let Some(range) = rest {
            let removed = self.memory.lock().chunks.remove_first(range);
            // Freed here, without the lock.
            rest = removed.and_then(|removed| GpaRange::new(removed.end, range.end()));
            irq::cond_resched();
        }
    }
}

/// Is an address in this region?
fn is_in(memory: &Memory, gpa: Gpa, id: RegionId) -> bool {
    memory
        .regions
        .find(gpa)
        .is_some_and(|region| region.id == id)
}

/// A chunk with a page for this address; if it can be, with a whole block of 2 MiB.
fn new_chunk(gpa: Gpa, block: bool) -> Result<Chunk, AllocError> {
    if block {
        if let Ok(chunk) = Chunk::new_2m() {
            return Ok(chunk);
        }
    }
    // The page comes first: it is what fails, and calls no OOM killer, where memory is short.
    let page = RamPage::new()?;
    let mut chunk = Chunk::new()?;
    let _none = chunk.put(gpa, page);
    Ok(chunk)
}
