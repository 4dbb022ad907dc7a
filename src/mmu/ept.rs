// SPDX-License-Identifier: GPL-2.0

//! EPT: the format of the tables that translate guest-physical addresses.
//!
//! Source: Intel SDM Vol. 3C, "The Extended Page Table Mechanism (EPT)", in particular "EPT
//! Translation Mechanism", "EPT Misconfigurations" and "EPT and Memory Typing"; for the pointer,
//! "Extended-Page-Table Pointer (EPTP)".
//!
//! The VM-execution controls "mode-based execute control for EPT", "sub-page write permissions" and
//! "EPT-violation #VE" are 0: the bits that they give a meaning are ignored otherwise.

use super::{
    address::{
        Gpa,
        Hpa,
        Level,
        PageSize, //
    },
    format::{
        frame_address,
        frame_field,
        Entry,
        Format,
        Mapping, //
    },
    pte::flag, //
};
use kernel::{
    bitfield,
    num::Bounded, //
};

bitfield! {
    /// EPT entry of any level. Which fields mean something depends on whether it maps a page.
    struct Bits(u64) {
        /// Frame number of the page, or of the table of the next lower level.
        51:12   frame;
        /// Dirty: the CPU has written to the page.
        9:9     dirty => bool;
        /// Accessed: the CPU has used the entry.
        8:8     accessed => bool;
        /// The entry maps a page. Not in the lowest level, whose entries always do.
        7:7     large => bool;
        /// The guest's PAT has no part in the memory type.
        6:6     ignore_pat => bool;
        /// Memory type of the page.
        5:3     memory_type ?=> MemoryType;
        /// What is reserved in an entry that refers to a table.
        7:3     reserved_in_table;
        /// Rights; with none of them, the entry is not present.
        2:0     access ?=> Access;
    }
}

/// What a guest may do with a page: the combinations of rights that EPT has.
///
/// The numbers are bits 2:0 of an entry: read, write and execute from bit 0 up. Writing without
/// reading is an EPT misconfiguration.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Read only.
    Read = 0b001,
    /// Read and write.
    ReadWrite = 0b011,
    /// Execute only, which needs a CPU whose IA32_VMX_EPT_VPID_CAP bit 0 is set.
    Execute = 0b100,
    /// Read and execute.
    ReadExecute = 0b101,
    /// Everything.
    ReadWriteExecute = 0b111,
}

impl Access {
    /// Whether the guest may read.
    pub(crate) const fn read(self) -> bool {
        self.contains(Self::Read)
    }

    /// Whether the guest may write.
    pub(crate) const fn write(self) -> bool {
        self.contains(Self::ReadWrite)
    }

    /// Whether the guest may execute.
    pub(crate) const fn execute(self) -> bool {
        self.contains(Self::Execute)
    }

    /// Whether all rights of `other` are among these.
    const fn contains(self, other: Self) -> bool {
        // CAST: The discriminants are the rights as bits.
        self as u8 & other as u8 == other as u8
    }
}

impl TryFrom<Bounded<u64, 3>> for Access {
    type Error = ();

    #[inline]
    fn try_from(bits: Bounded<u64, 3>) -> Result<Self, ()> {
        match bits.get() {
            0b001 => Ok(Self::Read),
            0b011 => Ok(Self::ReadWrite),
            0b100 => Ok(Self::Execute),
            0b101 => Ok(Self::ReadExecute),
            0b111 => Ok(Self::ReadWriteExecute),
            _ => Err(()),
        }
    }
}

impl From<Access> for Bounded<u64, 3> {
    #[inline]
    fn from(access: Access) -> Self {
        match access {
            Access::Read => Self::new::<0b001>(),
            Access::ReadWrite => Self::new::<0b011>(),
            Access::Execute => Self::new::<0b100>(),
            Access::ReadExecute => Self::new::<0b101>(),
            Access::ReadWriteExecute => Self::new::<0b111>(),
        }
    }
}

/// How the CPU caches a page (SDM Vol. 3A, "Methods of Caching Available"; other numbers are
/// reserved).
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemoryType {
    /// UC: not at all, for registers of devices.
    Uncacheable = 0,
    /// WC: writes are combined.
    WriteCombining = 1,
    /// WT: writes go through.
    WriteThrough = 4,
    /// WP: writes go past the cache.
    WriteProtected = 5,
    /// WB: fully, for ordinary memory.
    WriteBack = 6,
}

impl TryFrom<Bounded<u64, 3>> for MemoryType {
    type Error = ();

    #[inline]
    fn try_from(bits: Bounded<u64, 3>) -> Result<Self, ()> {
        match bits.get() {
            0 => Ok(Self::Uncacheable),
            1 => Ok(Self::WriteCombining),
            4 => Ok(Self::WriteThrough),
            5 => Ok(Self::WriteProtected),
            6 => Ok(Self::WriteBack),
            _ => Err(()),
        }
    }
}

impl From<MemoryType> for Bounded<u64, 3> {
    #[inline]
    fn from(memory_type: MemoryType) -> Self {
        match memory_type {
            MemoryType::Uncacheable => Self::new::<0>(),
            MemoryType::WriteCombining => Self::new::<1>(),
            MemoryType::WriteThrough => Self::new::<4>(),
            MemoryType::WriteProtected => Self::new::<5>(),
            MemoryType::WriteBack => Self::new::<6>(),
        }
    }
}

/// What an EPT entry says of a page besides where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    /// What the guest may do.
    pub(crate) access: Access,
    /// How the CPU caches it.
    pub(crate) memory_type: MemoryType,
    /// The guest's PAT has no part in that.
    pub(crate) ignore_pat: bool,
}

impl Attributes {
    /// Ordinary memory: cached, whatever caching the guest asks for on top. The kernel has the same
    /// pages mapped as write-back, and no device that reads memory past the caches is a guest's:
    /// another type would only let the guest see what the caches have not written yet (SDM Vol. 3C,
    /// "EPT and Memory Typing").
    pub(crate) const fn memory(access: Access) -> Self {
        Self {
            access,
            memory_type: MemoryType::WriteBack,
            ignore_pat: true,
        }
    }
}

/// The format.
pub(crate) struct Ept;

impl Format for Ept {
    type Input = Gpa;
    type Attributes = Attributes;

    const ROOT: Level = Level::Pml4;
    const LARGEST_PAGE: PageSize = PageSize::Size1G;

    // Always: most callers want one kind of entry only, and need not decode the others.
    #[inline(always)]
    fn decode(level: Level, raw: u64) -> Entry<Attributes> {
        let bits = Bits::from_raw(raw);
        if raw & Bits::ACCESS_MASK == 0 {
            return Entry::Empty;
        }
        let leaf = level == Level::Pt || bits.large();
        let entry = if leaf {
            decode_leaf(level, bits)
        } else {
            decode_table(bits)
        };
        entry.unwrap_or(Entry::Malformed)
    }

    #[inline]
    fn table(hpa: Hpa) -> u64 {
        Bits::from_raw(0)
            .with_frame(frame_field(hpa))
            .with_access(Access::ReadWriteExecute)
            .into_raw()
    }

    #[inline]
    fn leaf(mapping: Mapping<Attributes>) -> u64 {
        Bits::from_raw(0)
            .with_frame(frame_field(mapping.hpa))
            .with_dirty(mapping.dirty)
            .with_accessed(mapping.accessed)
            .with_large(mapping.size != PageSize::Size4K)
            .with_ignore_pat(mapping.attributes.ignore_pat)
            .with_memory_type(mapping.attributes.memory_type)
            .with_access(mapping.attributes.access)
            .into_raw()
    }
}

/// What an entry says of rights and of use, whatever else is wrong with it.
pub(crate) fn flags(raw: u64) -> u32 {
    let bits = Bits::from_raw(raw);
    let bit = |set: bool, flag: u32| if set { flag } else { 0 };
    bit(raw & 1 != 0, flag::READ)
        | bit(raw & 2 != 0, flag::WRITE)
        | bit(raw & 4 != 0, flag::EXECUTE)
        | bit(bits.accessed(), flag::ACCESSED)
        | bit(bits.dirty(), flag::DIRTY)
}

/// An entry that refers to a table.
#[inline]
fn decode_table(bits: Bits) -> Option<Entry<Attributes>> {
    bits.access().ok()?;
    (bits.reserved_in_table() == 0).then(|| Entry::Table(frame_address(bits.frame())))
}

/// An entry that maps a page.
#[inline]
fn decode_leaf(level: Level, bits: Bits) -> Option<Entry<Attributes>> {
    let size = level.page_size()?;
    let hpa = frame_address(bits.frame());
    let attributes = Attributes {
        access: bits.access().ok()?,
        memory_type: bits.memory_type().ok()?,
        ignore_pat: bits.ignore_pat(),
    };
    let mapping = Mapping {
        hpa,
        size,
        attributes,
        accessed: bits.accessed(),
        dirty: bits.dirty(),
    };
    // The bits of the address that a larger page does not need are reserved.
    hpa.is_aligned(size).then_some(Entry::Leaf(mapping))
}

bitfield! {
    /// EPTP: the VM-execution control field that says where the tables are.
    pub(crate) struct Eptp(u64) {
        /// Frame number of the root table.
        51:12   frame;
        /// The CPU keeps accessed and dirty flags in the entries. Never set: nobody reads the
        /// flags, and with them every access to the guest's own page tables counts as a write, so
        /// that such tables could not lie in read-only memory (SDM Vol. 3C, "Accessed and Dirty
        /// Flags for EPT").
        6:6     accessed_dirty => bool;
        /// Number of levels less 1.
        5:3     walk_length;
        /// How the CPU caches the tables themselves: uncacheable or write-back.
        2:0     memory_type ?=> MemoryType;
    }
}

impl Eptp {
    /// Points to the root of four levels of tables in ordinary memory.
    pub(crate) fn new(root: Hpa) -> Self {
        Self::from_raw(0)
            .with_frame(frame_field(root))
            .with_accessed_dirty(false)
            .with_const_walk_length::<{ Ept::ROOT as u64 - 1 }>()
            .with_memory_type(MemoryType::WriteBack)
    }
}
