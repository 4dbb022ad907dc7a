// SPDX-License-Identifier: GPL-2.0

//! What a CPU that runs the guest by itself may have in its TLB and paging-structure caches
//! (SDM Vol. 3A, "Caching Translation Information"): of each address that a program uses, *every*
//! translation that was valid at some time since the last invalidation.
//!
//! A guest that must not depend on them has to invalidate whenever they differ from its tables; and
//! whatever a policy of shadow paging answers must be one of them.

use super::{layout, ram::Ram};
use crate::{
    mmu::guest_walk::{Access, Mode, Paging},
    oracle::{self, Allowed, Next, Seen},
};

/// A table, with what the way to it allows.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Table {
    base: u64,
    allowed: Allowed,
}

/// A translation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Cached {
    /// Of the 4 KiB.
    gpa: u64,
    /// Logarithm of the size of the page that they are part of.
    shift: u32,
    allowed: Allowed,
    dirty: bool,
}

/// A page that a walk comes to that begins with a cached table.
struct Reached {
    gpa: u64,
    allowed: Allowed,
    /// Entries above that table, which the walk does not see.
    above: usize,
}

/// What may be cached for 4 KiB of linear addresses.
#[derive(Default)]
struct Caches {
    linear: u64,
    tables: [Vec<Table>; 4],
    tlb: Vec<Cached>,
}

impl Caches {
    fn forget_tables(&mut self) {
        self.tables.iter_mut().for_each(Vec::clear);
    }

    /// Takes in what the CPU may read now.
    fn observe(&mut self, paging: &Paging, ram: &Ram) {
        if paging.mode == Mode::Off {
            let page = oracle::look(paging, self.linear, ram).unwrap();
            self.tlb = vec![Cached {
                gpa: page.gpa,
                shift: 12,
                allowed: Allowed::ALL,
                dirty: true,
            }];
            return;
        }
        let root = Table {
            base: oracle::top(paging),
            allowed: Allowed::ALL,
        };
        self.tables[0] = vec![root];
        for depth in 0..oracle::depth(paging.mode) {
            for number in 0..self.tables[depth].len() {
                self.follow(paging, depth, number, ram);
            }
        }
    }

    /// What an access can come to by the tables that are cached: other than those, it sets the
    /// flags in the entries that it uses, so that they need not be set.
    fn reached<'a>(
        &'a self,
        paging: &'a Paging,
        ram: &'a Ram,
    ) -> impl Iterator<Item = Reached> + 'a {
        let tables = self.tables.iter().enumerate().skip(1);
        let tables =
            tables.flat_map(|(depth, tables)| tables.iter().map(move |table| (depth, *table)));
        tables.filter_map(|(above, table)| {
            let (mut depth, mut table) = (above, table);
            loop {
                let (seen, next) =
                    oracle::step(paging, depth, table.base, self.linear, ram).ok()?;
                let allowed = oracle::narrow(table.allowed, &seen);
                match next {
                    Next::Table(base) => table = Table { base, allowed },
                    Next::Page(base, shift) => {
                        let gpa = base | self.linear & ((1 << shift) - 1);
                        return Some(Reached {
                            gpa,
                            allowed,
                            above,
                        });
                    }
                }
                depth += 1;
            }
        })
    }

    /// An entry is only cached once its accessed flag is set.
    fn follow(&mut self, paging: &Paging, depth: usize, number: usize, ram: &Ram) {
        let table = self.tables[depth][number];
        let Ok((seen, next)) = oracle::step(paging, depth, table.base, self.linear, ram) else {
            return;
        };
        if seen.flags && seen.value & oracle::A == 0 {
            return;
        }
        let allowed = oracle::narrow(table.allowed, &seen);
        match next {
            Next::Table(base) => add(&mut self.tables[depth + 1], Table { base, allowed }),
            Next::Page(base, shift) => {
                let offset = self.linear & ((1 << shift) - 1);
                let dirty = seen.value & oracle::D != 0;
                let gpa = base | offset;
                let cached = Cached {
                    gpa,
                    shift,
                    allowed,
                    dirty,
                };
                add(&mut self.tlb, cached);
            }
        }
    }
}

fn add<T: PartialEq>(to: &mut Vec<T>, what: T) {
    if !to.contains(&what) {
        to.push(what);
    }
}

/// The caches for all pages that a program uses.
pub(super) struct Architecture {
    caches: Vec<Caches>,
    /// What was observed last.
    observed: Option<(u64, Paging)>,
}

impl Architecture {
    /// For the pages that programs use in this mode.
    pub(super) fn new(mode: Mode) -> Self {
        let cache = |linear| Caches {
            linear,
            ..Caches::default()
        };
        Self {
            caches: layout::pages(mode).map(cache).collect(),
            observed: None,
        }
    }

    /// The CPU may read any entry now.
    pub(super) fn observe(&mut self, paging: &Paging, ram: &Ram) {
        let now = Some((ram.version(), *paging));
        if core::mem::replace(&mut self.observed, now) != now {
            for caches in &mut self.caches {
                caches.observe(paging, ram);
            }
        }
    }

    fn caches(&mut self, linear: u64) -> Option<&mut Caches> {
        self.caches
            .iter_mut()
            .find(|caches| caches.linear == linear & !0xfff)
    }

    /// Everything is forgotten, and this is the mode from now on.
    pub(super) fn flush(&mut self, mode: Mode) {
        *self = Self::new(mode);
    }

    /// The pages that programs use.
    pub(super) fn pages(&self) -> impl Iterator<Item = u64> + '_ {
        self.caches.iter().map(|caches| caches.linear)
    }

    /// INVLPG: of the page that the address lies in, in whatever pieces it was cached, and all
    /// paging-structure caches.
    pub(super) fn invlpg(&mut self, linear: u64) {
        self.observed = None;
        for caches in &mut self.caches {
            caches.forget_tables();
            let distance = caches.linear ^ linear;
            caches.tlb.retain(|cached| distance >> cached.shift != 0);
        }
    }

    /// A page fault invalidates, too, at its address.
    pub(super) fn page_fault(&mut self, linear: u64) {
        self.observed = None;
        if let Some(caches) = self.caches(linear) {
            caches.forget_tables();
            caches.tlb.clear();
        }
    }

    /// May an access have come to this guest-physical address by what is cached?
    pub(super) fn explains(
        &mut self,
        paging: &Paging,
        linear: u64,
        access: Access,
        gpa: u64,
    ) -> bool {
        let Some(caches) = self.caches(linear) else {
            return true;
        };
        caches.tlb.iter().any(|cached| {
            cached.gpa == gpa & !0xfff
                && oracle::may(paging, access, cached.allowed)
                && (cached.dirty || !access.write)
        })
    }

    /// Could an access have another effect by what is cached than by the tables as they are?
    pub(super) fn contradicts(
        &mut self,
        paging: &Paging,
        linear: u64,
        access: Access,
        ram: &Ram,
    ) -> bool {
        let now = oracle::try_access(paging, linear, access, ram).ok();
        let Some(caches) = self.caches(linear) else {
            return false;
        };
        let by_tables = caches.reached(paging, ram).any(|reached| {
            oracle::may(paging, access, reached.allowed)
                && now.as_ref().is_none_or(|now| {
                    let above = now.seen.get(..reached.above).unwrap_or_default();
                    reached.gpa != now.gpa & !0xfff || !above.iter().all(Seen::is_accessed)
                })
        });
        by_tables
            || caches.tlb.iter().any(|cached| {
                oracle::may(paging, access, cached.allowed)
                    && now.as_ref().is_none_or(|now| {
                        let sets_dirty = access.write && cached.dirty && !now.dirty();
                        cached.gpa != now.gpa & !0xfff || !now.accessed() || sets_dirty
                    })
            })
    }
}
