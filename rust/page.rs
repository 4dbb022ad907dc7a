// SPDX-License-Identifier: GPL-2.0

//! Pages of memory with their physical address and their kernel mapping.

use super::bindings;
use core::{
    mem::ManuallyDrop,
    ptr::NonNull,
    sync::atomic::{
        AtomicIsize,
        AtomicU16,
        AtomicU32,
        AtomicU64,
        AtomicU8,
        AtomicUsize,
        Ordering, //
    }, //
};
use kernel::{
    alloc::AllocError,
    bindings::{
        page,
        PAGE_SIZE, //
    },
    prelude::*, //
};

/// 64-bit words in a page.
pub(crate) const WORDS: usize = PAGE_SIZE / size_of::<u64>();

/// Order of a block of pages of 2 MiB.
const ORDER_2M: u32 = 9;

/// What lies between an address in the direct map of physical memory and the physical address. Set
/// with the first page, and never changed.
///
/// Asking the kernel is a call of a C function for each step of a walk through page tables.
static DIRECT_MAP: AtomicUsize = AtomicUsize::new(0);

/// The address in the direct map of a physical address in memory that a [`KernelPage`] was
/// allocated in.
#[inline]
fn direct_map(phys: u64) -> *mut c_void {
    // CAST: `usize` is 64 bits wide.
    let address = (phys as usize).wrapping_add(DIRECT_MAP.load(Ordering::Relaxed));
    core::ptr::with_exposed_provenance_mut(address)
}

/// References that there are as [`KernelPage`], on a kernel that looks for leaks: kmemleak does not
/// know of pages.
fn references() -> &'static AtomicIsize {
    // SAFETY: It is aligned, there for as long as the module, and only read elsewhere.
    unsafe { AtomicIsize::from_ptr(&raw mut bindings::ext_page_references) }
}

#[inline(always)]
fn count_references(more: isize) {
    if cfg!(CONFIG_DEBUG_KMEMLEAK) {
        references().fetch_add(more, Ordering::Relaxed);
    }
}

/// Complains when it is dropped if a page was lost. To be dropped when there can be none any more.
pub(crate) struct NoneIsLost;

impl Drop for NoneIsLost {
    fn drop(&mut self) {
        let lost = references().load(Ordering::Relaxed);
        if lost != 0 {
            // SAFETY: It only says so.
            unsafe { bindings::ext_warn_of_lost_pages(lost) };
        }
    }
}

/// A zeroed page of 4 KiB, owned by reference count: the page lives until the last mapping of it
/// into a program is gone, too.
///
/// Its contents are reached by atomic operations only, because a guest, a program or the CPU's page
/// walker may reach them at the same time.
///
/// # Invariants
///
/// `0` is the address in the direct map of a page of order 0, of which this value holds one
/// reference.
#[repr(transparent)]
pub(crate) struct KernelPage(NonNull<Words>);

/// The contents of a page.
type Words = [AtomicU64; WORDS];

// SAFETY: A page is not bound to a thread.
unsafe impl Send for KernelPage {}
// SAFETY: All access to the contents is atomic.
unsafe impl Sync for KernelPage {}

impl KernelPage {
    /// Allocates a zeroed page, charged to the calling program's memory cgroup. Where memory is
    /// short this fails, and nobody is killed for it.
    pub(crate) fn new() -> Result<Self, AllocError> {
        Self::alloc(0)
    }

    /// As [`Self::new`], with a physical address that fits into 32 bits.
    pub(crate) fn new_below_4g() -> Result<Self, AllocError> {
        // SAFETY: Callers are in process context, where an allocation may sleep.
        let page = unsafe { bindings::ext_alloc_zeroed_page_below_4g() };
        // SAFETY: It was allocated in the line above.
        unsafe { Self::from_new(page) }
    }

    /// Allocates 512 pages that are one block of 2 MiB, aligned to its size.
    ///
    /// They are pages of their own from then on, to be given back one by one.
    pub(crate) fn new_2m(out: &mut KVVec<Self>) -> Result<(), AllocError> {
        out.reserve(1 << ORDER_2M, GFP_KERNEL_ACCOUNT)?;
        let first = Self::alloc(ORDER_2M)?;
        // SAFETY: By the allocation above this is an unshared block of that order, not compound.
        unsafe { bindings::ext_split_page(first.page(), ORDER_2M) };
        let start = ManuallyDrop::new(first).0;
        count_references((1 << ORDER_2M) - 1);
        for index in 0..1usize << ORDER_2M {
            // SAFETY: The block has that many pages, which follow each other in the direct map.
            let address = unsafe { start.add(index) };
            // INVARIANT: Splitting gave each page of the block one reference of its own.
            out.push_within_capacity(Self(address))
                .map_err(|_| AllocError)?;
        }
        Ok(())
    }

    fn alloc(order: u32) -> Result<Self, AllocError> {
        // SAFETY: Callers are in process context, where an allocation may sleep.
        let page = unsafe { bindings::ext_alloc_zeroed_pages(order) };
        // SAFETY: It was allocated in the line above.
        unsafe { Self::from_new(page) }
    }

    /// Takes over what an allocation resulted in.
    ///
    /// # Safety
    ///
    /// `page` is null, or was allocated outside of highmem and is given up by the caller.
    unsafe fn from_new(page: *mut page) -> Result<Self, AllocError> {
        if page.is_null() {
            return Err(AllocError);
        }
        // SAFETY: The caller says that the page is not highmem.
        let address = unsafe { bindings::ext_page_address(page) };
        // SAFETY: As above.
        let phys = unsafe { bindings::ext_virt_to_phys(address) };
        let offset = address.expose_provenance().wrapping_sub(phys as usize);
        DIRECT_MAP.store(offset, Ordering::Relaxed);
        count_references(1);
        // INVARIANT: The allocation comes with one reference.
        NonNull::new(address.cast()).map(Self).ok_or(AllocError)
    }

    /// Physical address.
    #[inline]
    pub(crate) fn phys(&self) -> u64 {
        let address = self.0.as_ptr().expose_provenance();
        // CAST: `usize` is 64 bits wide.
        address.wrapping_sub(DIRECT_MAP.load(Ordering::Relaxed)) as u64
    }

    /// The page's descriptor.
    fn page(&self) -> *mut page {
        // SAFETY: By the type invariant this is an address in the direct map.
        unsafe { bindings::ext_virt_to_page(self.0.as_ptr().cast()) }
    }

    /// Gives up ownership; [`Self::from_phys`] takes it back.
    pub(crate) fn into_phys(self) -> u64 {
        ManuallyDrop::new(self).phys()
    }

    /// Takes back a page that was given up by [`Self::into_phys`].
    ///
    /// # Safety
    ///
    /// `phys` comes from [`Self::into_phys`], and was not taken back since.
    pub(crate) unsafe fn from_phys(phys: u64) -> Self {
        let address = direct_map(phys);
        // INVARIANT: The reference is the one that `into_phys` gave up.
        // SAFETY: An address in the direct map is not null.
        Self(unsafe { NonNull::new_unchecked(address.cast()) })
    }

    /// The contents as 64-bit words.
    #[inline]
    pub(crate) fn words(&self) -> &Words {
        // SAFETY: By the type invariant the page is mapped for as long as `self` lives; it is
        // aligned, and reached by atomic operations only.
        unsafe { self.0.as_ref() }
    }

    /// The contents as 64-bit words, of a page that was given up by [`Self::into_phys`].
    ///
    /// # Safety
    ///
    /// `phys` comes from [`Self::into_phys`], and the page is not taken back during `'a`.
    #[inline]
    pub(crate) unsafe fn words_at<'a>(phys: u64) -> &'a Words {
        // SAFETY: The caller says that the page exists during `'a`; it is in the direct map by the
        // type invariant it had.
        unsafe { &*direct_map(phys).cast() }
    }

    /// The contents as bytes.
    #[inline]
    pub(crate) fn bytes(&self) -> &[AtomicU8; PAGE_SIZE] {
        // SAFETY: As in `words`.
        unsafe { self.0.cast().as_ref() }
    }

    /// The contents as numbers of 16 bits.
    fn u16s(&self) -> &[AtomicU16; PAGE_SIZE / size_of::<u16>()] {
        // SAFETY: As in `words`.
        unsafe { self.0.cast().as_ref() }
    }

    /// The contents as numbers of 32 bits.
    #[inline]
    pub(crate) fn u32s(&self) -> &[AtomicU32; PAGE_SIZE / size_of::<u32>()] {
        // SAFETY: As in `words`.
        unsafe { self.0.cast().as_ref() }
    }

    /// Reads an operand of up to 4 bytes. What is at a multiple of its size is read at once, as a
    /// CPU does (SDM Vol. 3A, "Guaranteed Atomic Operations"). What is beyond the page is left as
    /// it is.
    pub(crate) fn load(&self, offset: usize, bytes: &mut [u8]) {
        match bytes.len() {
            2 if offset % 2 == 0 => {
                if let Some(half) = self.u16s().get(offset / 2) {
                    bytes.copy_from_slice(&half.load(Ordering::Relaxed).to_le_bytes());
                }
            }
            4 if offset % 4 == 0 => {
                if let Some(quarter) = self.u32s().get(offset / 4) {
                    bytes.copy_from_slice(&quarter.load(Ordering::Relaxed).to_le_bytes());
                }
            }
            _ => {
                for (to, from) in bytes.iter_mut().zip(self.bytes().iter().skip(offset)) {
                    *to = from.load(Ordering::Relaxed);
                }
            }
        }
    }

    /// Writes an operand in the same way.
    pub(crate) fn store(&self, offset: usize, bytes: &[u8]) {
        match *bytes {
            [a, b] if offset % 2 == 0 => {
                if let Some(half) = self.u16s().get(offset / 2) {
                    half.store(u16::from_le_bytes([a, b]), Ordering::Relaxed);
                }
            }
            [a, b, c, d] if offset % 4 == 0 => {
                if let Some(quarter) = self.u32s().get(offset / 4) {
                    quarter.store(u32::from_le_bytes([a, b, c, d]), Ordering::Relaxed);
                }
            }
            _ => {
                for (to, from) in self.bytes().iter().skip(offset).zip(bytes) {
                    to.store(*from, Ordering::Relaxed);
                }
            }
        }
    }

    /// Address in the direct map.
    #[inline]
    pub(crate) fn address(&self) -> *mut c_void {
        self.0.as_ptr().cast()
    }

    /// One more reference to the page.
    pub(crate) fn share(&self) -> Self {
        // SAFETY: By the type invariant this is a page with a reference.
        unsafe { bindings::ext_get_page(self.page()) };
        count_references(1);
        // INVARIANT: The reference was taken in the line above.
        Self(self.0)
    }

    /// Gives the page with its reference to code of the kernel.
    pub(super) fn into_raw(self) -> *mut page {
        count_references(-1);
        ManuallyDrop::new(self).page()
    }
}

/// Would a program that takes more leave too little for others?
pub(crate) fn memory_is_short() -> bool {
    // SAFETY: Reads counters.
    unsafe { bindings::ext_memory_is_short() }
}

/// Bytes of memory that the machine has.
pub(crate) fn total_memory() -> u64 {
    // SAFETY: Reads a counter.
    unsafe { bindings::ext_total_memory() }
}

impl Drop for KernelPage {
    fn drop(&mut self) {
        count_references(-1);
        // SAFETY: By the type invariant this value holds a reference, which ends here.
        unsafe { bindings::ext_put_page(self.page()) };
    }
}
