// SPDX-License-Identifier: GPL-2.0

//! Shadow paging: translation of guest-virtual addresses by tables of the hypervisor's own, on CPUs
//! with EPT or without.
//!
//! The guest's tables translate guest-virtual to guest-physical addresses, and the CPU cannot use
//! them, because guest-physical memory is somewhere else. So the CPU is given *shadow tables*,
//! which translate guest-virtual to host-physical addresses at once. They are made from the guest's
//! by page faults, of which there are three kinds:
//!
//!  1. *The guest's own*: its tables do not allow the access. It gets the fault.
//!  2. *A shadow miss*: they do allow it, and the shadow has no entry for it yet. It is filled.
//!  3. *A write to a guest table*: what the shadow stands for changes. The policy says what
//!     happens.
//!
//! Where to read on: [`policy`] has the four policies, which differ in how shadows are kept in step
//! with the guest's tables. [`super::guest_walk`] reads the guest's tables; [`key`] says what a
//! shadow stands for, [`pool`] finds it, [`tables`] makes and drops its entries, [`rmap`] knows who
//! refers to a page, [`grant`] is for the instructions that are single-stepped.
//!
//! **Accessed and dirty flags** are the guest's: they are set in its tables when it uses a page,
//! before the shadow has an entry for it. A page whose dirty flag is clear is read-only in the
//! shadow, so that its first write is a fault.
//!
//! **CR0.WP** is always 1 while the guest runs. Where the guest has 0 there, a write of the
//! supervisor to a read-only page is single-stepped.
//!
//! All of this knows nothing of the kernel or of VMX, and is tested in userspace, too. A
//! [`Shadow`] is one vCPU's, under a lock. Others may be made from the same guest tables where
//! those are not protected.

mod grant;
mod guest_memory;
mod hash;
mod key;
mod list;
mod page;
pub(crate) mod policy;
mod pool;
mod referrers;
mod rmap;
mod shortcut;
mod tables;
mod work;

pub(crate) use self::{
    grant::Written,
    guest_memory::{
        GuestMemory,
        GuestPage, //
    },
    page::Frame,
    policy::ShadowPolicy,
    pool::PAGES_PER_TABLE,
    referrers::Referrers,
    tables::Tables,
    work::Unfinished, //
};

use self::{
    grant::Granted,
    page::At,
    policy::TableWrite, //
};
use super::{
    address::{
        Gpa,
        Gva,
        Hpa,
        Level, //
    },
    flush::Flush,
    guest_walk::{
        self,
        Access,
        Paging,
        Rights,
        Stop,
        Walked, //
    },
    pte::Pte, //
};
use kernel::alloc::AllocError;

/// Pages of host memory that one step forward takes at most.
pub(crate) const PAGES_FOR_ONE_FILL: usize = tables::FOR_ONE_FILL * PAGES_PER_TABLE;

/// The fewest tables that a vCPU must have.
pub(crate) const FEWEST_TABLES: usize = tables::FOR_ONE_INSTRUCTION;

/// What a page fault was, and what is to be done about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// The guest's own, with this error code.
    Guest(u32),
    /// The access can be tried again.
    Filled,
    /// The access can be tried again, by itself: [`Shadow::end_step`] after the instruction.
    Step,
    /// The access, or the walk that it needs, touches memory that is not there, or not for that.
    Memory(Gpa, Access),
    /// The access can be tried again when there are pages for tables, and interrupts were let in;
    /// or another vCPU changed the guest's tables meanwhile.
    Unfinished,
    /// One instruction would take more grants than there is room for.
    TooMuch,
    /// The address is not canonical: the CPU raises no page fault for such a one.
    NotCanonical,
}

/// What a page fault was that the guest's tables have no part in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cause {
    /// The shadow had no entry for it.
    Miss,
    /// It is a write to a guest table.
    TableWrite,
    /// It is a write of the supervisor to a read-only page, which CR0.WP = 0 allows.
    SupervisorWrite,
}

/// What is not in this shadow any more.
pub(crate) enum Removed {
    /// The pages that were named.
    These,
    /// All pages.
    All,
}

/// What the CPU is told before it goes on.
#[must_use = "what the CPU is not told of, it does not do"]
#[derive(Clone, Copy)]
pub(crate) struct Renewal {
    /// The table that it begins with, if that is another.
    pub(crate) root: Option<Hpa>,
    /// Whether translations have changed.
    pub(crate) flush: Flush,
}

/// What was counted.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Counts {
    /// Faults that were the guest's own.
    pub(crate) guest_faults: u64,
    /// Faults that were filled.
    pub(crate) misses: u64,
    /// Writes to guest tables.
    pub(crate) table_writes: u64,
    /// Writes of the supervisor to read-only pages.
    pub(crate) supervisor_writes: u64,
    /// Entries that were found to differ from the guest's.
    pub(crate) syncs: u64,
    /// Tables that were dropped for want of room.
    pub(crate) reclaims: u64,
    /// Tables in use.
    pub(crate) tables: usize,
    /// Pages of host memory that they take, with those kept for later.
    pub(crate) host_pages: usize,
}

impl Counts {
    /// As much, and as much more.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            guest_faults: self.guest_faults.wrapping_add(other.guest_faults),
            misses: self.misses.wrapping_add(other.misses),
            table_writes: self.table_writes.wrapping_add(other.table_writes),
            supervisor_writes: self.supervisor_writes.wrapping_add(other.supervisor_writes),
            syncs: self.syncs.wrapping_add(other.syncs),
            reclaims: self.reclaims.wrapping_add(other.reclaims),
            tables: self.tables.saturating_add(other.tables),
            host_pages: self.host_pages.saturating_add(other.host_pages),
        }
    }
}

/// The shadow tables of a vCPU, and the policy by which they are kept.
pub(crate) struct Shadow<P: Frame + 'static> {
    tables: Tables<P>,
    policy: &'static dyn ShadowPolicy<P>,
    counts: Counts,
    last: (Cause, Gpa),
}

impl<P: Frame> Shadow<P> {
    /// No tables, with room for so many. `random` are numbers that the guest does not know, `pae`
    /// pages for one of the tables, the first below 4 GiB. May sleep.
    pub(crate) fn new(
        policy: &'static dyn ShadowPolicy<P>,
        limit: usize,
        random: [u64; 2],
        pae: [P; PAGES_PER_TABLE],
    ) -> Result<Self, AllocError> {
        Ok(Self {
            tables: Tables::new(limit, policy.protects_tables(), random, pae)?,
            policy,
            counts: Counts::default(),
            last: (Cause::Miss, Gpa::new(0)),
        })
    }

    /// Answers a page fault at an address, for an access of that kind. `present` says whether the
    /// CPU found an entry for the page, which did not allow the access.
    pub(crate) fn fault(
        &mut self,
        paging: &Paging,
        address: Gva,
        access: Access,
        present: bool,
        memory: &dyn GuestMemory,
        pages: &mut dyn FnMut() -> Option<P>,
    ) -> Fault {
        let fault = self.find_fault(paging, address, access, present, memory, pages);
        self.tables.finish();
        fault
    }

    fn find_fault(
        &mut self,
        paging: &Paging,
        address: Gva,
        access: Access,
        present: bool,
        memory: &dyn GuestMemory,
        pages: &mut dyn FnMut() -> Option<P>,
    ) -> Fault {
        let walked = match self.walk(paging, address, access, memory) {
            Ok(walked) => walked,
            Err(stop) => return self.stopped(stop, address, present, memory),
        };
        let page = match memory.page(walked.gpa) {
            Some(page) if page.writable || !access.write => page,
            _ => return Fault::Memory(walked.gpa, access),
        };
        if self.tables.reserve(memory, pages).is_err() {
            return Fault::Unfinished;
        }
        Filling {
            paging,
            address,
            access,
            walked,
            page,
            memory,
        }
        .carry_out(self)
        .unwrap_or(Fault::Unfinished)
    }

    /// Walks the guest's tables, from the lowest if that is known.
    fn walk(
        &mut self,
        paging: &Paging,
        address: Gva,
        access: Access,
        memory: &dyn GuestMemory,
    ) -> Result<Walked, Stop> {
        if let Some(start) = self.tables.walk_start(address) {
            let walked = guest_walk::translate_from(start, paging, address, access, memory);
            // Where tables are not protected, those above may allow it by now.
            if walked.is_ok() || self.policy.protects_tables() {
                return walked;
            }
        }
        self.tables.forget_shortcut(address);
        guest_walk::translate(paging, address, access, memory)
    }

    /// The walk came to no page.
    fn stopped(
        &mut self,
        stop: Stop,
        address: Gva,
        present: bool,
        memory: &dyn GuestMemory,
    ) -> Fault {
        match stop {
            Stop::PageFault(code) => {
                // The CPU, too, forgets what it knows of an address that it reports (SDM Vol. 3A,
                // "Operations that Invalidate TLBs and Paging-Structure Caches"). What leads to no
                // entry is compared when there is one to be filled.
                if present {
                    self.policy.invlpg(&mut self.tables, address, memory);
                }
                self.counts.guest_faults = self.counts.guest_faults.wrapping_add(1);
                Fault::Guest(code)
            }
            Stop::Memory(gpa, access) => Fault::Memory(gpa, access),
            Stop::NotCanonical => Fault::NotCanonical,
            Stop::Changed => Fault::Unfinished,
        }
    }

    /// What the last fault was that came to [`Fault::Filled`] or [`Fault::Step`], and where the
    /// access goes to.
    pub(crate) fn last_fault(&self) -> (Cause, Gpa) {
        self.last
    }

    /// Does it matter to [`Self::end_step`] how much the instruction writes?
    pub(crate) fn steps_at_dense_tables(&self) -> bool {
        self.tables.has_granted_dense_tables()
    }

    /// The bytes at an address that the CPU would execute, to the end of the page: none if it would
    /// have to exit first.
    pub(crate) fn fetch<'m>(
        &self,
        address: Gva,
        memory: &'m dyn GuestMemory,
    ) -> impl Iterator<Item = u8> + 'm {
        self.tables.fetch(address, memory)
    }

    /// The single-stepped instruction has been carried out, and may have written so much.
    pub(crate) fn end_step(&mut self, written: Written, memory: &dyn GuestMemory) {
        self.tables.revoke(written, memory);
        self.tables.finish();
    }

    /// The guest loads CR3.
    pub(crate) fn load_cr3(&mut self) {
        self.policy.load_cr3(&mut self.tables);
        self.tables.forget_root();
    }

    /// The guest changes bits of CR0, CR4 or IA32_EFER that paging depends on.
    pub(crate) fn change_mode(&mut self) {
        self.policy.change_mode(&mut self.tables);
        self.tables.forget_root();
    }

    /// The guest executes INVLPG.
    pub(crate) fn invlpg(&mut self, address: Gva, memory: &dyn GuestMemory) {
        self.policy.invlpg(&mut self.tables, address, memory);
        self.tables.finish();
    }

    /// The guest's tables may be anything now.
    pub(crate) fn drop_all(&mut self) {
        self.tables.drop_all();
    }

    /// Somebody else than the guest writes to the 8 bytes around some addresses, one after the
    /// other.
    pub(crate) fn written(
        &mut self,
        writes: impl IntoIterator<Item = Gpa>,
        memory: &dyn GuestMemory,
    ) {
        for gpa in writes {
            self.tables.sync_word(gpa, memory);
        }
        self.tables.finish();
    }

    /// Pages are taken away from the guest. To be called before they are.
    pub(crate) fn remove<'a>(
        &mut self,
        pages: impl Iterator<Item = (Gpa, GuestPage<'a>)>,
        memory: &dyn GuestMemory,
    ) -> Removed {
        let removed = if self.policy.protects_tables() {
            pages.for_each(|(gpa, page)| self.tables.remove(gpa.frame(), page, memory));
            Removed::These
        } else {
            // Nobody knows which tables come from them. A CPU with EPT forgets all translations,
            // too.
            self.tables.drop_all();
            Removed::All
        };
        self.tables.finish();
        removed
    }

    /// What the CPU must be told before it goes on; makes a table that it can begin with, if there
    /// is none.
    #[inline]
    pub(crate) fn renew(
        &mut self,
        paging: &Paging,
        memory: &dyn GuestMemory,
        pages: &mut dyn FnMut() -> Option<P>,
    ) -> Result<Renewal, Unfinished> {
        let root = match self.tables.has_root() {
            true => None,
            false => Some(self.make_root(paging, memory, pages)?),
        };
        let flush = self.tables.take_flush();
        Ok(Renewal { root, flush })
    }

    /// As above, if nothing has to be made for it.
    #[inline]
    pub(crate) fn renew_with_root(&mut self) -> Option<Renewal> {
        self.tables.has_root().then(|| Renewal {
            root: None,
            flush: self.tables.take_flush(),
        })
    }

    fn make_root(
        &mut self,
        paging: &Paging,
        memory: &dyn GuestMemory,
        pages: &mut dyn FnMut() -> Option<P>,
    ) -> Result<Hpa, Unfinished> {
        let root = self.tables.set_root(paging, memory, pages);
        self.tables.finish();
        match self.tables.has_root() {
            true => root,
            false => Err(Unfinished),
        }
    }

    /// Shows the entries on the way to an address, as the CPU meets them.
    pub(crate) fn show(&self, address: Gva, memory: &dyn GuestMemory, see: impl FnMut(Pte)) {
        self.tables.walk(address, memory, see);
    }

    /// Does the CPU come to the tables with such an address?
    pub(crate) fn takes(&self, address: Gva) -> bool {
        self.tables.takes(address)
    }

    /// Shows some present entries, from an index on, of the table of this level on the way to an
    /// address, or of the root, if there is one, and says where to go on; [`None`] if there is no
    /// such table.
    pub(crate) fn list(
        &self,
        address: Gva,
        level: Option<Level>,
        from: usize,
        memory: &dyn GuestMemory,
        see: impl FnMut(Pte),
    ) -> Option<Option<usize>> {
        self.tables.list(address, level, from, memory, see)
    }

    /// What happened so far.
    pub(crate) fn counts(&self) -> Counts {
        let (tables, host_pages) = self.tables.usage();
        Counts {
            syncs: self.tables.syncs,
            reclaims: self.tables.reclaims,
            tables,
            host_pages,
            ..self.counts
        }
    }
}

/// A page fault that the guest's tables have no part in.
struct Filling<'a> {
    paging: &'a Paging,
    address: Gva,
    access: Access,
    walked: Walked,
    page: GuestPage<'a>,
    memory: &'a dyn GuestMemory,
}

impl Filling<'_> {
    fn carry_out<P: Frame>(&self, shadow: &mut Shadow<P>) -> Result<Fault, Unfinished> {
        shadow.last = (Cause::Miss, self.walked.gpa);
        if !self.can_go_on(shadow) {
            // What it needs went to make room.
            return Ok(Fault::Filled);
        }
        // First what may be left unfinished: it protects tables that the policy then decides about.
        let at = self.make_way(shadow)?;
        if self.access.write && !self.walked.rights.write {
            shadow.last.0 = Cause::SupervisorWrite;
            shadow.counts.supervisor_writes = shadow.counts.supervisor_writes.wrapping_add(1);
            return Ok(self.step(shadow, at, self.supervisor_write(), false));
        }
        let is_protected = shadow.tables.is_protected(self.walked.gpa.frame());
        if self.access.write && is_protected {
            return self.write_table(shadow, at);
        }
        shadow.counts.misses = shadow.counts.misses.wrapping_add(1);
        self.fill(shadow, at, is_protected);
        Ok(Fault::Filled)
    }

    /// The access is a write to a guest table that has a shadow.
    fn write_table<P: Frame>(&self, shadow: &mut Shadow<P>, at: At) -> Result<Fault, Unfinished> {
        shadow.last.0 = Cause::TableWrite;
        // If the way is not finished, the write may be trapped once more, and counts once more.
        shadow.counts.table_writes = shadow.counts.table_writes.wrapping_add(1);
        let frame = self.walked.gpa.frame();
        let write = shadow
            .policy
            .table_write(&mut shadow.tables, frame, self.memory);
        if write == TableWrite::Step {
            return Ok(self.step(shadow, at, self.walked.rights, true));
        }
        // What was let go may have been the way to this very page.
        if self.can_go_on(shadow) {
            let at = self.make_way(shadow)?;
            let is_protected = shadow.tables.is_protected(frame);
            self.fill(shadow, at, is_protected);
        }
        Ok(Fault::Filled)
    }

    fn make_way<P: Frame>(&self, shadow: &mut Shadow<P>) -> Result<At, Unfinished> {
        shadow
            .tables
            .make_way(self.paging, self.address, &self.walked, self.memory)
    }

    fn fill<P: Frame>(&self, shadow: &mut Shadow<P>, at: At, is_protected: bool) {
        let page = GuestPage {
            writable: self.page.writable && !is_protected,
            ..self.page
        };
        shadow.tables.fill(at, &self.walked, page, self.memory);
    }

    /// Is there a table to begin with, and the rest of the way where only its end was walked?
    fn can_go_on<P: Frame>(&self, shadow: &mut Shadow<P>) -> bool {
        let is_whole = self.walked.is_whole(self.paging);
        let tables = &mut shadow.tables;
        tables.has_root() && (is_whole || tables.has_shortcut(self.address))
    }

    /// Rights for a write of the supervisor to a read-only page, which CR0.WP = 0 allows. They are
    /// more than others have, so that no other access of the instruction needs the entry to be made
    /// anew.
    fn supervisor_write(&self) -> Rights {
        Rights {
            write: true,
            ..self.walked.rights
        }
    }

    fn step<P: Frame>(
        &self,
        shadow: &mut Shadow<P>,
        at: At,
        rights: Rights,
        read_only: bool,
    ) -> Fault {
        if shadow.tables.grants.is_full() {
            return Fault::TooMuch;
        }
        let granted = Granted {
            page: self.page,
            rights,
            read_only,
        };
        shadow
            .tables
            .fill_for_step(at, &self.walked, granted, self.memory);
        Fault::Step
    }
}

/// What tests look at besides [`Counts`].
#[cfg(any(test, fuzzing))]
#[derive(Clone, Copy)]
pub(crate) struct Glance {
    pub(crate) table_writes: u64,
    pub(crate) reclaims: u64,
    pub(crate) unsync: usize,
    /// Entries that the last operation changed, or as much in other work.
    pub(crate) work: u32,
}

#[cfg(any(test, fuzzing))]
impl<P: Frame> Shadow<P> {
    pub(crate) fn glance(&self) -> Glance {
        Glance {
            table_writes: self.counts.table_writes,
            reclaims: self.tables.reclaims,
            unsync: self.tables.unsync_count(),
            work: self.tables.work.last,
        }
    }

    /// Tables that a search meets at most, and is not for.
    pub(crate) fn longest_search(&self) -> usize {
        self.tables.longest_search()
    }

    /// Operations may do less than they usually do.
    pub(crate) fn limit_work(&mut self, most: u32) {
        self.tables.work.limit(most);
    }

    /// Panics unless the tables keep their invariants.
    pub(crate) fn check(&self, memory: &dyn GuestMemory) {
        self.tables.check(memory);
    }

    /// As above, of all entries.
    pub(crate) fn check_closely(&self) {
        self.tables.check_closely();
    }
}
