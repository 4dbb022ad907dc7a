// SPDX-License-Identifier: GPL-2.0

//! Pages of memory, of a host that knows when each of them was allocated and freed.

use crate::world::{Words, World};
use core::{mem::ManuallyDrop, ptr::NonNull, sync::atomic::AtomicU8};
use kernel::{alloc::AllocError, prelude::*};

/// A zeroed page of 4 KiB, owned by reference count.
///
/// # Invariants
///
/// `words` are those of the host's frame at `phys`, of which this value holds one reference. They
/// stay where they are until the host goes.
pub(crate) struct KernelPage {
    phys: u64,
    words: NonNull<Words>,
}

// SAFETY: A page is not bound to a thread.
unsafe impl Send for KernelPage {}
// SAFETY: All access to the contents is atomic.
unsafe impl Sync for KernelPage {}

impl KernelPage {
    pub(crate) fn new() -> Result<Self, AllocError> {
        let phys = World::current().host().allocate();
        // INVARIANT: An allocation comes with one reference.
        Ok(Self::at(phys))
    }

    pub(crate) fn new_below_4g() -> Result<Self, AllocError> {
        Self::new()
    }

    /// 512 pages that are one block of 2 MiB.
    pub(crate) fn new_2m(out: &mut KVVec<Self>) -> Result<(), AllocError> {
        let block = World::current().host().allocate_block();
        for phys in block {
            out.push(Self::at(phys), GFP_KERNEL)?;
        }
        Ok(())
    }

    fn at(phys: u64) -> Self {
        let words = World::current().host().words(phys);
        Self { phys, words }
    }

    pub(crate) fn phys(&self) -> u64 {
        self.phys
    }

    pub(crate) fn into_phys(self) -> u64 {
        ManuallyDrop::new(self).phys
    }

    /// # Safety
    ///
    /// `phys` comes from [`Self::into_phys`], and was not taken back since.
    pub(crate) unsafe fn from_phys(phys: u64) -> Self {
        // INVARIANT: The reference is the one that `into_phys` gave up.
        Self::at(phys)
    }

    pub(crate) fn words(&self) -> &Words {
        // SAFETY: By the type invariant they exist.
        unsafe { self.words.as_ref() }
    }

    /// # Safety
    ///
    /// `phys` comes from [`Self::into_phys`], and the page is not taken back during `'a`.
    pub(crate) unsafe fn words_at<'a>(phys: u64) -> &'a Words {
        let words = World::current().host().words(phys);
        // SAFETY: The caller says that the page exists.
        unsafe { words.as_ref() }
    }

    pub(crate) fn bytes(&self) -> &[AtomicU8; 4096] {
        // SAFETY: As in `words`; all access is atomic.
        unsafe { self.words.cast().as_ref() }
    }

    /// One more reference to the page.
    pub(crate) fn share(&self) -> Self {
        World::current().host().share(self.phys);
        // INVARIANT: The reference was taken in the line above.
        Self { ..*self }
    }
}

impl Drop for KernelPage {
    fn drop(&mut self) {
        World::current().put(self.phys);
    }
}

pub(crate) fn memory_is_short() -> bool {
    false
}

pub(crate) fn total_memory() -> u64 {
    1 << 40
}
