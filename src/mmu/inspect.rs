// SPDX-License-Identifier: GPL-2.0

//! A translation as the CPU would make it that remembers nothing, shown entry by entry, without any
//! effect.
//!
//! With EPT there are two dimensions. Each entry of the guest's is at a guest-physical address,
//! which EPT translates first, and so is the page at the end: through n levels of the guest's and m
//! of EPT's that makes n·m + n + m references, 24 for four and four (SDM Vol. 3C, "EPT Translation
//! Mechanism"). With shadow paging the CPU goes through the shadow only; the guest's tables are
//! what the driver looks at when that leads nowhere.
//!
//! The guest's own walk is that of [`guest_walk`], over a memory that notes what is read of it. It
//! shows every entry with its accessed and dirty flags set, so that the walk has none to set.

use super::{
    address::{
        Gpa,
        Gva,
        PageSize, //
    },
    ept::{
        self,
        Ept,
        MemoryType, //
    },
    format::{
        Entry,
        Mapping, //
    },
    guest_walk::{
        self,
        fault,
        Access,
        GuestEntry,
        Kept,
        Mode,
        Paging,
        PhysicalMemory,
        Rights,
        Stop,
        Walked,
        ACCESSED,
        DIRTY, //
    },
    node::TablePage,
    pte::{
        self,
        flag,
        Pte,
        Tables,
        Trail, //
    },
    shadow::{
        Frame,
        GuestMemory,
        Shadow, //
    },
    table::{
        PageTable,
        Seen, //
    }, //
};
use core::cell::Cell;

/// How a translation ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// At a page that allows the access.
    Translated,
    /// With a page fault for the guest, with this error code.
    PageFault(u32),
    /// With #GP or #SS for the guest: the address is not canonical.
    NotCanonical,
    /// At an address without memory.
    NoMemory,
    /// With a write to read-only memory: to the page, or to an entry whose flags have to be set.
    ReadOnlyMemory,
    /// At a page that is allocated when it is first used.
    NotAllocated,
    /// At a page that is there: EPT or the shadow gets its entry when it is first used.
    NotFilled,
    /// At a shadow entry that does not allow what the guest's do.
    Narrowed,
    /// At an entry of EPT that says what none may say.
    Misconfigured,
}

/// What is asked for.
#[derive(Clone, Copy)]
pub(crate) enum Address {
    /// A guest-linear address.
    Linear(Gva),
    /// A guest-physical address.
    Physical(Gpa),
}

/// Guest memory, where it is not allocated, too.
pub(crate) trait Memory: GuestMemory {
    /// Can the guest write there? [`None`] where no memory is.
    fn is_writable(&self, gpa: Gpa) -> Option<bool>;
}

/// A page at the end of the way, or of a part of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Page {
    /// The address in it: guest-physical at the end of the guest's tables, else host-physical.
    pub(crate) address: u64,
    /// Its size in bytes; 0 where no table has a part in it.
    pub(crate) bytes: u64,
    /// What the entries on the way allow together, of [`flag::RIGHTS`].
    pub(crate) rights: u32,
    /// How the CPU caches it; [`None`] if these tables do not say that.
    pub(crate) memory_type: Option<MemoryType>,
}

/// What a translation comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    /// How it ends.
    pub(crate) end: End,
    /// Where it ends: guest-physical, if it is known.
    pub(crate) gpa: Option<Gpa>,
    /// What the guest's tables say; [`None`] if they stop before.
    pub(crate) guest: Option<Page>,
    /// What EPT or the shadow says.
    pub(crate) host: Option<Page>,
    /// What of the PAT the guest's entry for the page selects, if it has paging.
    pub(crate) pat_index: Option<u32>,
}

impl Answer {
    /// It ends like this, at an address if one is known.
    fn stopped(end: End, gpa: Option<Gpa>) -> Self {
        Self {
            end,
            gpa,
            guest: None,
            host: None,
            pat_index: None,
        }
    }
}

/// Translates with EPT.
pub(crate) fn with_ept<P: TablePage>(
    tables: &PageTable<Ept, P>,
    paging: &Paging,
    address: Address,
    access: Access,
    memory: &impl Memory,
    trail: &Trail,
) -> Answer {
    let reach = |gpa, access| through_ept(tables, gpa, access, memory, trail);
    let (gpa, guest) = match address {
        Address::Physical(gpa) => (gpa, None),
        Address::Linear(linear) => match guests(paging, linear, access, memory, reach, trail) {
            Ok(walked) => (
                walked.gpa,
                Some((walked, guest_page(paging, &walked, trail))),
            ),
            Err((end, gpa)) => return Answer::stopped(end, gpa),
        },
    };
    let (end, host) = match reach(gpa, access) {
        Ok(page) => (End::Translated, Some(page)),
        Err(end) => (end, None),
    };
    Answer {
        end,
        gpa: Some(gpa),
        guest: guest.map(|(_, page)| page),
        host,
        pat_index: guest.and_then(|(walked, _)| walked.pat_index()),
    }
}

/// Translates with shadow paging: by the guest's tables, then by the shadow, which decides.
pub(crate) fn with_shadow<P: Frame>(
    shadow: &Shadow<P>,
    paging: &Paging,
    address: Address,
    access: Access,
    memory: &impl Memory,
    trail: &Trail,
) -> Answer {
    let reach = |gpa, access| in_memory(gpa, access, memory);
    let linear = match address {
        // No table has a part in it.
        Address::Physical(gpa) => {
            let found = reach(gpa, access);
            let mut answer = Answer::stopped(found.err().unwrap_or(End::Translated), Some(gpa));
            answer.host = found.ok();
            return answer;
        }
        Address::Linear(linear) => linear,
    };
    let walked = guests(paging, linear, access, memory, reach, trail);
    let guest = walked.map(|walked| guest_page(paging, &walked, trail));
    if let Err((End::NotCanonical, _)) = walked {
        return Answer::stopped(End::NotCanonical, None);
    }
    let linear = Gva::new(guest_walk::truncated(paging.mode, linear.get()));
    shadow.show(linear, memory, |pte| trail.add(pte));
    let host = shadow_page(linear, trail);
    let end = match (&host, walked) {
        (Some(page), _) if shadow_allows(paging, access, page) => End::Translated,
        (_, Err((end, _))) => end,
        (found, Ok(walked)) => match (reach(walked.gpa, access), found) {
            (Err(end), _) => end,
            (Ok(_), Some(_)) => End::Narrowed,
            (Ok(_), None) => End::NotFilled,
        },
    };
    Answer {
        end,
        gpa: walked.map_or_else(|(_, gpa)| gpa, |walked| Some(walked.gpa)),
        guest: guest.ok(),
        host,
        pat_index: walked.ok().and_then(|walked| walked.pat_index()),
    }
}

/// The page that the shadow's walk came to.
fn shadow_page(linear: Gva, trail: &Trail) -> Option<Page> {
    let shadows = || trail.iter().filter(|pte| pte.tables == Tables::Shadow);
    let leaf = shadows().last().filter(|pte| pte.flags & flag::LEAF != 0)?;
    let size = PageSize::Size4K;
    Some(Page {
        address: guest_walk::page_address(leaf.value) | linear.offset(size),
        bytes: size.bytes(),
        rights: shadows().fold(flag::RIGHTS, |rights, pte| rights & pte.rights()),
        // The first of the PAT is write-back in the CPU's as it is in Linux's own.
        memory_type: (guest_walk::pat_index(leaf.value, 1) == 0).then_some(MemoryType::WriteBack),
    })
}

/// Does the CPU make the access? CR0.WP is 1 with shadow paging, and what users may do is no matter
/// where the guest has no paging.
fn shadow_allows(paging: &Paging, access: Access, page: &Page) -> bool {
    let is_paged = paging.mode != Mode::Off;
    let paging = Paging {
        write_protect: true,
        smep: paging.smep && is_paged,
        smap: paging.smap && is_paged,
        ..*paging
    };
    let rights = Rights {
        write: page.rights & flag::WRITE != 0,
        user: page.rights & flag::USER != 0,
        execute: page.rights & flag::EXECUTE != 0,
    };
    guest_walk::allows(&paging, access, rights)
}

/// What the guest's tables say of the page that they lead to.
fn guest_page(paging: &Paging, walked: &Walked, trail: &Trail) -> Page {
    Page {
        address: walked.gpa.get(),
        bytes: guest_walk::page_bytes(paging.mode, walked.leaf),
        rights: trail
            .guests()
            .fold(flag::RIGHTS, |rights, pte| rights & pte.rights()),
        memory_type: None,
    }
}

/// The page of an address, if memory answers the access.
fn in_memory(gpa: Gpa, access: Access, memory: &impl Memory) -> Result<Page, End> {
    match (memory.is_writable(gpa), memory.page(gpa)) {
        (None, _) => Err(End::NoMemory),
        (Some(false), _) if access.write => Err(End::ReadOnlyMemory),
        (_, None) => Err(End::NotAllocated),
        (Some(writable), Some(page)) => Ok(Page {
            address: page.hpa.get() | gpa.offset(PageSize::Size4K),
            bytes: 0,
            rights: match writable {
                true => flag::RIGHTS,
                false => flag::RIGHTS & !flag::WRITE,
            },
            memory_type: None,
        }),
    }
}

/// The page that EPT leads to, if it allows the access.
fn through_ept<P: TablePage>(
    tables: &PageTable<Ept, P>,
    gpa: Gpa,
    access: Access,
    memory: &impl Memory,
    trail: &Trail,
) -> Result<Page, End> {
    // What users may do is for the guest's tables to say.
    let mut rights = flag::RIGHTS;
    let last = tables.walk(gpa, |seen| {
        let pte = Pte::of_ept(seen, gpa);
        rights &= pte.rights() | flag::USER;
        trail.add(pte);
    });
    match last {
        Some(Entry::Malformed) => Err(End::Misconfigured),
        Some(Entry::Leaf(mapping)) if mapping_allows(&mapping, access) => Ok(Page {
            address: mapping.hpa.get(),
            bytes: mapping.size.bytes(),
            rights,
            memory_type: Some(mapping.attributes)
                .filter(|attributes| attributes.ignore_pat)
                .map(|attributes| attributes.memory_type),
        }),
        _ => Err(in_memory(gpa, access, memory)
            .err()
            .unwrap_or(End::NotFilled)),
    }
}

fn mapping_allows(mapping: &Mapping<ept::Attributes>, access: Access) -> bool {
    let allowed = mapping.attributes.access;
    match (access.write, access.fetch) {
        (true, _) => allowed.write(),
        (_, true) => allowed.execute(),
        _ => allowed.read(),
    }
}

impl Pte {
    /// An entry of EPT on the way to an address.
    pub(crate) fn of_ept(seen: &Seen<ept::Attributes>, gpa: Gpa) -> Self {
        Self {
            tables: Tables::Ept,
            // CAST: 1 to 4.
            level: seen.level as u32,
            // CAST: Less than 512.
            index: seen.level.index(seen.position) as u32,
            flags: pte::shape_flags(&seen.entry) | ept::flags(seen.raw),
            input: gpa.get(),
            address: seen.hpa.get(),
            value: seen.raw,
            source: 0,
        }
    }
}

/// The guest's walk; what it reads is reached by `reach`. Or how it ends, and where if that is in
/// memory.
fn guests<M: Memory>(
    paging: &Paging,
    linear: Gva,
    access: Access,
    memory: &M,
    reach: impl Fn(Gpa, Access) -> Result<Page, End>,
    trail: &Trail,
) -> Result<Walked, (End, Option<Gpa>)> {
    let noting = Noting {
        paging,
        linear: guest_walk::truncated(paging.mode, linear.get()),
        memory,
        reach,
        trail,
        level: Cell::new(guest_walk::levels(paging.mode)),
        end: Cell::new(End::NotAllocated),
    };
    noting.note_register();
    let walked = guest_walk::translate(paging, linear, access, &noting);
    match walked {
        Ok(walked) => noting.check_flags(access).map(|()| walked),
        Err(Stop::NotCanonical) => Err((End::NotCanonical, None)),
        Err(Stop::Memory(gpa, _)) => Err((noting.end.get(), Some(gpa))),
        // Nothing is set that could have changed.
        Err(Stop::Changed) => Err((noting.end.get(), None)),
        Err(Stop::PageFault(code)) => {
            if code & fault::RESERVED != 0 {
                trail.mark_last(flag::RESERVED);
            }
            Err((End::PageFault(code), None))
        }
    }
}

/// Guest memory that notes which entries are read of it.
struct Noting<'a, M, R> {
    paging: &'a Paging,
    linear: u64,
    memory: &'a M,
    reach: R,
    trail: &'a Trail,
    /// Level of the table that is read next.
    level: Cell<u32>,
    /// Why nothing could be read.
    end: Cell<End>,
}

impl<M: Memory, R: Fn(Gpa, Access) -> Result<Page, End>> Noting<'_, M, R> {
    /// A walk with PAE paging begins with what a load of CR3 has read.
    fn note_register(&self) {
        if let (Mode::Pae, Some(pdptes)) = (self.paging.mode, self.paging.pdptes) {
            let slot = GuestEntry::new(Mode::Pae, 0, self.linear, 3);
            // CAST: 0 to 3.
            let value = pdptes.get(slot.index() as usize).copied().unwrap_or(0);
            self.trail.add(Pte {
                address: 0,
                flags: pte::pdpte_flags(value) | flag::REGISTER,
                ..self.pte(slot, value)
            });
            self.level.set(2);
        }
    }

    /// Is the table of this level the one of PAE paging whose entries have neither rights nor
    /// flags?
    fn is_pdpte(&self, level: u32) -> bool {
        self.paging.mode == Mode::Pae && level == 3
    }

    fn pte(&self, slot: GuestEntry, value: u64) -> Pte {
        let flags = match self.is_pdpte(self.level.get()) {
            true => pte::pdpte_flags(value),
            false => pte::paging_flags(value, slot.is_leaf(self.paging, value)),
        };
        Pte {
            tables: Tables::Guest,
            level: self.level.get(),
            index: slot.index(),
            flags,
            input: self.linear,
            address: slot.address().get(),
            value,
            source: 0,
        }
    }

    /// Can the flags be set that the access would set?
    fn check_flags(&self, access: Access) -> Result<(), (End, Option<Gpa>)> {
        for pte in self.trail.guests().filter(|pte| !self.is_pdpte(pte.level)) {
            let gpa = Gpa::new(pte.address);
            if pte.misses_flags(access) && self.memory.is_writable(gpa) == Some(false) {
                return Err((End::ReadOnlyMemory, Some(gpa)));
            }
        }
        Ok(())
    }
}

impl Pte {
    /// Does an access by the guest's entry set a flag in it?
    fn misses_flags(&self, access: Access) -> bool {
        let dirties = access.write && self.flags & flag::LEAF != 0;
        let wanted = flag::ACCESSED | if dirties { flag::DIRTY } else { 0 };
        self.flags & wanted != wanted
    }
}

impl<M: Memory, R: Fn(Gpa, Access) -> Result<Page, End>> PhysicalMemory for Noting<'_, M, R> {
    fn read(&self, gpa: Gpa) -> Option<u64> {
        let level = self.level.get();
        let size = if self.is_pdpte(level) { 32 } else { 4096 };
        let table = gpa.get() & !(size - 1);
        let slot = GuestEntry::new(self.paging.mode, table, self.linear, level);
        if let Err(end) = (self.reach)(gpa, Access::default()) {
            self.end.set(end);
            return None;
        }
        let whole = self.memory.read(gpa)?;
        self.trail.add(self.pte(slot, slot.value(whole)));
        self.level.set(level.wrapping_sub(1));
        Some(slot.with(ACCESSED | DIRTY, whole))
    }

    fn replace(&self, _gpa: Gpa, _old: u64, _new: u64) -> Result<(), Kept> {
        // All flags are set in what the walk has seen.
        Ok(())
    }
}
