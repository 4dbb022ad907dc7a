// SPDX-License-Identifier: GPL-2.0

//! Addresses of the three kinds that a hypervisor keeps apart, and how paging takes them to pieces.
//!
//! A guest program uses guest-virtual addresses ([`Gva`]), its operating system's tables make them
//! guest-physical ([`Gpa`]), and the hypervisor's tables make those host-physical ([`Hpa`]). The
//! types have no `+` on purpose: the sum of an address and a number that a guest chose may not
//! exist, so it has to be asked for with `checked_add`.
//!
//! Sources: Intel SDM Vol. 3A, "4-Level Paging and 5-Level Paging"; Vol. 3C, "EPT Translation
//! Mechanism".

/// Bytes that four levels of tables translate: 2^48.
const REACH: u64 = 1 << 48;

/// Bytes of the smallest page.
const SMALLEST: u64 = PageSize::Size4K.bytes();

macro_rules! address {
    ($(#[$attr:meta])* $name:ident) => {
        $(#[$attr])*
        #[repr(transparent)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) struct $name(u64);

        impl $name {
            /// The address with the number `value`.
            #[inline]
            pub(crate) const fn new(value: u64) -> Self {
                Self(value)
            }

            /// The address as a number.
            #[inline]
            pub(crate) const fn get(self) -> u64 {
                self.0
            }

            /// The address `bytes` further up, if there is one.
            #[inline]
            pub(crate) fn checked_add(self, bytes: u64) -> Option<Self> {
                self.0.checked_add(bytes).map(Self)
            }

            /// First byte of the page of this size that the address lies in.
            #[inline]
            pub(crate) const fn page_base(self, size: PageSize) -> Self {
                Self(self.0 & !size.mask())
            }

            /// Bytes between [`Self::page_base`] and the address.
            #[inline]
            pub(crate) const fn offset(self, size: PageSize) -> u64 {
                self.0 & size.mask()
            }

            /// Whether a page of this size can start here.
            #[inline]
            pub(crate) const fn is_aligned(self, size: PageSize) -> bool {
                self.offset(size) == 0
            }

            /// Number of the 4 KiB frame that the address lies in.
            #[inline]
            pub(crate) const fn frame(self) -> u64 {
                self.0 >> PageSize::Size4K.shift()
            }
        }
    };
}

address! {
    /// Guest-physical address: what the guest takes for physical memory.
    Gpa
}

address! {
    /// Guest-virtual address: what a program in the guest uses (the SDM's linear address).
    Gva
}

address! {
    /// Host-physical address: what is on the memory bus.
    Hpa
}

/// An address that page tables translate.
///
/// The tables see only the low 48 bits of it, its *position*; an address whose other bits do not
/// follow from these has none.
pub(crate) trait Input: Copy {
    /// Position of the address in what four levels of tables translate, below 2^48.
    fn position(self) -> Option<u64>;

    /// The address at a position below 2^48; higher bits are ignored.
    fn from_position(position: u64) -> Self;

    /// Index into the table at `level` on the way to this address.
    fn index(self, level: Level) -> usize;
}

impl Input for Gpa {
    #[inline]
    fn position(self) -> Option<u64> {
        (self.0 < REACH).then_some(self.0)
    }

    #[inline]
    fn from_position(position: u64) -> Self {
        Self(position % REACH)
    }

    #[inline]
    fn index(self, level: Level) -> usize {
        level.index(self.0)
    }
}

impl Input for Gva {
    /// A linear address has a position if it is canonical: bits 63:47 are equal.
    #[inline]
    fn position(self) -> Option<u64> {
        let position = self.0 % REACH;
        (Self::from_position(position) == self).then_some(position)
    }

    #[inline]
    fn from_position(position: u64) -> Self {
        let unused = REACH.leading_zeros() + 1;
        // CAST: To a signed type and back, so that the shift copies bit 47 upward.
        Self((((position << unused) as i64) >> unused) as u64)
    }

    #[inline]
    fn index(self, level: Level) -> usize {
        level.index(self.0)
    }
}

/// Level of a paging structure, by the SDM's names, the lowest first.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Page table: an entry covers 4 KiB.
    Pt = 1,
    /// Page directory: an entry covers 2 MiB.
    Pd = 2,
    /// Page-directory-pointer table: an entry covers 1 GiB.
    Pdpt = 3,
    /// Level-4 table: an entry covers 512 GiB.
    Pml4 = 4,
}

impl Level {
    /// Entries of a table, at every level.
    pub(crate) const ENTRIES: usize = 512;

    /// Position of the index into a table of this level, in bits.
    #[inline]
    const fn shift(self) -> u32 {
        // CAST: The discriminants are 1 to 4. Twelve bits of offset, then nine per level.
        12 + 9 * (self as u32 - 1)
    }

    /// Bytes that one entry covers.
    #[inline]
    pub(crate) const fn span(self) -> u64 {
        1 << self.shift()
    }

    /// Index into a table of this level on the way to `address`.
    #[inline]
    pub(crate) const fn index(self, address: u64) -> usize {
        // CAST: Nine bits remain.
        (address >> self.shift()) as usize % Self::ENTRIES
    }

    /// The level that an entry of this one refers to.
    #[inline]
    pub(crate) const fn below(self) -> Option<Self> {
        match self {
            Self::Pt => None,
            Self::Pd => Some(Self::Pt),
            Self::Pdpt => Some(Self::Pd),
            Self::Pml4 => Some(Self::Pdpt),
        }
    }

    /// Size of the page that an entry of this level can map, if it can map one.
    #[inline]
    pub(crate) const fn page_size(self) -> Option<PageSize> {
        match self {
            Self::Pt => Some(PageSize::Size4K),
            Self::Pd => Some(PageSize::Size2M),
            Self::Pdpt => Some(PageSize::Size1G),
            Self::Pml4 => None,
        }
    }
}

/// Size of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PageSize {
    /// 4 KiB.
    Size4K,
    /// 2 MiB.
    Size2M,
    /// 1 GiB.
    Size1G,
}

impl PageSize {
    /// The level of the table whose entries map pages of this size.
    #[inline]
    pub(crate) const fn level(self) -> Level {
        match self {
            Self::Size4K => Level::Pt,
            Self::Size2M => Level::Pd,
            Self::Size1G => Level::Pdpt,
        }
    }

    /// Size in bytes.
    #[inline]
    pub(crate) const fn bytes(self) -> u64 {
        self.level().span()
    }

    /// The next smaller size, of which 512 make one of this.
    #[inline]
    pub(crate) const fn smaller(self) -> Option<Self> {
        match self {
            Self::Size4K => None,
            Self::Size2M => Some(Self::Size4K),
            Self::Size1G => Some(Self::Size2M),
        }
    }

    /// The bits of an address that are the offset into a page of this size.
    #[inline]
    const fn mask(self) -> u64 {
        self.bytes() - 1
    }

    /// Base-2 logarithm of the size.
    #[inline]
    const fn shift(self) -> u32 {
        self.level().shift()
    }
}

/// A range of addresses, from a start to just before an end; never empty.
///
/// # Invariants
///
/// `start < end <= 2^48`, both multiples of 4 KiB. They are positions in the sense of [`Input`], so
/// that the end of the highest linear address, 2^64, needs no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AddressRange<A> {
    start: u64,
    end: u64,
    kind: core::marker::PhantomData<A>,
}

/// A range of guest-physical addresses.
pub(crate) type GpaRange = AddressRange<Gpa>;

impl<A: Input> AddressRange<A> {
    /// Everything that four levels of tables translate.
    #[inline]
    pub(crate) const fn all() -> Self {
        // INVARIANT: 0 < 2^48, both aligned.
        Self::raw(0, REACH)
    }

    /// The `bytes` from `start` on.
    ///
    /// [`None`] if there are none, if an end is not a multiple of 4 KiB, or if part of the range is
    /// beyond what four levels of tables translate.
    pub(crate) fn from_len(start: A, bytes: u64) -> Option<Self> {
        let start = start.position()?;
        Self::checked(start, start.checked_add(bytes)?)
    }

    /// The page of this size that `address` lies in.
    ///
    /// [`None`] if the address is beyond what four levels of tables translate.
    pub(crate) fn page(address: A, size: PageSize) -> Option<Self> {
        let start = address.position()? & !size.mask();
        Self::checked(start, start.checked_add(size.bytes())?)
    }

    /// What of the range is not below `position`, which is a multiple of 4 KiB.
    pub(super) fn from(self, position: u64) -> Option<Self> {
        Self::checked(self.start.max(position), self.end)
    }

    fn checked(start: u64, end: u64) -> Option<Self> {
        let aligned = start % SMALLEST == 0 && end % SMALLEST == 0;
        // INVARIANT: What the type wants is what is tested.
        (aligned && start < end && end <= REACH).then_some(Self::raw(start, end))
    }

    /// The range between positions of which the caller knows that they fit the type's invariants.
    #[inline]
    const fn raw(start: u64, end: u64) -> Self {
        let kind = core::marker::PhantomData;
        Self { start, end, kind }
    }

    /// First address.
    #[inline]
    pub(crate) fn start(self) -> A {
        A::from_position(self.start)
    }

    /// Position of the first address.
    #[inline]
    pub(crate) const fn start_position(self) -> u64 {
        self.start
    }

    /// Position after the last address.
    #[inline]
    pub(crate) const fn end_position(self) -> u64 {
        self.end
    }

    /// Size in bytes, never 0.
    #[inline]
    pub(crate) const fn len(self) -> u64 {
        self.end - self.start
    }

    /// Whether both ends are multiples of this size.
    #[inline]
    pub(crate) const fn is_aligned(self, size: PageSize) -> bool {
        self.start % size.bytes() == 0 && self.end % size.bytes() == 0
    }

    /// Whether `address` is in the range.
    #[inline]
    pub(crate) fn contains(self, address: A) -> bool {
        address
            .position()
            .is_some_and(|position| (self.start..self.end).contains(&position))
    }

    /// Whether the ranges have an address in common.
    #[inline]
    pub(crate) const fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// Starts of the pages of this size that lie in the range as a whole.
    pub(crate) fn pages(self, size: PageSize) -> impl Iterator<Item = A> {
        let first = self.start.div_ceil(size.bytes());
        let after = self.end / size.bytes();
        (first..after).map(move |number| A::from_position(number << size.shift()))
    }
}

impl AddressRange<Gpa> {
    /// The range from `start` to just before `end`.
    ///
    /// [`None`] if there is nothing between them, if one is not a multiple of 4 KiB, or if `end` is
    /// beyond what four levels of tables translate (2^48).
    pub(crate) fn new(start: Gpa, end: Gpa) -> Option<Self> {
        Self::checked(start.get(), end.get())
    }

    /// The address after the last.
    #[inline]
    pub(crate) const fn end(self) -> Gpa {
        Gpa::new(self.end)
    }
}
