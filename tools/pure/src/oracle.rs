// SPDX-License-Identifier: GPL-2.0

//! Paging as the SDM puts it (Vol. 3A, "Paging"), written without a look at the driver's walker,
//! and in another shape: each figure of an entry's format is a list of its reserved bits.

use crate::mmu::{
    address::Gpa,
    guest_walk::{Access, Mode, Paging, PhysicalMemory},
};

const P: u64 = 1 << 0;
const RW: u64 = 1 << 1;
const US: u64 = 1 << 2;
pub(crate) const A: u64 = 1 << 5;
pub(crate) const D: u64 = 1 << 6;
const PS: u64 = 1 << 7;
const XD: u64 = 1 << 63;

/// Bits of a page fault's error code ("Page-Fault Error Code").
pub(crate) const CODE_P: u32 = 1;
pub(crate) const CODE_WR: u32 = 2;
pub(crate) const CODE_US: u32 = 4;
pub(crate) const CODE_RSVD: u32 = 8;
pub(crate) const CODE_ID: u32 = 16;

/// The bits from `high` down to `low`; none if there are none between.
fn bits(high: u32, low: u32) -> u64 {
    (low..=high).fold(0, |mask, bit| mask | 1 << bit)
}

/// What the entries so far allow together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Allowed {
    pub(crate) write: bool,
    pub(crate) user: bool,
    pub(crate) execute: bool,
}

impl Allowed {
    pub(crate) const ALL: Self = Self {
        write: true,
        user: true,
        execute: true,
    };
}

/// An entry, and where it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) gpa: u64,
    pub(crate) value: u64,
    /// Has it an accessed flag?
    pub(crate) flags: bool,
}

impl Seen {
    /// Is its accessed flag set, if it has one?
    pub(crate) fn is_accessed(&self) -> bool {
        !self.flags || self.value & A != 0
    }
}

/// Where an entry leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// To the table here.
    Table(u64),
    /// To a page with this base and this logarithm of its size.
    Page(u64, u32),
}

/// Why the CPU does not get on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Obstacle {
    /// A page fault with this error code.
    Fault(u32),
    /// There is no memory at the entry with this address.
    Missing(u64),
    /// The entry with this address cannot be written to.
    Refused(u64),
}

/// Lowest bit of the index into the tables, from the highest table down.
fn shifts(mode: Mode) -> &'static [u32] {
    match mode {
        Mode::Off => &[],
        Mode::Bits32 { .. } => &[22, 12],
        Mode::Pae => &[30, 21, 12],
        Mode::FourLevels => &[39, 30, 21, 12],
    }
}

/// The base of the highest table.
pub(crate) fn top(paging: &Paging) -> u64 {
    match paging.mode {
        Mode::FourLevels => paging.cr3 & bits(51, 12),
        Mode::Pae => paging.cr3 & bits(31, 5),
        _ => paging.cr3 & bits(31, 12),
    }
}

fn width(mode: Mode) -> u64 {
    match mode {
        Mode::Bits32 { .. } => 4,
        _ => 8,
    }
}

/// Bytes of the entry at `gpa`, of which memory is read 8 at a time.
fn read(mode: Mode, gpa: u64, memory: &(impl PhysicalMemory + ?Sized)) -> Result<u64, Obstacle> {
    let word = memory
        .read(Gpa::new(gpa & !7))
        .ok_or(Obstacle::Missing(gpa))?;
    Ok(match width(mode) {
        4 => word >> (8 * (gpa & 4)) & bits(31, 0),
        _ => word,
    })
}

/// What is reserved in an entry of the table with this shift.
fn reserved(paging: &Paging, shift: u32, page: bool) -> u64 {
    let m = paging.physical_bits;
    let xd = if paging.no_execute { 0 } else { XD };
    match (paging.mode, shift, page) {
        (Mode::FourLevels, 39, _) => xd | bits(51, m) | PS,
        (Mode::FourLevels, 30, true) => xd | bits(51, m) | bits(29, 13),
        (Mode::FourLevels, 30, false) => {
            xd | bits(51, m) | if paging.pages_1g { 0 } else { PS } //
        }
        (Mode::FourLevels, 21, true) => xd | bits(51, m) | bits(20, 13),
        (Mode::FourLevels, _, _) => xd | bits(51, m),
        (Mode::Pae, 30, _) => 0,
        (Mode::Pae, 21, true) => xd | bits(62, m) | bits(20, 13),
        (Mode::Pae, _, _) => xd | bits(62, m),
        (Mode::Bits32 { .. }, 22, true) => bits(21, m.min(40) - 19),
        (Mode::Bits32 { .. }, _, _) | (Mode::Off, _, _) => 0,
    }
}

fn maps_page(paging: &Paging, shift: u32, entry: u64) -> bool {
    let large = match (paging.mode, shift) {
        (Mode::FourLevels, 30) => paging.pages_1g,
        (Mode::FourLevels | Mode::Pae, 21) => true,
        (Mode::Bits32 { large }, 22) => large,
        _ => false,
    };
    shift == 12 || large && entry & PS != 0
}

/// Number of tables on a way to the end.
pub(crate) fn depth(mode: Mode) -> usize {
    shifts(mode).len()
}

/// Number of the entry for an address.
fn index(mode: Mode, shift: u32, linear: u64) -> u64 {
    match (mode, shift) {
        (Mode::Bits32 { .. }, _) => linear >> shift & 0x3ff,
        (Mode::Pae, 30) => linear >> 30 & 3,
        _ => linear >> shift & 0x1ff,
    }
}

/// Where the entry for an address is in the table with this base, and what it is, if there is
/// memory.
pub(crate) fn entry(
    paging: &Paging,
    depth: usize,
    table: u64,
    linear: u64,
    memory: &(impl PhysicalMemory + ?Sized),
) -> Option<(u64, u64)> {
    let mode = paging.mode;
    let gpa = table + index(mode, shifts(mode)[depth], linear) * width(mode);
    Some((gpa, read(mode, gpa, memory).ok()?))
}

/// Reads the entry for an address in the table with this base, which is `depth` tables below the
/// highest. A code tells only P and RSVD.
pub(crate) fn step(
    paging: &Paging,
    depth: usize,
    table: u64,
    linear: u64,
    memory: &(impl PhysicalMemory + ?Sized),
) -> Result<(Seen, Next), Obstacle> {
    let shift = shifts(paging.mode)[depth];
    let index = index(paging.mode, shift, linear);
    let gpa = table + index * width(paging.mode);
    let flags = (paging.mode, shift) != (Mode::Pae, 30);
    let value = match paging.pdptes {
        Some(pdptes) if !flags => pdptes[index as usize],
        _ => read(paging.mode, gpa, memory)?,
    };
    if value & P == 0 {
        return Err(Obstacle::Fault(0));
    }
    let page = maps_page(paging, shift, value);
    if value & reserved(paging, shift, page) != 0 {
        return Err(Obstacle::Fault(CODE_P | CODE_RSVD));
    }
    let next = match (paging.mode, page) {
        (_, false) => Next::Table(value & bits(51, 12)),
        (Mode::Bits32 { .. }, true) if shift == 22 => {
            Next::Page(value & bits(31, 22) | (value & bits(20, 13)) << 19, 22)
        }
        (_, true) => Next::Page(value & bits(51, shift), shift),
    };
    Ok((Seen { gpa, value, flags }, next))
}

/// What is left when this entry has its say, too.
pub(crate) fn narrow(above: Allowed, seen: &Seen) -> Allowed {
    if !seen.flags {
        return above;
    }
    Allowed {
        write: above.write && seen.value & RW != 0,
        user: above.user && seen.value & US != 0,
        execute: above.execute && seen.value & XD == 0,
    }
}

/// The end of a walk.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// Where the address is.
    pub(crate) gpa: u64,
    /// Logarithm of the page's size.
    pub(crate) shift: u32,
    pub(crate) allowed: Allowed,
    /// The entries, the one that maps the page last.
    pub(crate) seen: Vec<Seen>,
}

impl Page {
    /// The dirty flag.
    pub(crate) fn dirty(&self) -> bool {
        self.seen.last().is_none_or(|leaf| leaf.value & D != 0)
    }

    /// Are all accessed flags set?
    pub(crate) fn accessed(&self) -> bool {
        self.seen.iter().all(Seen::is_accessed)
    }
}

/// Follows the tables to the end, whatever the rights, and changes nothing.
pub(crate) fn look(
    paging: &Paging,
    linear: u64,
    memory: &(impl PhysicalMemory + ?Sized),
) -> Result<Page, Obstacle> {
    let mut found = Page {
        gpa: linear & bits(31, 0),
        shift: 32,
        allowed: Allowed::ALL,
        seen: Vec::new(),
    };
    let mut table = top(paging);
    for depth in 0..depth(paging.mode) {
        let (seen, next) = step(paging, depth, table, linear, memory)?;
        found.allowed = narrow(found.allowed, &seen);
        found.seen.push(seen);
        match next {
            Next::Table(base) => table = base,
            Next::Page(base, shift) => {
                found.shift = shift;
                found.gpa = base | linear & bits(shift - 1, 0);
                break;
            }
        }
    }
    Ok(found)
}

/// "Determination of Access Rights".
pub(crate) fn may(paging: &Paging, access: Access, allowed: Allowed) -> bool {
    if paging.mode == Mode::Off {
        return true;
    }
    if access.user {
        return allowed.user
            && (!access.write || allowed.write)
            && (!access.fetch || allowed.execute);
    }
    if access.fetch {
        return allowed.execute && !(allowed.user && paging.smep);
    }
    let smap_forbids = allowed.user && paging.smap && !access.may_touch_users;
    let read_only = !allowed.write && paging.write_protect;
    !(smap_forbids || access.write && read_only)
}

/// The error code with what the access itself adds.
fn code(paging: &Paging, access: Access, cause: u32) -> u32 {
    let pae = matches!(paging.mode, Mode::Pae | Mode::FourLevels);
    let tells_fetch = paging.smep || pae && paging.no_execute;
    let mut code = cause;
    if access.write {
        code |= CODE_WR;
    }
    if access.user {
        code |= CODE_US;
    }
    if access.fetch && tells_fetch {
        code |= CODE_ID;
    }
    code
}

/// As [`look`], but a page fault if the access is not allowed, with the error code of that access.
pub(crate) fn try_access(
    paging: &Paging,
    linear: u64,
    access: Access,
    memory: &(impl PhysicalMemory + ?Sized),
) -> Result<Page, Obstacle> {
    let page = look(paging, linear, memory).map_err(|obstacle| match obstacle {
        Obstacle::Fault(cause) => Obstacle::Fault(code(paging, access, cause)),
        other => other,
    })?;
    if !may(paging, access, page.allowed) {
        return Err(Obstacle::Fault(code(paging, access, CODE_P)));
    }
    Ok(page)
}

/// Makes an access, with accessed and dirty flags set where it is allowed.
pub(crate) fn access(
    paging: &Paging,
    linear: u64,
    access: Access,
    memory: &(impl PhysicalMemory + ?Sized),
) -> Result<Page, Obstacle> {
    let page = try_access(paging, linear, access, memory)?;
    let last = page.seen.len();
    for (number, seen) in page.seen.iter().enumerate().filter(|(_, seen)| seen.flags) {
        let dirty = if access.write && number + 1 == last {
            D
        } else {
            0
        };
        set(paging.mode, seen.gpa, A | dirty, memory).ok_or(Obstacle::Refused(seen.gpa))?;
    }
    Ok(page)
}

/// Sets flags in the entry at this address.
fn set(mode: Mode, gpa: u64, flags: u64, memory: &(impl PhysicalMemory + ?Sized)) -> Option<()> {
    let (word, shift) = match width(mode) {
        4 => (gpa & !7, 8 * (gpa & 4)),
        _ => (gpa, 0),
    };
    let old = memory.read(Gpa::new(word))?;
    let new = old | flags << shift;
    if new != old {
        memory.replace(Gpa::new(word), old, new).ok()?;
    }
    Some(())
}
