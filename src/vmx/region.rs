// SPDX-License-Identifier: GPL-2.0

//! Memory that the CPU keeps VMX data in: VMCS regions and VMXON regions.

use crate::support::page::KernelPage;
use core::sync::atomic::Ordering;
use kernel::prelude::*;

/// A page that begins with the VMCS revision identifier, where the CPU looks for it
/// (SDM Vol. 3C, "Format of the VMCS Region").
pub(super) struct Region {
    _page: KernelPage,
    address: u64,
}

impl Region {
    /// Allocates a region.
    pub(super) fn new(revision: u32) -> Result<Self> {
        let page = KernelPage::new()?;
        page.words()[0].store(u64::from(revision), Ordering::Relaxed);
        Ok(Self {
            address: page.phys(),
            _page: page,
        })
    }

    /// Physical address, as an operand of VMX instructions.
    #[inline]
    pub(super) fn address(&self) -> &u64 {
        &self.address
    }
}
