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
        RamPage,
        Region,
        Regions,
        Removed,
        FRAMES_PER_CHUNK,
        REAPED, //
    },
    mmu::{
        address::{
            Gpa,
            GpaRange,
            PageSize, //
        },
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

impl Vm {
    /// A range of addresses, if the guest has them: else `EINVAL`.
    pub(crate) fn range(&self, gpa: u64, length: u64) -> Result<GpaRange> {
        let range = GpaRange::from_len(Gpa::new(gpa), length).ok_or(EINVAL)?;
        if range.end_position() > 1 << self.machine.physical_bits() {
            return Err(EINVAL);
        }
        Ok(range)
    }

    /// Adds memory that nothing is allocated of yet.
    ///
    /// # Errors
    ///
    /// `EEXIST` if there is memory in the range already, `E2BIG` if it would be too much or too many,
    /// `ENOMEM`.
    pub(crate) fn add_region(&self, region: Region) -> Result {
        // Regions change with `layout` held only, so the copy stays true without `memory`.
        let _layout = self.layout.lock();
        let room = self.memory.lock().regions.count().saturating_add(1);
        if room > MAX_REGIONS {
            return Err(E2BIG);
        }
        let mut new = Regions::with_room(room)?;
        {
            let old = &self.memory.lock().regions;
            if old.overlaps(region.range) {
                return Err(EEXIST);
            }
            if old.bytes().saturating_add(region.range.len()) > max_bytes() {
                return Err(E2BIG);
            }
            new.copy_with(old, region);
        }
        self.replace_regions(new);
        Ok(())
    }

    fn replace_regions(&self, new: Regions) {
        let old = core::mem::replace(&mut self.memory.lock().regions, new);
        // Freed without the lock.
        drop(old);
    }

    /// Allocates all pages of a range. `EINTR` if a signal came in between, `ENOMEM`.
    pub(crate) fn populate_all(&self, range: GpaRange) -> Result {
        for gpa in range.pages(PageSize::Size4K) {
            if current!().signal_pending() {
                return Err(EINTR);
            }
            match self.populate(gpa) {
                // Another thread takes the region away already.
                Err(error) if error == ENOENT => return Ok(()),
                result => result?,
            }
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
        let (region, present, has_chunk) = {
            let memory = self.memory.lock();
            let region = memory.regions.find(gpa).ok_or(ENOENT)?;
            let present = memory.chunks.page(gpa).is_some();
            (region, present, memory.chunks.contains(gpa))
        };
        if present {
            return Ok(());
        }
        if has_chunk {
            return self.add_page(gpa, RamPage::new()?);
        }
        let block = region.kind.huge && region.covers(gpa, PageSize::Size2M);
        self.add_chunk(gpa, new_chunk(gpa, block)?)
    }

    /// Puts a chunk where there is none; another thread may have been faster, or the region be gone.
    fn add_chunk(&self, gpa: Gpa, chunk: Chunk) -> Result {
        let node = ChunkNode::new(gpa, chunk)?;
        let refused = {
            let mut memory = self.memory.lock();
            if memory.regions.find(gpa).is_some() && !memory.chunks.contains(gpa) {
                memory.chunks.insert(node)
            } else {
                Some(node)
            }
        };
        drop(refused);
        Ok(())
    }

    /// Puts a page into its chunk; another thread may have been faster, or the region be gone.
    fn add_page(&self, gpa: Gpa, page: RamPage) -> Result {
        let refused = {
            let mut memory = self.memory.lock();
            if memory.regions.find(gpa).is_some() {
                memory.chunks.put(gpa, page)
            } else {
                Some(page)
            }
        };
        drop(refused);
        Ok(())
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
        }
    }

    /// Takes a range away from the guest, then frees its pages.
    ///
    /// # Errors
    ///
    /// `ENOENT` if there is no memory in it, `E2BIG` if too many regions would be left, `ENOMEM`.
    pub(crate) fn remove_range(&self, range: GpaRange) -> Result {
        let layout = self.layout.lock();
        // All that can fail comes first. A range has two ends, so two large pages are split at most.
        let mut stock = Stock::default();
        stock.fill(2)?;
        let pages = KVVec::with_capacity(FRAMES_PER_CHUNK, GFP_KERNEL)?;
        self.remove_regions(range)?;
        // Nothing maps a page of the range from here on: it is in no region.
        self.unmap(range, &layout, &mut stock);
        self.free_pages(range, pages);
        Ok(())
    }

    fn remove_regions(&self, range: GpaRange) -> Result {
        let room = self.memory.lock().regions.count().saturating_add(1);
        let mut rest = Regions::with_room(room)?;
        {
            let old = &self.memory.lock().regions;
            if !old.overlaps(range) {
                return Err(ENOENT);
            }
            rest.copy_without(old, range);
        }
        if rest.count() > MAX_REGIONS {
            return Err(E2BIG);
        }
        self.replace_regions(rest);
        Ok(())
    }

    /// Removes a range from the page tables, and waits until no CPU can use them for it.
    fn unmap(&self, range: GpaRange, layout: &Layout, stock: &mut Stock) {
        let mut reaper = Reaper::<KernelPage, REAPED>::new();
        let mut rest = Some(range);
        while let Some(range) = rest {
            let progress = self.memory.lock().unmap(range, stock, &mut reaper);
            if progress.flush.is_needed() {
                self.generation.advance();
                self.kick(layout);
                reaper.clear();
            }
            rest = progress.rest.map(|(range, _)| range);
            irq::cond_resched();
        }
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

    /// Frees the pages of a range that no CPU can reach any more. `pages` has room for those of a
    /// chunk.
    fn free_pages(&self, range: GpaRange, mut pages: KVVec<RamPage>) {
        let mut rest = Some(range);
        while let Some(range) = rest {
            let removed = self.memory.lock().chunks.remove_first(range, &mut pages);
            pages.clear();
            rest = match removed {
                Some(Removed::Pages(end)) => GpaRange::new(end, range.end()),
                // The chunk is freed here, without the lock.
                Some(Removed::Chunk(_)) => Some(range),
                None => None,
            };
            irq::cond_resched();
        }
    }
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
