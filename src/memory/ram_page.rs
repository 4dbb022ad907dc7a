// SPDX-License-Identifier: GPL-2.0

//! Pages of guest memory are counted: all VMs together have a limit, and leave others something to
//! go on with.
//!
//! The kernel would give out its last page. The next to ask would then meet the OOM killer, which
//! does not know whose these pages are, and would end the wrong program.

use crate::{
    mmu::{
        address::PageSize,
        shadow::Referrers, //
    },
    module_parameters,
    support::page::{
        memory_is_short,
        total_memory,
        KernelPage, //
    }, //
};
use core::sync::atomic::{
    AtomicU64,
    Ordering::Relaxed, //
};
use kernel::{
    alloc::AllocError,
    prelude::*, //
};

/// Bytes of guest memory that a VM may have, and all VMs together.
pub(crate) fn max_bytes() -> u64 {
    const BLOCK: u64 = PageSize::Size2M.bytes();
    match module_parameters::max_memory_mib.value() {
        0 => total_memory() / 2 / BLOCK * BLOCK,
        mib => u64::from(mib) << 20,
    }
}

/// Pages that all VMs have.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// One of the pages that may be had.
struct Share(());

impl Share {
    /// # Errors
    ///
    /// There are as many as there may be.
    fn take() -> Result<Self, AllocError> {
        let most = max_bytes() / PageSize::Size4K.bytes();
        COUNT
            .fetch_update(Relaxed, Relaxed, |count| {
                (count < most).then_some(count.wrapping_add(1))
            })
            .map(|_| Self(()))
            .map_err(|_| AllocError)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        COUNT.fetch_sub(1, Relaxed);
    }
}

/// A page of guest memory, counted for as long as it is the VM's. A program that has it mapped may
/// keep the page longer; then it is the program's alone.
pub(crate) struct RamPage {
    page: KernelPage,
    /// The shadow entries that map it.
    referrers: Referrers,
    _share: Share,
}

impl RamPage {
    /// Allocates a page. May sleep.
    ///
    /// # Errors
    ///
    /// Memory is short, or the VMs have as much as they may.
    pub(crate) fn new() -> Result<Self, AllocError> {
        if memory_is_short() {
            return Err(AllocError);
        }
        Self::count(KernelPage::new()?)
    }

    /// Allocates 512 pages that are one block of 2 MiB. May sleep.
    ///
    /// # Errors
    ///
    /// As above, or there is no such block.
    pub(super) fn new_2m() -> Result<KVVec<KernelPage>, AllocError> {
        if memory_is_short() {
            return Err(AllocError);
        }
        let mut block = KVVec::new();
        KernelPage::new_2m(&mut block)?;
        Ok(block)
    }

    /// Counts a page.
    ///
    /// # Errors
    ///
    /// The VMs have as much as they may.
    pub(super) fn count(page: KernelPage) -> Result<Self, AllocError> {
        let _share = Share::take()?;
        Ok(Self {
            page,
            referrers: Referrers::new(),
            _share,
        })
    }

    /// The shadow entries that map it.
    pub(super) fn referrers(&self) -> &Referrers {
        &self.referrers
    }

    /// The page.
    #[inline]
    pub(crate) fn page(&self) -> &KernelPage {
        &self.page
    }
}
