// SPDX-License-Identifier: GPL-2.0

//! The guest's memory: some frames of RAM and ROM, whose pages are allocated when they are needed.

use super::host::{Host, HostPage};
use crate::mmu::{
    address::{Gpa, Hpa},
    guest_walk::{Kept, PhysicalMemory},
    inspect,
    node::Entries,
    shadow::{GuestMemory, GuestPage, Referrers},
};
use std::{cell::Cell, collections::BTreeMap, rc::Rc, sync::atomic::Ordering::Relaxed};

/// Frames from 0 on.
pub(super) const LOW_FRAMES: u64 = 40;
/// Of these, the last cannot be written to.
pub(super) const ROM_FRAME: u64 = LOW_FRAMES - 1;
/// Where there are more frames, so that large pages have something in them.
const HIGH: [u64; 2] = [512, 1024];
/// Frames there.
const HIGH_FRAMES: u64 = 3;

/// Guest-physical memory.
pub(super) struct Ram {
    host: Rc<Host>,
    pages: Vec<Option<Rc<HostPage>>>,
    /// Pages of other frames, which programs do not have.
    others: BTreeMap<u64, Rc<HostPage>>,
    /// Rises whenever a word changes.
    version: Cell<u64>,
}

/// Place of a frame in [`Ram::pages`], if there is memory.
fn place(frame: u64) -> Option<usize> {
    if frame < LOW_FRAMES {
        return Some(frame as usize);
    }
    let area = HIGH.iter().position(|first| {
        (*first..first + HIGH_FRAMES).contains(&frame) //
    })?;
    Some((LOW_FRAMES + area as u64 * HIGH_FRAMES + frame - HIGH[area]) as usize)
}

/// Can there be a page?
pub(super) fn exists(frame: u64) -> bool {
    place(frame).is_some()
}

/// All frames.
pub(super) fn frames() -> impl Iterator<Item = u64> {
    let high = HIGH
        .into_iter()
        .flat_map(|first| first..first + HIGH_FRAMES);
    (0..LOW_FRAMES).chain(high)
}

impl Ram {
    /// Nothing is allocated yet.
    pub(super) fn new(host: Rc<Host>) -> Self {
        Self {
            host,
            pages: frames().map(|_| None).collect(),
            others: BTreeMap::new(),
            version: Cell::new(0),
        }
    }

    /// The same contents in other pages.
    pub(super) fn copy(&self, host: Rc<Host>) -> Self {
        let mut ram = Self::new(host);
        for frame in frames() {
            if let Some(from) = self.host_page(frame) {
                ram.populate(frame);
                ram.host_page(frame).unwrap().copy_from(from);
            }
        }
        ram
    }

    /// The page of a frame, if it is allocated.
    pub(super) fn host_page(&self, frame: u64) -> Option<&Rc<HostPage>> {
        match place(frame) {
            Some(place) => self.pages[place].as_ref(),
            None => self.others.get(&frame),
        }
    }

    /// Allocates a page, if there can be one.
    pub(super) fn populate(&mut self, frame: u64) -> bool {
        let Some(place) = place(frame) else {
            return false;
        };
        if self.pages[place].is_none() {
            self.pages[place] = Some(self.host.allocate(Some(frame)));
            self.change();
        }
        true
    }

    /// Allocates a page of any frame.
    pub(super) fn populate_other(&mut self, frame: u64) {
        let page = self.host.allocate(Some(frame));
        self.others.insert(frame, page);
    }

    /// The page is not allocated any more.
    pub(super) fn remove(&mut self, frame: u64) {
        self.pages[place(frame).unwrap()] = None;
        self.change();
    }

    /// Writes bits of a word, where there is a page.
    pub(super) fn store(&self, gpa: u64, value: u64, mask: u64) {
        let page = self.host_page(gpa >> 12).unwrap();
        let word = page.word(gpa);
        word.store(word.load(Relaxed) & !mask | value & mask, Relaxed);
        self.change();
    }

    /// A number that differs when anything was written in between.
    pub(super) fn version(&self) -> u64 {
        self.version.get()
    }

    /// To be called by who writes to a page past this.
    pub(super) fn change(&self) {
        self.version.set(self.version.get() + 1);
    }

    /// What is in each frame: a page that is not allocated is as good as one of zeroes.
    pub(super) fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for frame in frames() {
            let mut compare = |index, mine, theirs| {
                if mine != theirs {
                    let gpa = frame << 12 | (index as u64) << 3;
                    found.push(format!("{gpa:#x}: {mine:#x} instead of {theirs:#x}"));
                }
            };
            match (self.host_page(frame), other.host_page(frame)) {
                (None, None) => {}
                (Some(mine), Some(theirs)) => {
                    for (index, (m, t)) in mine.contents().zip(theirs.contents()).enumerate() {
                        compare(index, m, t);
                    }
                }
                (Some(mine), None) => mine
                    .contents()
                    .enumerate()
                    .for_each(|(index, word)| compare(index, word, 0)),
                (None, Some(theirs)) => theirs
                    .contents()
                    .enumerate()
                    .for_each(|(index, word)| compare(index, 0, word)),
            }
        }
        found
    }
}

impl PhysicalMemory for Ram {
    fn read(&self, gpa: Gpa) -> Option<u64> {
        let page = self.host_page(gpa.frame())?;
        Some(page.word(gpa.get()).load(Relaxed))
    }

    fn replace(&self, gpa: Gpa, old: u64, new: u64) -> Result<(), Kept> {
        let page = self.host_page(gpa.frame()).ok_or(Kept::ReadOnly)?;
        if gpa.frame() == ROM_FRAME {
            return Err(Kept::ReadOnly);
        }
        let swapped = page
            .word(gpa.get())
            .compare_exchange(old, new, Relaxed, Relaxed);
        assert_eq!(swapped, Ok(old));
        self.version.set(self.version.get() + u64::from(old != new));
        Ok(())
    }
}

impl inspect::Memory for Ram {
    fn is_writable(&self, gpa: Gpa) -> Option<bool> {
        exists(gpa.frame()).then_some(gpa.frame() != ROM_FRAME)
    }
}

impl GuestMemory for Ram {
    fn contents(&self, gpa: Gpa) -> Option<&Entries> {
        Some(self.host_page(gpa.frame())?.words())
    }

    fn page(&self, gpa: Gpa) -> Option<GuestPage<'_>> {
        let page = self.host_page(gpa.frame())?;
        Some(GuestPage {
            hpa: Hpa::new(page.hpa()),
            writable: gpa.frame() != ROM_FRAME,
            referrers: &page.referrers,
        })
    }

    fn referrers(&self, gpa: Gpa) -> Option<&Referrers> {
        Some(&self.host_page(gpa.frame())?.referrers)
    }
}
