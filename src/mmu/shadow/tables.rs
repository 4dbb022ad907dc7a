// SPDX-License-Identifier: GPL-2.0

//! The shadow tables as a whole: entries made and dropped. [`protect`] keeps the guest from writing
//! to its tables behind their back, [`sync`] compares them with these. [`look`] shows entries.
//!
//! # Invariants
//!
//!  1. Every present entry of a table that is in use or *retired* is in the reverse map, and no
//!     other is; but where guest tables are not protected, only those are that refer to tables:
//!     nobody asks there which map a page.
//!  2. An entry that refers to a table refers to one in use, of the next lower level; `parents` of
//!     that table counts such entries. A table in use without parents is a root. A retired one has
//!     none, but its entries count: a table can be in use because of retired ones only. Where guest
//!     tables are not protected, nobody keeps its entries right, and it is not used again.
//!  3. Where guest tables are protected: while a frame has a shadow that is not `unsync`, no entry
//!     maps the frame writable but a granted one, and every entry of the shadow says what the
//!     guest's entry says that it was made from.
//!  4. Whenever a CPU could go on with what was dropped or narrowed, `flush` is set.
//!
//! # Costs
//!
//! Counted in entries that are changed, whatever else there is (`tools/pure/src/shadow/bounds.rs`
//! asserts it):
//!
//!  - A fill: an entry for each level, and for each new table the mappings of the guest's table.
//!  - Taking a page away or protecting it: its mappings, those of retired tables included. Where
//!    guest tables are not protected, nobody knows which come from the page, and all are dropped.
//!  - Retiring a table: the entries that refer to it, and its own if a CPU begins with it. The
//!    guest tables below it stay protected until it is emptied.
//!  - Making room for a fill: the entries of as many retired tables as it takes, in pieces.
//!  - Synchronisation: a comparison for each table that is out of date or that a step wrote to, and
//!    what has changed in it; of all that are out of date in pieces, at a load of CR3 and at a new
//!    way to old entries.
//!  - Dropping all tables: what the root has. What else they have goes when they are used again.
//!
//! A search for a table meets a few others by chance ([`hash`](super::hash)), and those that it is
//! for. A guest frame has many shadows only where each serves for one address, and there nothing is
//! looked for by frame.
//!
//! What is not done in pieces and would cost more than [`work`](super::work) allows drops all
//! tables instead.

#[cfg(any(test, fuzzing))]
mod check;
mod fetch;
mod look;
mod protect;
mod shortcut;
mod sync;

use super::{
    grant::{
        Grant,
        Granted,
        Grants,
        Written, //
    },
    guest_memory::{
        GuestMemory,
        GuestPage, //
    },
    key::{
        Key,
        Origin, //
    },
    list::TableNumber,
    page::{
        At,
        Frame,
        ShadowEntry,
        ShadowPage, //
    },
    pool::{
        Pool,
        PAGES_PER_TABLE, //
    },
    rmap,
    shortcut::Shortcuts,
    work::{
        Unfinished,
        Work, //
    }, //
};
use crate::mmu::{
    address::{
        Gpa,
        Gva,
        Hpa,
        Level, //
    },
    flush::Flush,
    guest_walk::{
        Paging,
        Rights,
        Walked, //
    }, //
};
use kernel::alloc::AllocError;

/// Tables that one fill takes at most: one for each level.
pub(super) const FOR_ONE_FILL: usize = 4;

/// Tables without which an instruction may not come to its end: all that it touches must be mapped
/// at the same time, and as many pages as it may write to one by one can be on three levels of
/// tables each.
pub(super) const FOR_ONE_INSTRUCTION: usize = FEWEST + (FOR_ONE_FILL - 1) * Grants::ROOM;

/// Tables without which a single access may not come to its end: those on its way, those that
/// [`Tables::reserve`] wants to have besides, and the one for PAE paging.
const FEWEST: usize = 2 * FOR_ONE_FILL + 1;

/// Writes without a use of the shadow in between, after which a table counts as data.
const WRITES_OF_DATA: u8 = 3;

/// The shadow tables of a vCPU.
pub(crate) struct Tables<P> {
    pool: Pool<P>,
    /// Are guest tables write-protected while they have shadows?
    protects: bool,
    /// The table that the CPU begins with.
    root: Option<TableNumber>,
    /// Must what is out of date be synchronised before there is another?
    needs_resync: bool,
    /// Was synchronisation left half-done? As long as something is out of date then, nothing else
    /// gets so: else what an instruction writes to could be as much as a piece, again and again.
    is_resyncing: bool,
    shortcuts: Shortcuts,
    pub(super) grants: Grants,
    flush: Flush,
    pub(super) work: Work,
    /// Entries that were found to differ from the guest's.
    pub(super) syncs: u64,
    /// Tables that were dropped for want of room.
    pub(super) reclaims: u64,
}

impl<P: Frame> Tables<P> {
    /// No tables, with room for so many; `pae` are the pages of one that the CPU can begin with in
    /// PAE paging: below 4 GiB. May sleep.
    pub(super) fn new(
        limit: usize,
        protects: bool,
        random: [u64; 2],
        pae: [P; PAGES_PER_TABLE],
    ) -> Result<Self, AllocError> {
        let key = Key {
            frame: 0,
            level: Level::Pdpt,
            origin: Origin::Pae,
            rights: Rights::ALL,
            linear: 0,
        };
        Ok(Self {
            pool: Pool::new(limit.max(FEWEST), protects, random, key, pae)?,
            protects,
            root: None,
            needs_resync: false,
            is_resyncing: false,
            shortcuts: Shortcuts::default(),
            grants: Grants::default(),
            flush: Flush::NotNeeded,
            work: Work::new(),
            syncs: 0,
            reclaims: 0,
        })
    }

    /// The table for PAE paging.
    const PAE: TableNumber = Pool::<P>::FIRST;

    /// Tables in use, and pages of host memory that all tables take.
    pub(super) fn usage(&self) -> (usize, usize) {
        // The one for PAE paging is always there.
        let in_use = self.pool.in_use().saturating_sub(1);
        (in_use, self.pool.host_pages())
    }

    /// Must the CPU forget translations before it goes on? Asking resets the answer.
    pub(super) fn take_flush(&mut self) -> Flush {
        self.flush.take()
    }

    /// Makes sure that there are tables for a fill: retired ones, then new ones as long as there
    /// may be more, else the least recently used.
    pub(super) fn reserve(
        &mut self,
        memory: &dyn GuestMemory,
        pages: &mut dyn FnMut() -> Option<P>,
    ) -> Result<(), Unfinished> {
        while self.pool.free_count() < FOR_ONE_FILL {
            if self.work.is_enough() {
                return Err(Unfinished);
            }
            if let Some(table) = self.pool.retired() {
                self.empty(table, memory);
            } else if self.pool.may_grow() {
                let mut take = || pages().ok_or(Unfinished);
                let pages = [take()?, take()?, take()?];
                self.pool.grow(pages, self.pool[Self::PAE].key);
            } else {
                self.reclaim(memory);
            }
        }
        Ok(())
    }

    /// Makes a retired table one that can be taken into use, as far as that can be done now. The
    /// tables below that nothing else refers to retire. No CPU comes to any of them: it was told
    /// when the table retired.
    fn empty(&mut self, table: TableNumber, memory: &dyn GuestMemory) {
        let (before, flush) = (self.pool.in_use(), self.flush);
        if self.drop_entries(table, Work::is_enough, memory).is_ok() {
            self.pool.end(table);
        }
        self.flush = flush;
        // Where tables are not protected, those below would not be used again, either.
        if self.protects {
            self.count_reclaims(before);
        }
    }

    /// Retires the root that was used least recently; if there is only the current one, drops all
    /// below it.
    fn reclaim(&mut self, memory: &dyn GuestMemory) {
        let before = self.pool.in_use();
        let current = self.root;
        let is_spare = |table, page: &ShadowPage<P>| page.parents == 0 && Some(table) != current;
        match self.pool.oldest_root(is_spare) {
            Some(table) => self.retire(table, memory),
            None => self.drop_all(),
        }
        self.count_reclaims(before);
    }

    /// So many tables were in use. Those that are not any more could have been found again, and
    /// went for want of room, if there may not be more of them.
    fn count_reclaims(&mut self, before: usize) {
        if !self.pool.may_grow() {
            let dropped = before.saturating_sub(self.pool.in_use());
            // CAST: `usize` is 64 bits wide.
            self.reclaims = self.reclaims.wrapping_add(dropped as u64);
        }
    }

    /// Makes the table for this way of paging the one that the CPU begins with.
    pub(super) fn set_root(
        &mut self,
        paging: &Paging,
        memory: &dyn GuestMemory,
        pages: &mut dyn FnMut() -> Option<P>,
    ) -> Result<Hpa, Unfinished> {
        if self.needs_resync {
            self.resync(memory)?;
            self.needs_resync = false;
        }
        let key = Key::root(paging);
        let table = match key.origin {
            Origin::Pae => self.begin_pae(key.frame, memory)?,
            _ => self.find_or_begin_root(&key, memory, pages)?,
        };
        self.root = Some(table);
        self.forget_shortcuts();
        self.flush.need();
        Ok(self.pool[table].hpa())
    }

    /// The table for PAE paging, empty: the guest's four entries are read anew with each load of
    /// CR3.
    fn begin_pae(
        &mut self,
        frame: u64,
        memory: &dyn GuestMemory,
    ) -> Result<TableNumber, Unfinished> {
        self.drop_entries(Self::PAE, Work::is_too_much, memory)?;
        self.pool[Self::PAE].key.frame = frame;
        Ok(Self::PAE)
    }

    /// The root for a key. Only a new one takes room.
    fn find_or_begin_root(
        &mut self,
        key: &Key,
        memory: &dyn GuestMemory,
        pages: &mut dyn FnMut() -> Option<P>,
    ) -> Result<TableNumber, Unfinished> {
        if let Some(table) = self.pool.find(key) {
            self.pool.touch(table);
            return Ok(table);
        }
        self.reserve(memory, pages)?;
        self.begin(key, memory)
    }

    /// There is no root any more: the CPU needs another before it goes on.
    pub(super) fn forget_root(&mut self) {
        self.root = None;
        self.forget_shortcuts();
    }

    pub(super) fn has_root(&self) -> bool {
        self.root.is_some()
    }

    /// Makes an entry map a page that [`Self::make_way`] led to. It is not writable if its frame is
    /// protected.
    pub(super) fn fill(
        &mut self,
        at: At,
        walked: &Walked,
        page: GuestPage<'_>,
        memory: &dyn GuestMemory,
    ) {
        let (mut rights, source) = self.leaf(at, walked);
        rights.write &= page.writable;
        self.set_leaf(at, page, rights, source, memory);
    }

    /// As [`Self::fill`], for one instruction that is to be single-stepped.
    pub(super) fn fill_for_step(
        &mut self,
        at: At,
        walked: &Walked,
        granted: Granted<'_>,
        memory: &dyn GuestMemory,
    ) {
        let (_, source) = self.leaf(at, walked);
        self.set_leaf(at, granted.page, granted.rights, source, memory);
        self.grants.add(Grant {
            at,
            gpa: walked.gpa,
            read_only: granted.read_only,
        });
    }

    /// Rights of the lowest entry, and the guest's entry that it is made from.
    fn leaf(&self, at: At, walked: &Walked) -> (Rights, u64) {
        let key = self.pool[at.table].key;
        match walked.entry(walked.leaf) {
            Some(leaf) if key.is_guest_table() => (walked.shadow_rights(key.rights), leaf.entry),
            _ => (key.rights, 0),
        }
    }

    /// Makes the tables on the way to an address; returns the entry in the lowest of them. Needs
    /// [`Self::reserve`] before, and a root.
    pub(super) fn make_way(
        &mut self,
        paging: &Paging,
        address: Gva,
        walked: &Walked,
        memory: &dyn GuestMemory,
    ) -> Result<At, Unfinished> {
        if let Some(at) = self.shortcut(address) {
            self.pool[at.table].writes = 0;
            return Ok(at);
        }
        let mut table = self.root.ok_or(Unfinished)?;
        loop {
            let page = &mut self.pool[table];
            page.writes = 0;
            let level = page.key.level;
            let at = At {
                table,
                index: level.index(address.get()) % index_limit(table == Self::PAE),
            };
            if let Some(child) = self.known_child(at, walked) {
                table = child;
                continue;
            }
            let key = self.pool[table].key;
            let Some((below, source)) = key.below(paging, address, walked) else {
                self.remember_shortcut(address, at);
                return Ok(at);
            };
            let below = self.place(below, address, level);
            let child = self.find_or_begin(&below, at, memory)?;
            self.link(at, child, source, memory)?;
            table = child;
        }
    }

    /// The table that an entry refers to, if it was made from the guest's entry as it is now:
    /// another could not stand there.
    fn known_child(&self, at: At, walked: &Walked) -> Option<TableNumber> {
        let page = &self.pool[at.table];
        // CAST: 1 to 4.
        let visited = walked.entry(page.key.level as u32)?;
        let is_table = visited.level > walked.leaf;
        let entry = page.entry(at.index)?;
        if is_table && page.source(at.index) == visited.entry {
            self.pool.at_table(entry.hpa())
        } else {
            None
        }
    }

    /// Whose entries may be out of date serves for one address only: that they may be is known to
    /// who uses this address, and not to who uses the same guest table at another.
    fn place(&self, key: Key, address: Gva, above: Level) -> Key {
        if self.protects {
            key
        } else {
            key.only_for(address, above)
        }
    }

    /// The table for a key, and for the entry above it.
    fn find_or_begin(
        &mut self,
        key: &Key,
        above: At,
        memory: &dyn GuestMemory,
    ) -> Result<TableNumber, Unfinished> {
        if let Some(table) = self.pool.find(key) {
            if self.protects || self.refers_to(above, table) {
                return Ok(table);
            }
            // An entry above it was dropped: what was invalidated since is still there.
            self.retire(table, memory);
        }
        self.begin(key, memory)
    }

    /// Takes a table into use, empty. The guest table is protected from then on.
    fn begin(&mut self, key: &Key, memory: &dyn GuestMemory) -> Result<TableNumber, Unfinished> {
        if self.protects && key.is_guest_table() {
            self.resync_frame(key.frame, memory)?;
            self.protect(key.frame, memory);
        }
        self.pool.begin(key)
    }

    fn refers_to(&self, at: At, table: TableNumber) -> bool {
        let entry = self.pool.entry(at);
        entry.is_some_and(|entry| entry.hpa() == self.pool[table].hpa())
    }

    /// Makes an entry refer to a table. If that has entries, the way to them was never used before,
    /// so that nobody has to invalidate anything before its first use: none of them may be out of
    /// date.
    fn link(
        &mut self,
        at: At,
        child: TableNumber,
        source: u64,
        memory: &dyn GuestMemory,
    ) -> Result<(), Unfinished> {
        let hpa = self.pool[child].hpa();
        let new = if at.table == Self::PAE {
            ShadowEntry::pdpte(hpa)
        } else {
            ShadowEntry::table(hpa)
        };
        if self.pool[at.table].entry(at.index) != Some(new) {
            let page = &self.pool[child];
            let leads_to_old = || page.key.is_guest_table() && page.next_present(0).is_some();
            if self.pool.out_of_date().is_some() && leads_to_old() {
                self.resync(memory)?;
            }
            // The child must not go when the only entry is replaced by the same.
            self.pool[child].parents += 1;
            self.drop_entry(at, memory);
            let referrers = &self.pool[child].referrers;
            referrers.insert(&self.pool, at, hpa);
        }
        self.pool[at.table].set(at.index, new, source);
        if at.table == Self::PAE {
            self.pool.touch(child);
        }
        Ok(())
    }

    /// Makes an entry of the lowest level map a page.
    fn set_leaf(
        &mut self,
        at: At,
        page: GuestPage<'_>,
        rights: Rights,
        source: u64,
        memory: &dyn GuestMemory,
    ) {
        let new = ShadowEntry::leaf(page.hpa, rights);
        let old = self.pool[at.table].entry(at.index);
        if old.map(ShadowEntry::hpa) != Some(page.hpa) {
            self.drop_entry(at, memory);
            if self.protects {
                page.referrers.insert(&self.pool, at, page.hpa);
            }
        }
        if old.is_some() {
            self.flush.need();
        }
        self.pool[at.table].set(at.index, new, source);
    }

    /// Makes an entry not present. A table that no other entry refers to retires with it.
    #[inline(always)]
    fn drop_entry(&mut self, at: At, memory: &dyn GuestMemory) {
        if let Some(entry) = self.pool.entry(at) {
            self.drop_present(at, entry, memory);
        }
    }

    /// As above, of an entry that is present.
    fn drop_present(&mut self, at: At, entry: ShadowEntry, memory: &dyn GuestMemory) {
        self.flush.need();
        if self.pool[at.table].key.level == Level::Pt {
            let one_of_many = self.protects && self.let_go_of_page(at, memory);
            self.work.count_removal(one_of_many);
            self.pool[at.table].clear(at.index);
            return;
        }
        self.forget_shortcuts();
        let Some(child) = self.pool.at_table(entry.hpa()) else {
            return;
        };
        let one_of_many = rmap::remove(&self.pool, at, || Some(&self.pool[child].referrers));
        self.work.count_removal(one_of_many);
        self.pool[at.table].clear(at.index);
        let page = &mut self.pool[child];
        page.parents = page.parents.saturating_sub(1);
        if page.parents == 0 && !page.key.is_root() {
            self.pool.retire(child);
        }
    }

    /// Takes an entry that maps a page out of the reverse map. Returns whether others map it.
    fn let_go_of_page(&self, at: At, memory: &dyn GuestMemory) -> bool {
        let frame = self.pool[at.table].mapped_frame(at.index);
        rmap::remove(&self.pool, at, || memory.referrers(Gpa::new(frame << 12)))
    }

    /// Drops all entries of a table, until it is time to stop.
    fn drop_entries(
        &mut self,
        table: TableNumber,
        is_time: impl Fn(&Work) -> bool,
        memory: &dyn GuestMemory,
    ) -> Result<(), Unfinished> {
        let mut next = self.pool[table].next_present(0);
        while let Some(index) = next {
            if is_time(&self.work) {
                return Err(Unfinished);
            }
            self.drop_entry(At { table, index }, memory);
            next = self.pool[table].next_present(index);
        }
        Ok(())
    }

    /// Ends the use of a table, wherever it is referred to.
    fn retire(&mut self, table: TableNumber, memory: &dyn GuestMemory) {
        // One that stays: the last of its parents must not retire it, too.
        self.pool[table].parents += 1;
        let hpa = self.pool[table].hpa();
        while let Some(at) = self.pool[table].referrers.first(&self.pool, hpa) {
            if self.work.is_too_much() {
                return;
            }
            self.drop_entry(at, memory);
        }
        self.pool[table].parents = 0;
        if self.root == Some(table) {
            // As long as its vCPU has not heard of it, a CPU begins with this one.
            let dropped = self.drop_entries(table, Work::is_too_much, memory);
            if dropped.is_err() {
                return;
            }
            self.forget_root();
        }
        self.pool.retire(table);
    }

    /// Drops all entries of all tables, and all tables but the one for PAE paging.
    pub(super) fn drop_all(&mut self) {
        // A CPU knows no epochs: as long as its vCPU has not heard of it, it begins with this one.
        if let Some(root) = self.root {
            self.pool[root].clear_all();
        }
        self.pool.end_all();
        // There are no shadows that what was granted could make wrong.
        self.grants.clear();
        // The next root comes with a flush.
        self.forget_root();
    }

    fn end_if_too_much(&mut self) {
        if self.work.is_too_much() {
            self.drop_all();
        }
    }

    /// An operation is at its end: what it left half-done goes with everything else.
    #[inline]
    pub(super) fn finish(&mut self) {
        self.end_if_too_much();
        self.work.end();
    }

    /// Ends what was granted for one instruction, and synchronises what it may have written to, if
    /// tables are protected.
    pub(super) fn revoke(&mut self, written: Written, memory: &dyn GuestMemory) {
        let mut number = 0;
        while let Some(grant) = self.grants.get(number) {
            // Tables can have changed in the meantime, but what is dropped for nothing comes back.
            if grant.read_only && self.pool[grant.at.table].key.level == Level::Pt {
                self.make_read_only(grant.at);
            } else {
                self.drop_entry(grant.at, memory);
            }
            number += 1;
        }
        number = 0;
        while let Some(grant) = self.grants.get(number).filter(|_| self.protects) {
            match written {
                Written::Once => self.sync_around(grant.gpa, memory),
                Written::Anything => self.sync_frame(grant.gpa.frame(), memory),
            }
            number += 1;
        }
        self.grants.clear();
    }

    /// Drops everything that comes from a page that is taken away from the guest. Needs protected
    /// tables: else nobody knows which come from the page.
    pub(super) fn remove(&mut self, frame: u64, page: GuestPage<'_>, memory: &dyn GuestMemory) {
        while let Some(at) = page.referrers.first(&self.pool, page.hpa) {
            if self.work.is_too_much() {
                return;
            }
            self.drop_entry(at, memory);
        }
        self.release(frame, memory);
    }
}

/// Entries of a table that are used: the highest of PAE paging has four.
fn index_limit(pae: bool) -> usize {
    if pae {
        4
    } else {
        Level::ENTRIES
    }
}
