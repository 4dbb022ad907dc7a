// SPDX-License-Identifier: GPL-2.0

//! The CPU as the driver sees it: it walks the shadow tables by their bits, and remembers what it
//! read for as long as it may.
//!
//! Its TLB is as stubborn as an architecture allows: a translation is used until INVLPG, a page
//! fault at that address or a flush, whatever the tables say meanwhile.

use super::host::Host;
use crate::mmu::{
    address::Hpa,
    guest_walk::{Access, Mode, Paging},
};
use std::{collections::BTreeMap, rc::Rc};

const P: u64 = 1 << 0;
const RW: u64 = 1 << 1;
const US: u64 = 1 << 2;
const A: u64 = 1 << 5;
const D: u64 = 1 << 6;
const PS: u64 = 1 << 7;
const XD: u64 = 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// What the TLB has for a page.
#[derive(Clone, Copy)]
struct Cached {
    hpa: u64,
    write: bool,
    user: bool,
    execute: bool,
}

/// A CPU in VMX non-root operation.
pub(super) struct Hardware {
    host: Rc<Host>,
    root: u64,
    pdptes: [u64; 4],
    /// Of the guest's, what reaches the CPU: whether there are four levels, SMEP, SMAP.
    four_levels: bool,
    smep: bool,
    smap: bool,
    /// By page number.
    tlb: BTreeMap<u64, Cached>,
    /// Page tables by number of what they cover.
    directories: BTreeMap<u64, u64>,
}

impl Hardware {
    pub(super) fn new(host: Rc<Host>) -> Self {
        Self {
            host,
            root: 0,
            pdptes: [0; 4],
            four_levels: false,
            smep: false,
            smap: false,
            tlb: BTreeMap::new(),
            directories: BTreeMap::new(),
        }
    }

    pub(super) fn set_root(&mut self, root: Hpa) {
        self.root = root.get();
    }

    /// VM entry.
    pub(super) fn enter(&mut self, guest: &Paging) {
        self.four_levels = guest.mode == Mode::FourLevels;
        // Without paging the guest has neither.
        self.smep = guest.smep && guest.mode != Mode::Off;
        self.smap = guest.smap && guest.mode != Mode::Off;
        if !self.four_levels {
            for (index, pdpte) in self.pdptes.iter_mut().enumerate() {
                *pdpte = self.host.read(self.root + 8 * index as u64);
                assert!(*pdpte & P == 0 || *pdpte & !(ADDRESS | P) == 0);
            }
        }
    }

    pub(super) fn flush(&mut self) {
        self.tlb.clear();
        self.directories.clear();
    }

    pub(super) fn invlpg(&mut self, linear: u64) {
        self.tlb.remove(&(linear >> 12));
        self.directories.clear();
    }

    /// Where an address is, if the access is allowed. An error is a page fault: whether there is an
    /// entry.
    pub(super) fn reach(&mut self, linear: u64, access: Access) -> Result<u64, bool> {
        let page = linear >> 12;
        let cached = match self.tlb.get(&page) {
            Some(cached) => Some(*cached),
            None => self.walk(linear),
        };
        match cached.filter(|cached| self.allows(*cached, access)) {
            Some(cached) => {
                self.tlb.insert(page, cached);
                Ok(cached.hpa | linear & 0xfff)
            }
            None => {
                self.tlb.remove(&page);
                self.directories.remove(&(linear >> 21));
                Err(cached.is_some())
            }
        }
    }

    /// The same of a CPU that remembers nothing.
    pub(super) fn reach_afresh(&self, linear: u64, access: Access) -> Option<u64> {
        let entry = self
            .host
            .read(self.find_table(linear)? + 8 * (linear >> 12 & 0x1ff));
        let page = translation(entry)?;
        self.allows(page, access)
            .then_some(page.hpa | linear & 0xfff)
    }

    /// CR0.WP is 1.
    fn allows(&self, page: Cached, access: Access) -> bool {
        let data_of_users = page.user && !access.user && !access.fetch;
        let code_of_users = page.user && !access.user && access.fetch;
        (page.user || !access.user)
            && (page.write || !access.write)
            && (page.execute || !access.fetch)
            && !(code_of_users && self.smep)
            && !(data_of_users && self.smap && !access.may_touch_users)
    }

    fn walk(&mut self, linear: u64) -> Option<Cached> {
        let key = linear >> 21;
        let table = match self.directories.get(&key) {
            Some(table) => *table,
            None => self.find_table(linear)?,
        };
        let page = translation(self.host.read(table + 8 * (linear >> 12 & 0x1ff)))?;
        self.directories.insert(key, table);
        Some(page)
    }

    /// The page table for an address.
    fn find_table(&self, linear: u64) -> Option<u64> {
        let directory = if self.four_levels {
            self.next(self.next(self.root, linear >> 39)?, linear >> 30)?
        } else {
            let pdpte = self.pdptes[(linear >> 30 & 3) as usize];
            assert_eq!(linear >> 32, 0);
            (pdpte & P != 0).then_some(pdpte & ADDRESS)?
        };
        self.next(directory, linear >> 21)
    }

    /// The table that an entry of this one refers to. It leaves all rights to what is below.
    fn next(&self, table: u64, index: u64) -> Option<u64> {
        let entry = self.host.read(table + 8 * (index & 0x1ff));
        if entry & P == 0 {
            return None;
        }
        assert_eq!(entry & !(ADDRESS | D), P | RW | US | A);
        Some(entry & ADDRESS)
    }
}

/// What an entry of the lowest level says.
fn translation(entry: u64) -> Option<Cached> {
    if entry & P == 0 {
        return None;
    }
    assert_eq!(entry & (A | D | PS), A | D);
    Some(Cached {
        hpa: entry & ADDRESS,
        write: entry & RW != 0,
        user: entry & US != 0,
        execute: entry & XD == 0,
    })
}
