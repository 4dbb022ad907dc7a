// SPDX-License-Identifier: GPL-2.0

//! A walk through the guest's own page tables, as the CPU does it
//! (SDM Vol. 3A, "Paging").
//!
//! Entries lie in memory that the guest and the program can write at any time: each is read once,
//! and the copy decides. Accessed and dirty flags are set when the access is known to be allowed.

use super::{
    address::{
        Gpa,
        Gva,
        Input, //
    },
    node::Entries, //
};
use core::{
    marker::PhantomData,
    sync::atomic::Ordering, //
};

/// How the guest translates, from CR0.PG, CR4.PAE and IA32_EFER.LMA.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// No paging.
    Off,
    /// Two levels of 32-bit entries, with 4-MiB pages if CR4.PSE.
    Bits32 {
        /// CR4.PSE.
        large: bool,
    },
    /// Three levels, the highest with four entries, which the CPU reads at a load of CR3.
    Pae,
    /// Four levels.
    FourLevels,
}

/// What the walk depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Paging {
    /// How the guest translates.
    pub(crate) mode: Mode,
    /// CR3.
    pub(crate) cr3: u64,
    /// With [`Mode::Pae`], the highest level, if it was read before; else it is read from memory.
    pub(crate) pdptes: Option<[u64; 4]>,
    /// CR0.WP: the supervisor heeds read-only pages, too.
    pub(crate) write_protect: bool,
    /// IA32_EFER.NXE: bit 63 forbids execution.
    pub(crate) no_execute: bool,
    /// CR4.SMEP: the supervisor does not execute pages of users.
    pub(crate) smep: bool,
    /// CR4.SMAP: the supervisor does not touch data of users, unless [`Access::may_touch_users`].
    pub(crate) smap: bool,
    /// Width of a physical address: higher bits of an entry are reserved.
    pub(crate) physical_bits: u32,
    /// Entries of level 3 can map pages of 1 GiB.
    pub(crate) pages_1g: bool,
}

/// What is to be done at the address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Access {
    /// By code with CPL 3.
    pub(crate) user: bool,
    /// A write.
    pub(crate) write: bool,
    /// An instruction fetch.
    pub(crate) fetch: bool,
    /// RFLAGS.AC is 1, and the access is not an implicit one of the supervisor.
    pub(crate) may_touch_users: bool,
}

impl Access {
    /// The access that the error code of a page fault tells of, by code of CPL 3 or not, with this
    /// RFLAGS.AC. The fault is one of shadow tables.
    ///
    /// Supervisor accesses by code of CPL 3 are implicit ones, which do not heed AC. So are reads
    /// that fault although something is there: to others AC opens it. If that was taken for one of
    /// others, the guest would fault there for ever. Implicit writes follow on a read of the same
    /// place, as far as is known.
    pub(crate) fn of_fault(code: u32, is_user: bool, ac: bool) -> Self {
        let user = code & fault::USER != 0;
        let refused_read = code & (fault::PRESENT | fault::WRITE | fault::FETCH) == fault::PRESENT;
        let implicit = !user && (refused_read || is_user);
        Self {
            user,
            write: code & fault::WRITE != 0,
            fetch: code & fault::FETCH != 0,
            may_touch_users: ac && !implicit,
        }
    }
}

/// Why there is no translation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// A page fault, with its error code (SDM Vol. 3A, "Page-Fault Exceptions").
    PageFault(u32),
    /// The address is not canonical: #GP(0).
    NotCanonical,
    /// Memory does not answer an access to this address, of an entry or to the page itself: nothing
    /// is allocated there, or, if it is a write, the memory is read-only.
    Memory(Gpa, Access),
    /// An entry was changed before a flag could be set in it: the access has to be tried again. A
    /// CPU uses no entry that it could not set the flag in, and a guest relies on that when it
    /// takes an entry away and looks whether the page is dirty.
    Changed,
}

impl Stop {
    /// An entry cannot be read.
    fn entry(gpa: Gpa) -> Self {
        Self::Memory(gpa, Access::default())
    }

    /// A flag was not set in an entry.
    fn flag(gpa: Gpa, kept: Kept) -> Self {
        let access = Access {
            write: true,
            ..Access::default()
        };
        match kept {
            Kept::ReadOnly => Self::Memory(gpa, access),
            Kept::Changed => Self::Changed,
        }
    }
}

/// Guest-physical memory, as far as the walk needs it.
pub(crate) trait PhysicalMemory {
    /// Reads 8 bytes at a multiple of 8; [`None`] if no page is allocated there.
    fn read(&self, gpa: Gpa) -> Option<u64>;

    /// Writes 8 bytes at a multiple of 8, if they still are `old`.
    fn replace(&self, gpa: Gpa, old: u64, new: u64) -> Result<(), Kept>;
}

/// Why bytes were not replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kept {
    /// They cannot be written.
    ReadOnly,
    /// They are not what they were.
    Changed,
}

/// P: the entry means something.
pub(crate) const PRESENT: u64 = 1 << 0;
/// R/W.
pub(crate) const WRITE: u64 = 1 << 1;
/// U/S.
pub(crate) const USER: u64 = 1 << 2;
/// PWT.
const WRITE_THROUGH: u64 = 1 << 3;
/// PCD.
const CACHE_DISABLE: u64 = 1 << 4;
/// A.
pub(crate) const ACCESSED: u64 = 1 << 5;
/// D.
pub(crate) const DIRTY: u64 = 1 << 6;
/// PS.
const LARGE: u64 = 1 << 7;
/// XD.
pub(crate) const NO_EXECUTE: u64 = 1 << 63;
/// Bits 51:12.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// Error codes of page faults (SDM Vol. 3A, "Page-Fault Exceptions").
pub(crate) mod fault {
    pub(crate) const PRESENT: u32 = 1 << 0;
    pub(crate) const WRITE: u32 = 1 << 1;
    pub(crate) const USER: u32 = 1 << 2;
    pub(crate) const RESERVED: u32 = 1 << 3;
    pub(crate) const FETCH: u32 = 1 << 4;
}

/// What entries allow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rights {
    /// R/W.
    pub(crate) write: bool,
    /// U/S.
    pub(crate) user: bool,
    /// XD is clear.
    pub(crate) execute: bool,
}

impl Rights {
    /// Everything.
    pub(crate) const ALL: Self = Self {
        write: true,
        user: true,
        execute: true,
    };

    /// What an entry allows by itself.
    pub(crate) fn of(entry: u64) -> Self {
        Self {
            write: entry & WRITE != 0,
            user: entry & USER != 0,
            execute: entry & NO_EXECUTE == 0,
        }
    }

    /// What both allow.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            write: self.write && other.write,
            user: self.user && other.user,
            execute: self.execute && other.execute,
        }
    }
}

/// An entry on the way to an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Visited {
    /// What it says, accessed and dirty flags of this access included.
    pub(crate) entry: u64,
    /// Level of its table: 1 for the lowest.
    pub(crate) level: u32,
}

impl Visited {
    /// Where the table is that the entry refers to.
    pub(crate) fn table(self) -> Gpa {
        Gpa::new(self.entry & ADDRESS)
    }

    /// What the entry allows: a page-directory-pointer entry of PAE, everything.
    pub(crate) fn rights(self, mode: Mode) -> Rights {
        if mode == Mode::Pae && self.level == 3 {
            Rights::ALL
        } else {
            Rights::of(self.entry)
        }
    }
}

/// Levels of tables at most.
const LEVELS: usize = 4;

/// The way to an address, and what is at its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Walked {
    /// Where the address is.
    pub(crate) gpa: Gpa,
    /// What all entries together allow; everything if there is no paging.
    pub(crate) rights: Rights,
    /// Level of the entry that maps the page; 0 if there is no paging.
    pub(crate) leaf: u32,
    /// The entries that the walk went through, by level less 1; 0, which is none, for other levels.
    entries: [u64; LEVELS],
}

impl Walked {
    /// Where there is no paging.
    fn identity(linear: u64) -> Self {
        Self {
            gpa: Gpa::new(linear & 0xffff_ffff),
            rights: Rights::ALL,
            leaf: 0,
            entries: [0; LEVELS],
        }
    }

    /// The entry of this level that the walk went through.
    #[inline]
    pub(crate) fn entry(&self, level: u32) -> Option<Visited> {
        // CAST: Widens.
        let entry = *self.entries.get(level.checked_sub(1)? as usize)?;
        (entry != 0).then_some(Visited { entry, level })
    }

    /// What of the PAT the page's entry selects; [`None`] if there is no paging.
    pub(crate) fn pat_index(&self) -> Option<u32> {
        let leaf = self.entry(self.leaf)?;
        Some(pat_index(leaf.entry, leaf.level))
    }

    /// Did the walk begin with the highest level?
    pub(crate) fn is_whole(&self, paging: &Paging) -> bool {
        let highest = levels(paging.mode);
        highest == 0 || self.entry(highest).is_some()
    }

    /// May the page be written to as long as nobody looks at the dirty flag: is the flag set?
    pub(crate) fn dirty(&self) -> bool {
        self.entry(self.leaf)
            .is_none_or(|visited| visited.entry & DIRTY != 0)
    }
}

/// A table that a walk begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Start {
    /// Its level.
    pub(crate) level: u32,
    /// Where it is.
    pub(crate) table: Gpa,
    /// What the levels above leave over.
    pub(crate) rights: Rights,
}

impl Start {
    /// The table of the highest level.
    fn root(paging: &Paging) -> Self {
        Self {
            level: levels(paging.mode),
            table: Gpa::new(root(paging.mode, paging.cr3)),
            rights: Rights::ALL,
        }
    }
}

/// Translates an address and checks the access; sets accessed and dirty flags if it is allowed.
pub(crate) fn translate(
    paging: &Paging,
    address: Gva,
    access: Access,
    memory: &(impl PhysicalMemory + ?Sized),
) -> Result<Walked, Stop> {
    translate_from(Start::root(paging), paging, address, access, memory)
}

/// As above, with a table that the walk would come to. It does not see the entries above, nor sets
/// flags in them.
pub(crate) fn translate_from(
    start: Start,
    paging: &Paging,
    address: Gva,
    access: Access,
    memory: &(impl PhysicalMemory + ?Sized),
) -> Result<Walked, Stop> {
    let linear = address.get();
    match paging.mode {
        Mode::Off => Ok(Walked::identity(linear)),
        Mode::FourLevels if address.position().is_none() => Err(Stop::NotCanonical),
        Mode::FourLevels => Walk::<FourLevels>::carry_out(start, paging, linear, access, memory),
        Mode::Pae => Walk::<Pae>::carry_out(start, paging, linear, access, memory),
        Mode::Bits32 { .. } => Walk::<Bits32>::carry_out(start, paging, linear, access, memory),
    }
}

/// A mode as a type: the walk is compiled for each, with the format of its entries known.
trait ModeType {
    /// The mode, of a guest that is in it.
    fn mode(paging: &Paging) -> Mode;
}

/// [`Mode::FourLevels`].
struct FourLevels;

impl ModeType for FourLevels {
    #[inline]
    fn mode(_: &Paging) -> Mode {
        Mode::FourLevels
    }
}

/// [`Mode::Pae`].
struct Pae;

impl ModeType for Pae {
    #[inline]
    fn mode(_: &Paging) -> Mode {
        Mode::Pae
    }
}

/// [`Mode::Bits32`].
struct Bits32;

impl ModeType for Bits32 {
    #[inline]
    fn mode(paging: &Paging) -> Mode {
        let large = paging.mode == Mode::Bits32 { large: true };
        Mode::Bits32 { large }
    }
}

/// A walk in progress.
struct Walk<'a, F> {
    start: Start,
    paging: &'a Paging,
    linear: u64,
    /// Bits that are reserved in every entry.
    reserved: u64,
    /// The entries by level less 1, as in [`Walked`].
    entries: [u64; LEVELS],
    format: PhantomData<F>,
}

impl<'a, F: ModeType> Walk<'a, F> {
    fn carry_out(
        start: Start,
        paging: &'a Paging,
        linear: u64,
        access: Access,
        memory: &(impl PhysicalMemory + ?Sized),
    ) -> Result<Walked, Stop> {
        let mut walk = Self {
            start,
            paging,
            linear,
            reserved: reserved_everywhere(paging, F::mode(paging)),
            entries: [0; LEVELS],
            format: PhantomData,
        };
        let (leaf, common) = walk.descend(access, memory)?;
        let rights = common.rights().and(start.rights);
        check(paging, access, rights)?;
        if !common.accessed() || access.write && walk.entries[leaf.place()] & DIRTY == 0 {
            walk.mark(leaf, access, memory)?;
        }
        Ok(Walked {
            gpa: leaf.page(walk.entries[leaf.place()], linear),
            rights,
            leaf: leaf.level,
            entries: walk.entries,
        })
    }

    #[inline]
    fn mode(&self) -> Mode {
        F::mode(self.paging)
    }

    /// Goes down to the entry that maps the page. Returns it, and what all have in common.
    #[inline]
    fn descend(
        &mut self,
        access: Access,
        memory: &(impl PhysicalMemory + ?Sized),
    ) -> Result<(GuestEntry, Common), Stop> {
        let mut level = self.start.level;
        let mut table = self.start.table.get();
        let mut common = Common::ALL;
        loop {
            let slot = GuestEntry::new(self.mode(), table, self.linear, level);
            let entry = self.read(slot, memory)?;
            let leaf = slot.is_leaf(self.paging, entry);
            self.check_entry(slot, entry, leaf, access)?;
            self.entries[slot.place()] = entry;
            if slot.has_flags() {
                common = common.and(entry);
            }
            if leaf {
                return Ok((slot, common));
            }
            table = entry & ADDRESS;
            // A table of level 1 has leaves only.
            level = level.wrapping_sub(1);
        }
    }

    #[inline]
    fn read(&self, slot: GuestEntry, memory: &(impl PhysicalMemory + ?Sized)) -> Result<u64, Stop> {
        match self.paging.pdptes {
            // CAST: 0 to 3.
            Some(pdptes) if !slot.has_flags() => Ok(pdptes[(self.linear >> 30 & 3) as usize]),
            _ => slot.read(memory).ok_or_else(|| Stop::entry(slot.address())),
        }
    }

    #[inline]
    fn check_entry(
        &self,
        slot: GuestEntry,
        entry: u64,
        leaf: bool,
        access: Access,
    ) -> Result<(), Stop> {
        // More is reserved only in entries that map large pages, or say so where they cannot.
        if entry & (PRESENT | LARGE | self.reserved) == PRESENT {
            return Ok(());
        }
        self.check_closely(slot, entry, leaf, access)
    }

    #[cold]
    fn check_closely(
        &self,
        slot: GuestEntry,
        entry: u64,
        leaf: bool,
        access: Access,
    ) -> Result<(), Stop> {
        if entry & PRESENT == 0 {
            return Err(Stop::PageFault(error_code(self.paging, access)));
        }
        if entry & self.reserved_in(slot, leaf) != 0 {
            let code = error_code(self.paging, access) | fault::PRESENT | fault::RESERVED;
            return Err(Stop::PageFault(code));
        }
        Ok(())
    }

    /// Bits that are reserved in this entry (SDM Vol. 3A, "Hierarchical Paging Structures", the
    /// tables of formats).
    fn reserved_in(&self, slot: GuestEntry, leaf: bool) -> u64 {
        match slot.mode {
            Mode::Bits32 { .. } if leaf && slot.level == 2 => {
                reserved_in_4m(self.paging.physical_bits)
            }
            // The load of CR3 checked it.
            Mode::Pae if slot.level == 3 => 0,
            _ if leaf && slot.level > 1 => self.reserved | slot.offset_bits(),
            // PS is reserved where no page can be mapped.
            Mode::FourLevels if !leaf && !slot.may_be_large(self.paging) => self.reserved | LARGE,
            _ => self.reserved,
        }
    }

    /// Sets the accessed flag of all entries, from the highest down, and the dirty flag of the one
    /// that maps the page, if it is written to.
    fn mark(
        &mut self,
        leaf: GuestEntry,
        access: Access,
        memory: &(impl PhysicalMemory + ?Sized),
    ) -> Result<(), Stop> {
        let mut table = self.start.table.get();
        for level in (leaf.level..=self.start.level).rev() {
            let slot = GuestEntry::new(self.mode(), table, self.linear, level);
            let writes = access.write && level == leaf.level;
            let flags = ACCESSED | if writes { DIRTY } else { 0 };
            let entry = &mut self.entries[slot.place()];
            if *entry & flags != flags && slot.has_flags() {
                slot.set(*entry, flags, memory)
                    .map_err(|kept| Stop::flag(slot.address(), kept))?;
                *entry |= flags;
            }
            table = *entry & ADDRESS;
        }
        Ok(())
    }
}

/// Bits that are set in all entries, with XD turned round: so what all of them allow.
#[derive(Clone, Copy)]
struct Common(u64);

impl Common {
    /// No entry forbids anything.
    const ALL: Self = Self(u64::MAX);

    #[inline]
    fn and(self, entry: u64) -> Self {
        Self(self.0 & (entry ^ NO_EXECUTE))
    }

    #[inline]
    fn rights(self) -> Rights {
        Rights::of(self.0 ^ NO_EXECUTE)
    }

    /// Have all been used already?
    #[inline]
    fn accessed(self) -> bool {
        self.0 & ACCESSED != 0
    }
}

/// Levels of tables: the walk begins at the highest.
pub(crate) fn levels(mode: Mode) -> u32 {
    match mode {
        Mode::Off => 0,
        Mode::Bits32 { .. } => 2,
        Mode::Pae => 3,
        Mode::FourLevels => 4,
    }
}

/// What of the PAT an entry of this level selects that maps a page (SDM Vol. 3A, "Paging and Memory
/// Typing").
pub(crate) fn pat_index(entry: u64, level: u32) -> u32 {
    let pat = if level == 1 { LARGE } else { 1 << 12 };
    let bit = |set: bool, number: u32| if set { 1 << number } else { 0 };
    bit(entry & WRITE_THROUGH != 0, 0)
        | bit(entry & CACHE_DISABLE != 0, 1)
        | bit(entry & pat != 0, 2)
}

/// A linear address as the CPU takes it: outside IA-32e mode it has 32 bits.
pub(crate) fn truncated(mode: Mode, linear: u64) -> u64 {
    match mode {
        Mode::FourLevels => linear,
        _ => linear & 0xffff_ffff,
    }
}

/// Bytes of a page that an entry of this level maps; 0 if there is no paging.
pub(crate) fn page_bytes(mode: Mode, level: u32) -> u64 {
    match level {
        0 => 0,
        level => 1 << shift(mode, level),
    }
}

/// The page, or the table, that an entry of the lowest level refers to, or one of a higher level.
pub(crate) fn page_address(entry: u64) -> u64 {
    entry & ADDRESS
}

/// Address of the table that the walk begins with: outside IA-32e mode CR3 has 32 bits.
pub(crate) fn root(mode: Mode, cr3: u64) -> u64 {
    match mode {
        Mode::Off | Mode::Bits32 { .. } => cr3 & 0xffff_f000,
        Mode::Pae => cr3 & 0xffff_ffe0,
        Mode::FourLevels => cr3 & ADDRESS,
    }
}

fn check(paging: &Paging, access: Access, rights: Rights) -> Result<(), Stop> {
    if allows(paging, access, rights) {
        Ok(())
    } else {
        Err(Stop::PageFault(error_code(paging, access) | fault::PRESENT))
    }
}

/// Is an access possible to a page with these rights? (SDM Vol. 3A, "Determination of Access
/// Rights").
#[inline]
pub(crate) fn allows(paging: &Paging, access: Access, rights: Rights) -> bool {
    let reachable = if access.user {
        rights.user
    } else if access.fetch {
        !(rights.user && paging.smep)
    } else {
        !(rights.user && paging.smap) || access.may_touch_users
    };
    let heeds_read_only = access.user || paging.write_protect;
    let writable = !access.write || rights.write || !heeds_read_only;
    let executable = !access.fetch || rights.execute;
    reachable && writable && executable
}

/// The part of an error code that the access decides.
fn error_code(paging: &Paging, access: Access) -> u32 {
    let bit = |set: bool, bit: u32| if set { bit } else { 0 };
    let told = paging.smep || paging.no_execute && !matches!(paging.mode, Mode::Bits32 { .. });
    bit(access.write, fault::WRITE)
        | bit(access.user, fault::USER)
        | bit(access.fetch && told, fault::FETCH)
}

/// Are the four entries that a load of CR3 reads with [`Mode::Pae`] free of reserved bits?
/// (SDM Vol. 3A, "PDPTE Registers").
pub(crate) fn pdptes_valid(pdptes: &[u64; 4], physical_bits: u32) -> bool {
    const RESERVED: u64 = 0x1e6;
    let reserved = RESERVED | above(physical_bits);
    pdptes
        .iter()
        .all(|entry| entry & PRESENT == 0 || entry & reserved == 0)
}

/// Where the four entries are that a load of CR3 reads with [`Mode::Pae`].
pub(crate) fn pdptes_at(cr3: u64) -> [Gpa; 4] {
    [0, 8, 16, 24].map(|offset| Gpa::new(cr3 & 0xffff_ffe0 | offset))
}

/// All bits from this one up.
fn above(bit: u32) -> u64 {
    u64::MAX.checked_shl(bit).unwrap_or(0)
}

/// An entry of a table, by where it is.
#[derive(Clone, Copy)]
pub(crate) struct GuestEntry {
    mode: Mode,
    level: u32,
    /// Of the 8 bytes that it is in.
    gpa: Gpa,
    /// Position of a 32-bit entry in them.
    shift: u32,
}

impl GuestEntry {
    /// The entry on the way to an address, in the table of this level.
    #[inline]
    pub(crate) fn new(mode: Mode, table: u64, linear: u64, level: u32) -> Self {
        let index = linear.wrapping_shr(shift(mode, level)) & ((1 << index_bits(mode)) - 1);
        // The root of PAE has four entries, because linear addresses have 32 bits then.
        let index = if mode == Mode::Pae && level == 3 {
            index & 3
        } else {
            index
        };
        Self::at(mode, level, table, index)
    }

    /// The entry with this index.
    #[inline]
    pub(crate) fn at(mode: Mode, level: u32, table: u64, index: u64) -> Self {
        let (address, shift) = match is_32_bit(mode) {
            // CAST: 0 or 32.
            true => (table | index * 4, (index % 2 * 32) as u32),
            false => (table | index * 8, 0),
        };
        Self {
            mode,
            level,
            gpa: Gpa::new(address & !7),
            shift,
        }
    }

    /// Where [`Walked`] has it.
    #[inline]
    fn place(self) -> usize {
        // CAST: Less than 4.
        (self.level.wrapping_sub(1)) as usize % LEVELS
    }

    #[inline]
    fn mask(self) -> u64 {
        if is_32_bit(self.mode) {
            0xffff_ffff
        } else {
            u64::MAX
        }
    }

    /// The entry in the 8 bytes that it is in.
    #[inline]
    pub(crate) fn value(self, whole: u64) -> u64 {
        whole >> self.shift & self.mask()
    }

    /// The 8 bytes with flags set in the entry.
    pub(crate) fn with(self, flags: u64, whole: u64) -> u64 {
        whole | flags << self.shift
    }

    /// Where the entry is.
    pub(crate) fn address(self) -> Gpa {
        Gpa::new(self.gpa.get() | u64::from(self.shift / 8))
    }

    /// Its place in the table, which is at a multiple of the table's size.
    pub(crate) fn index(self) -> u32 {
        let (size, entries) = match (self.mode, self.level) {
            (Mode::Pae, 3) => (8, 4),
            (mode, _) if is_32_bit(mode) => (4, 1024),
            _ => (8, 512),
        };
        // CAST: Less than 1024.
        (self.address().get() / size % entries) as u32
    }

    /// Reads the entry; [`None`] if no page is allocated there.
    #[inline]
    pub(crate) fn read(self, memory: &(impl PhysicalMemory + ?Sized)) -> Option<u64> {
        Some(self.value(memory.read(self.gpa)?))
    }

    /// Reads the entry from the contents of the table's page.
    #[inline]
    pub(crate) fn read_from(self, contents: &Entries) -> u64 {
        // CAST: Less than 512.
        let index = (self.gpa.get() / 8) as usize % contents.len();
        self.value(contents[index].load(Ordering::Relaxed))
    }

    /// Sets flags, unless more than flags has changed in the entry.
    fn set(
        self,
        entry: u64,
        flags: u64,
        memory: &(impl PhysicalMemory + ?Sized),
    ) -> Result<(), Kept> {
        let whole = memory.read(self.gpa).ok_or(Kept::ReadOnly)?;
        let now = self.value(whole);
        // A table that refers to itself has entries that are met at two levels.
        if (now ^ entry) & !(ACCESSED | DIRTY) != 0 {
            return Err(Kept::Changed);
        }
        memory.replace(self.gpa, whole, whole | flags << self.shift)
    }

    /// Has the entry rights and an accessed flag? A page-directory-pointer entry of PAE has not.
    #[inline]
    fn has_flags(self) -> bool {
        !(self.mode == Mode::Pae && self.level == 3)
    }

    /// Does it map a page, if it is present?
    #[inline]
    pub(crate) fn is_leaf(self, paging: &Paging, entry: u64) -> bool {
        self.level == 1 || entry & LARGE != 0 && self.may_be_large(paging)
    }

    #[inline]
    fn may_be_large(self, paging: &Paging) -> bool {
        match self.mode {
            Mode::Bits32 { large } => large && self.level == 2,
            Mode::Pae => self.level == 2,
            Mode::FourLevels => self.level == 2 || self.level == 3 && paging.pages_1g,
            Mode::Off => false,
        }
    }

    /// The bits of its address that a page of this level does not need, less the one for PAT.
    #[inline]
    fn offset_bits(self) -> u64 {
        self.offset_mask() & ADDRESS & !(1 << 12)
    }

    /// Bits of an address that are the offset into a page of this level.
    #[inline]
    fn offset_mask(self) -> u64 {
        !u64::MAX.wrapping_shl(shift(self.mode, self.level))
    }

    /// The address in the page that the entry maps.
    #[inline]
    fn page(self, entry: u64, linear: u64) -> Gpa {
        let offset = self.offset_mask();
        // 4-MiB pages keep address bits 39:32 in bits 20:13.
        let high = if is_32_bit(self.mode) && self.level == 2 {
            (entry >> 13 & 0xff) << 32
        } else {
            0
        };
        Gpa::new(entry & ADDRESS & !offset & self.mask() | high | linear & offset)
    }
}

/// Bits of an address that choose an entry of a table.
#[inline]
fn index_bits(mode: Mode) -> u32 {
    if is_32_bit(mode) {
        10
    } else {
        9
    }
}

/// The lowest of those for tables of this level. A level is 1 to 4, so that nothing wraps: only the
/// compiler, which cannot know, would have each step of each walk check it.
#[inline]
fn shift(mode: Mode, level: u32) -> u32 {
    let above = level.wrapping_sub(1);
    index_bits(mode).wrapping_mul(above).wrapping_add(12)
}

#[inline]
fn is_32_bit(mode: Mode) -> bool {
    matches!(mode, Mode::Bits32 { .. })
}

/// Bits that are reserved in every entry but those at the top of PAE.
fn reserved_everywhere(paging: &Paging, mode: Mode) -> u64 {
    match mode {
        Mode::Off | Mode::Bits32 { .. } => 0,
        Mode::Pae => above(paging.physical_bits) & !NO_EXECUTE | no_execute(paging),
        Mode::FourLevels => above(paging.physical_bits) & ADDRESS | no_execute(paging),
    }
}

fn no_execute(paging: &Paging) -> u64 {
    if paging.no_execute {
        0
    } else {
        NO_EXECUTE
    }
}

/// What is reserved in an entry for 4 MiB: bit 21, and of bits 20:13, which are address bits 39:32,
/// those that the CPU does not have.
fn reserved_in_4m(physical_bits: u32) -> u64 {
    const HIGH: u64 = 0xff << 13;
    1 << 21 | above(physical_bits.saturating_sub(19)) & HIGH
}
