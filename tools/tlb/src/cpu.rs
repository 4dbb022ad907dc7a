// SPDX-License-Identifier: GPL-2.0

//! A CPU with a TLB and paging-structure caches, as stubborn as the architecture allows (SDM Vol.
//! 3C, "Caching Translation Information"): whatever it read is used until something demands that it
//! be dropped, whatever the tables say meanwhile.

use crate::{
    engine,
    mmu::{ept::Eptp, tags::Invalidate},
    omission,
    support::irq::IrqsDisabled,
    world::World,
};
use std::{
    collections::BTreeMap,
    sync::{atomic::Ordering::Relaxed, MutexGuard},
};

/// W or R/W.
const WRITE: u64 = 1 << 1;
/// The entry maps a large page.
const LARGE: u64 = 1 << 7;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// What a translation was made from. Guest-physical ones have no VPID, linear ones no EPT pointer,
/// combined ones both.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Tag {
    pub(crate) vpid: Option<u16>,
    pub(crate) eptp: Option<u64>,
}

/// What the guest does with an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Touch {
    Read,
    Write(u64),
    Fetch,
}

/// A page in the TLB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    hpa: u64,
    /// Of the page, when it was read.
    life: u64,
    write: bool,
    execute: bool,
}

impl Page {
    fn allows(&self, touch: Touch) -> bool {
        match touch {
            Touch::Read => true,
            Touch::Write(_) => self.write,
            Touch::Fetch => self.execute,
        }
    }
}

/// The bits of entries that differ between formats.
#[derive(Clone, Copy)]
struct Bits {
    /// One of them is set in an entry that means something.
    present: u64,
    execute: fn(u64) -> bool,
}

const EPT: Bits = Bits {
    present: 0b111,
    execute: |entry| entry & 0b100 != 0,
};

const IA32E: Bits = Bits {
    present: 1,
    execute: |entry| entry >> 63 == 0,
};

/// What a CPU remembers.
#[derive(Default)]
pub(crate) struct Tlb {
    /// By number of the page.
    pages: BTreeMap<(Tag, u64), Page>,
    /// Tables, with their lives, by level and number of what they cover.
    tables: BTreeMap<(Tag, u32, u64), (u64, u64)>,
}

impl Tlb {
    fn drop_if(&mut self, drop: impl Fn(Tag) -> bool) {
        self.pages.retain(|(tag, _), _| !drop(*tag));
        self.tables.retain(|(tag, ..), _| !drop(*tag));
    }
}

/// A CPU, while interrupts are off.
pub(crate) struct Cpu<'a> {
    irqs: &'a IrqsDisabled,
}

impl Invalidate for Cpu<'_> {
    #[track_caller]
    fn invept(&self, eptp: Eptp) {
        if !omission::leaves_out("INVEPT") {
            World::current().flushes.fetch_add(1, Relaxed);
            let eptp = eptp.into_raw() & ADDRESS;
            self.tlb().drop_if(|tag| tag.eptp == Some(eptp));
        }
    }

    #[track_caller]
    fn invvpid(&self, vpid: u16) {
        if !omission::leaves_out("INVVPID") {
            World::current().flushes.fetch_add(1, Relaxed);
            self.drop_vpid(vpid);
        }
    }
}

impl<'a> Cpu<'a> {
    pub(crate) fn new(irqs: &'a IrqsDisabled) -> Self {
        Self { irqs }
    }

    fn tlb(&self) -> MutexGuard<'a, Tlb> {
        self.irqs.processor().tlb.lock().unwrap()
    }

    fn drop_vpid(&self, vpid: u16) {
        self.tlb().drop_if(|tag| tag.vpid == Some(vpid));
    }

    /// A VM entry or a VM exit, of a guest with this VPID.
    pub(crate) fn cross(&self, vpid: Option<u16>) {
        if vpid.is_none() {
            self.drop_vpid(0);
        }
    }

    /// The guest executes INVLPG.
    pub(crate) fn invlpg(&self, vpid: Option<u16>, linear: u64) {
        let tag = linear_tag(vpid);
        let mut tlb = self.tlb();
        tlb.pages.remove(&(tag, linear >> 12));
        tlb.tables.retain(|(other, ..), _| other.vpid != tag.vpid);
    }

    /// Where a guest-physical address is that a guest without paging uses; [`None`] is an EPT
    /// violation.
    pub(crate) fn by_ept(
        &self,
        vpid: Option<u16>,
        eptp: Eptp,
        gpa: u64,
        touch: Touch,
    ) -> Option<Page> {
        let (combined, physical, root) = ept_tags(vpid, eptp);
        let number = gpa >> 12;
        let cached = self.tlb().pages.get(&(combined, number)).copied();
        let found = cached.or_else(|| self.find(physical, root, EPT, gpa));
        match found.filter(|page| page.allows(touch)) {
            Some(page) => {
                self.tlb().pages.insert((combined, number), page);
                Some(page)
            }
            None => {
                self.forget(physical, gpa);
                self.forget(combined, gpa);
                None
            }
        }
    }

    /// The CPU looks ahead, at an address that the guest may never touch. Nothing faults.
    pub(crate) fn look_ahead_by_ept(&self, vpid: Option<u16>, eptp: Eptp, gpa: u64) {
        let (_, physical, root) = ept_tags(vpid, eptp);
        self.find(physical, root, EPT, gpa);
    }

    /// Where a linear address is by tables of the shadow. An error is a page fault, and says
    /// whether there was an entry for the page.
    pub(crate) fn by_shadow(
        &self,
        vpid: Option<u16>,
        root: u64,
        linear: u64,
        touch: Touch,
    ) -> Result<Page, bool> {
        let tag = linear_tag(vpid);
        let found = self.find(tag, root, IA32E, linear);
        let allowed = found.filter(|page| page.allows(touch));
        if allowed.is_none() {
            self.forget(tag, linear);
        }
        allowed.ok_or(found.is_some())
    }

    /// As above, for a guest with shadow paging.
    pub(crate) fn look_ahead_by_shadow(&self, vpid: Option<u16>, root: u64, linear: u64) {
        self.find(linear_tag(vpid), root, IA32E, linear);
    }

    /// A fault drops what it came from.
    fn forget(&self, tag: Tag, address: u64) {
        let mut tlb = self.tlb();
        tlb.pages.remove(&(tag, address >> 12));
        for level in 1..4 {
            tlb.tables.remove(&(tag, level, covered(level, address)));
        }
    }

    /// Finds a page in the TLB, or in the tables, from the lowest that is known.
    fn find(&self, tag: Tag, root: u64, bits: Bits, address: u64) -> Option<Page> {
        if let Some(page) = self.tlb().pages.get(&(tag, address >> 12)) {
            return Some(*page);
        }
        engine::step();
        let world = World::current();
        let known = |level| {
            Some((
                level,
                *self
                    .tlb()
                    .tables
                    .get(&(tag, level, covered(level, address)))?,
            ))
        };
        let root = || (4, (root, world.use_page(root, None, "a root").number));
        let (mut level, mut table) = (1..4).find_map(known).unwrap_or_else(root);
        loop {
            let entry = world.read(table, address >> (3 + 9 * level));
            if entry & bits.present == 0 {
                return None;
            }
            if level == 1 || entry & LARGE != 0 {
                let offset = address & ((1 << (3 + 9 * level)) - 1) & !0xfff;
                let hpa = entry & ADDRESS & !offset_mask(level) | offset;
                let page = Page {
                    hpa,
                    life: world.use_page(hpa, None, "a page that is mapped").number,
                    write: entry & WRITE != 0,
                    execute: (bits.execute)(entry),
                };
                self.tlb().pages.insert((tag, address >> 12), page);
                return Some(page);
            }
            level -= 1;
            let below = entry & ADDRESS;
            table = (
                below,
                world.use_page(below, None, "a table that is linked").number,
            );
            self.tlb()
                .tables
                .insert((tag, level, covered(level, address)), table);
        }
    }

    /// The guest's access itself. Returns what was there.
    pub(crate) fn access(&self, page: Page, offset: u64, touch: Touch) -> u64 {
        engine::pause();
        let world = World::current();
        world.use_page(page.hpa, Some(page.life), "a page that the guest uses");
        // SAFETY: It exists: it was just found to be in use.
        let words = unsafe { world.host().words(page.hpa).as_ref() };
        let word = &words[(offset as usize & 0xfff) / 8];
        match touch {
            Touch::Write(value) => word.swap(value, Relaxed),
            Touch::Read | Touch::Fetch => word.load(Relaxed),
        }
    }
}

/// Tags of combined and of guest-physical translations, and where the tables are.
fn ept_tags(vpid: Option<u16>, eptp: Eptp) -> (Tag, Tag, u64) {
    let root = eptp.into_raw() & ADDRESS;
    let tag = |vpid| Tag {
        vpid,
        eptp: Some(root),
    };
    (tag(Some(vpid.unwrap_or(0))), tag(None), root)
}

fn linear_tag(vpid: Option<u16>) -> Tag {
    Tag {
        vpid: Some(vpid.unwrap_or(0)),
        eptp: None,
    }
}

/// Number of what a table of this level covers.
fn covered(level: u32, address: u64) -> u64 {
    address >> (12 + 9 * level)
}

/// Bits of the address that a page of this level does not need in its entry.
fn offset_mask(level: u32) -> u64 {
    (1 << (3 + 9 * level)) - 1
}
