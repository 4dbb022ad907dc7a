// SPDX-License-Identifier: GPL-2.0

//! How an address of the guest is translated, entry by entry.

use std::fmt;

use crate::uapi::{
    self,
    minivmx_pte,
    minivmx_translate, //
};

/// What a translation is asked for: an address, and what is to be done there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Question {
    /// The address.
    pub address: Address,
    /// What is to be done there.
    pub purpose: Purpose,
    /// By code of CPL 3; else by the supervisor.
    pub user: bool,
}

/// An address of the guest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Address {
    /// Guest-linear: what its programs use.
    Linear(u64),
    /// Guest-physical: what its page tables have.
    Physical(u64),
}

/// What is to be done at an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// A data read.
    Read,
    /// A data write.
    Write,
    /// An instruction fetch.
    Fetch,
}

/// Whose page tables.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Tables {
    /// The guest's own, in its memory.
    Guest,
    /// Extended page tables.
    Ept,
    /// Shadow tables.
    Shadow,
}

/// What an entry says, as bits of a mask.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PteFlags(u32);

/// An entry of a page table, as it was when it was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pte {
    /// Whose it is.
    pub tables: Tables,
    /// Level of its table: 4 to 1, the lowest.
    pub level: u32,
    /// Its place in the table.
    pub index: u32,
    /// What it says.
    pub flags: PteFlags,
    /// The address that it is on the way to: guest-physical in EPT, else guest-linear.
    pub input: u64,
    /// Where it is: guest-physical in the guest's tables, else host-physical, or 0 for callers
    /// without `CAP_SYS_ADMIN`.
    pub address: u64,
    /// Its bits; without `CAP_SYS_ADMIN`, those of host-physical addresses are 0.
    pub value: u64,
    /// In shadow tables, the guest's entry that it was made from, or 0.
    pub source: u64,
}

/// How a translation ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// At the page: the access can be made.
    Translated,
    /// The guest gets #PF with this error code.
    PageFault(u32),
    /// The guest gets #GP, or #SS.
    NotCanonical,
    /// There is no memory.
    NoMemory,
    /// A write to read-only memory.
    ReadOnlyMemory,
    /// The page is allocated when it is used first.
    NotAllocated,
    /// EPT or the shadow gets its entry when it is used first.
    NotFilled,
    /// The shadow has an entry that does not allow the access, although the guest's tables do.
    Narrowed,
    /// An entry of EPT says what none may say: a mistake of the driver.
    Misconfigured,
    /// One that this library does not know yet.
    Other(u32),
}

/// How a CPU caches a page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MemoryType {
    /// UC.
    Uncacheable,
    /// WC.
    WriteCombining,
    /// WT.
    WriteThrough,
    /// WP.
    WriteProtected,
    /// WB.
    WriteBack,
    /// UC-.
    UncacheableMinus,
    /// It is not known.
    Unknown,
}

/// The way from an address to its page, and what is at its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Translation {
    /// The entries that a CPU reads, in order.
    pub entries: Vec<Pte>,
    /// How it ends.
    pub end: End,
    /// Where the guest's tables lead, or where the way ends in guest memory before that; else 0.
    pub gpa: u64,
    /// The host-physical address; 0 if there is none, and for callers without `CAP_SYS_ADMIN`.
    pub hpa: u64,
    /// Bytes of the page that the guest's tables map; 0 without paging, or if they lead to none.
    pub guest_page: u32,
    /// The same of EPT or the shadow.
    pub host_page: u32,
    /// What the guest's entries allow together.
    pub guest_rights: PteFlags,
    /// What EPT or the shadow allows.
    pub host_rights: PteFlags,
    /// What the guest's entry asks for.
    pub guest_memory_type: MemoryType,
    /// What the CPU does.
    pub memory_type: MemoryType,
}

impl PteFlags {
    /// It means something.
    pub const PRESENT: Self = Self(uapi::MINIVMX_PTE_PRESENT);
    /// It allows reads.
    pub const READ: Self = Self(uapi::MINIVMX_PTE_READ);
    /// It allows writes.
    pub const WRITE: Self = Self(uapi::MINIVMX_PTE_WRITE);
    /// It allows instruction fetches.
    pub const EXECUTE: Self = Self(uapi::MINIVMX_PTE_EXECUTE);
    /// It allows accesses at CPL 3.
    pub const USER: Self = Self(uapi::MINIVMX_PTE_USER);
    /// Reads, writes and fetches, at any CPL.
    pub const ALL_RIGHTS: Self =
        Self(Self::READ.0 | Self::WRITE.0 | Self::EXECUTE.0 | Self::USER.0);
    /// Accessed flag.
    pub const ACCESSED: Self = Self(uapi::MINIVMX_PTE_ACCESSED);
    /// Dirty flag.
    pub const DIRTY: Self = Self(uapi::MINIVMX_PTE_DIRTY);
    /// It maps a page.
    pub const LEAF: Self = Self(uapi::MINIVMX_PTE_LEAF);
    /// It says what no entry may say.
    pub const RESERVED: Self = Self(uapi::MINIVMX_PTE_RESERVED);
    /// The CPU has it in a PDPTE register.
    pub const REGISTER: Self = Self(uapi::MINIVMX_PTE_REGISTER);
    /// The guest's entry is another by now.
    pub const OUT_OF_DATE: Self = Self(uapi::MINIVMX_PTE_OUT_OF_DATE);
    /// Not writable, because the page holds a page table of the guest.
    pub const HOLDS_TABLE: Self = Self(uapi::MINIVMX_PTE_HOLDS_TABLE);
    /// Not writable, because the guest's entry is not dirty.
    pub const NOT_DIRTY: Self = Self(uapi::MINIVMX_PTE_NOT_DIRTY);
    /// Not writable, because the memory is not.
    pub const READ_ONLY_MEMORY: Self = Self(uapi::MINIVMX_PTE_READ_ONLY_MEMORY);

    /// These rights, and no other flags.
    pub fn of_rights(write: bool, execute: bool, user: bool) -> Self {
        let right = |is: bool, flag: Self| if is { flag.0 } else { 0 };
        Self(
            Self::READ.0
                | right(write, Self::WRITE)
                | right(execute, Self::EXECUTE)
                | right(user, Self::USER),
        )
    }

    /// Are all of these set?
    pub fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Those that either has.
    pub fn or(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Those that both have.
    pub fn and(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }
}

/// Rights and flags of use, as `rwxu AD`, with a dash for each that is missing.
impl fmt::Display for PteFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = [
            (Self::READ, 'r'),
            (Self::WRITE, 'w'),
            (Self::EXECUTE, 'x'),
            (Self::USER, 'u'),
            (Self::ACCESSED, 'A'),
            (Self::DIRTY, 'D'),
        ];
        let text: String = letters
            .iter()
            .map(|(flag, letter)| if self.contains(*flag) { *letter } else { '-' })
            .collect();
        f.pad(&text)
    }
}

impl Tables {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Ept => "EPT",
            Self::Shadow => "shadow",
        }
    }
}

impl fmt::Display for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Fetch => "fetch",
        })
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::PageFault(code) => {
                return write!(f, "a page fault for the guest, error code {code:#x}")
            }
            Self::Other(number) => return write!(f, "end {number}, which is not known here"),
            Self::Translated => "the page",
            Self::NotCanonical => "#GP for the guest: the address is not canonical",
            Self::NoMemory => "no memory is there: the program gets to see the access",
            Self::ReadOnlyMemory => "read-only memory: the program gets to see the write",
            Self::NotAllocated => "not allocated yet: the driver does it at the first touch",
            Self::NotFilled => "no entry yet: the driver makes it at the first touch",
            Self::Narrowed => "an entry that does not allow it: the driver answers the fault",
            Self::Misconfigured => "an EPT misconfiguration, by a mistake of the driver",
        };
        f.pad(words)
    }
}

impl fmt::Display for MemoryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Uncacheable => "uncacheable",
            Self::WriteCombining => "write-combining",
            Self::WriteThrough => "write-through",
            Self::WriteProtected => "write-protected",
            Self::WriteBack => "write-back",
            Self::UncacheableMinus => "uncacheable (UC-)",
            Self::Unknown => "unknown",
        })
    }
}

impl Question {
    /// A read by the supervisor.
    pub fn read(address: Address) -> Self {
        Self {
            address,
            purpose: Purpose::Read,
            user: false,
        }
    }

    /// The question as the call takes it, with room for no entries.
    pub(crate) fn argument(&self) -> minivmx_translate {
        let (address, physical) = match self.address {
            Address::Linear(address) => (address, 0),
            Address::Physical(address) => (address, uapi::MINIVMX_TRANSLATE_PHYSICAL),
        };
        let user = match self.user {
            true => uapi::MINIVMX_TRANSLATE_USER,
            false => 0,
        };
        minivmx_translate {
            address,
            flags: physical | user,
            access: match self.purpose {
                Purpose::Read => uapi::MINIVMX_ACCESS_READ,
                Purpose::Write => uapi::MINIVMX_ACCESS_WRITE,
                Purpose::Fetch => uapi::MINIVMX_ACCESS_FETCH,
            },
            ..Default::default()
        }
    }
}

impl From<&minivmx_pte> for Pte {
    fn from(pte: &minivmx_pte) -> Self {
        Self {
            tables: match pte.tables {
                uapi::MINIVMX_TABLES_EPT => Tables::Ept,
                uapi::MINIVMX_TABLES_SHADOW => Tables::Shadow,
                _ => Tables::Guest,
            },
            level: pte.level,
            index: pte.index,
            flags: PteFlags(pte.flags),
            input: pte.input,
            address: pte.address,
            value: pte.value,
            source: pte.source,
        }
    }
}

impl Translation {
    /// What the driver answered.
    pub(crate) fn new(answer: &minivmx_translate, entries: &[minivmx_pte]) -> Self {
        Self {
            entries: entries.iter().map(Pte::from).collect(),
            end: end(answer),
            gpa: answer.out_gpa,
            hpa: answer.out_hpa,
            guest_page: answer.out_guest_page,
            host_page: answer.out_host_page,
            guest_rights: PteFlags(answer.out_guest_rights),
            host_rights: PteFlags(answer.out_host_rights),
            guest_memory_type: memory_type(answer.out_guest_memory_type),
            memory_type: memory_type(answer.out_memory_type),
        }
    }

    /// The entries of some tables.
    pub fn entries_of(&self, tables: Tables) -> impl Iterator<Item = &Pte> {
        self.entries.iter().filter(move |pte| pte.tables == tables)
    }
}

fn end(answer: &minivmx_translate) -> End {
    match answer.out_end {
        uapi::MINIVMX_END_TRANSLATED => End::Translated,
        uapi::MINIVMX_END_PAGE_FAULT => End::PageFault(answer.out_error_code),
        uapi::MINIVMX_END_NOT_CANONICAL => End::NotCanonical,
        uapi::MINIVMX_END_NO_MEMORY => End::NoMemory,
        uapi::MINIVMX_END_READ_ONLY_MEMORY => End::ReadOnlyMemory,
        uapi::MINIVMX_END_NOT_ALLOCATED => End::NotAllocated,
        uapi::MINIVMX_END_NOT_FILLED => End::NotFilled,
        uapi::MINIVMX_END_NARROWED => End::Narrowed,
        uapi::MINIVMX_END_MISCONFIGURED => End::Misconfigured,
        other => End::Other(other),
    }
}

fn memory_type(number: u32) -> MemoryType {
    match number {
        uapi::MINIVMX_MEMORY_UC => MemoryType::Uncacheable,
        uapi::MINIVMX_MEMORY_WC => MemoryType::WriteCombining,
        uapi::MINIVMX_MEMORY_WT => MemoryType::WriteThrough,
        uapi::MINIVMX_MEMORY_WP => MemoryType::WriteProtected,
        uapi::MINIVMX_MEMORY_WB => MemoryType::WriteBack,
        uapi::MINIVMX_MEMORY_UC_MINUS => MemoryType::UncacheableMinus,
        _ => MemoryType::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_one_access_to_one_address() {
        let question = Question {
            address: Address::Physical(0x1000),
            purpose: Purpose::Write,
            user: true,
        };
        let argument = question.argument();
        assert_eq!(argument.flags, 3);
        assert_eq!(argument.access, uapi::MINIVMX_ACCESS_WRITE);
        assert_eq!(Question::read(Address::Linear(5)).argument().flags, 0);
    }

    #[test]
    fn an_answer_is_read() {
        let answer = minivmx_translate {
            out_end: uapi::MINIVMX_END_PAGE_FAULT,
            out_error_code: 7,
            out_memory_type: uapi::MINIVMX_MEMORY_UNKNOWN,
            out_guest_memory_type: uapi::MINIVMX_MEMORY_WB,
            ..Default::default()
        };
        let pte = minivmx_pte {
            tables: uapi::MINIVMX_TABLES_SHADOW,
            ..Default::default()
        };
        let translation = Translation::new(&answer, &[pte]);
        assert_eq!(translation.end, End::PageFault(7));
        assert_eq!(translation.memory_type, MemoryType::Unknown);
        assert_eq!(translation.guest_memory_type, MemoryType::WriteBack);
        assert_eq!(translation.entries_of(Tables::Shadow).count(), 1);
        assert_eq!(translation.entries_of(Tables::Guest).count(), 0);
    }

    #[test]
    fn flags_are_letters() {
        let flags = PteFlags(uapi::MINIVMX_PTE_READ | uapi::MINIVMX_PTE_DIRTY);
        assert_eq!(flags.to_string(), "r----D");
    }
}
