// SPDX-License-Identifier: GPL-2.0

//! MSR bitmaps (SDM Vol. 3C, "MSR-Bitmap Address"), the same for all vCPUs.

use crate::{
    support::page::KernelPage,
    x86::msr::{
        FS_BASE,
        GS_BASE,
        KERNEL_GS_BASE,
        SYSENTER_CS,
        SYSENTER_EIP,
        SYSENTER_ESP, //
    }, //
};
use core::sync::atomic::Ordering;
use kernel::prelude::*;

/// MSRs that the guest reads and writes without an exit: the VMCS holds its values, and VM exits
/// load the host's. The last is the guest's in each burst, of which [`LentMsrs`] is the proof.
///
/// [`LentMsrs`]: crate::support::user_msr::LentMsrs
const DIRECT: [u32; 6] = [
    SYSENTER_CS,
    SYSENTER_ESP,
    SYSENTER_EIP,
    FS_BASE,
    GS_BASE,
    KERNEL_GS_BASE,
];

/// Two of them.
pub(crate) struct MsrBitmaps {
    usual: KernelPage,
    trapping: KernelPage,
}

impl MsrBitmaps {
    /// One that lets the guest reach what is in the VMCS, and one that lets it reach nothing.
    pub(crate) fn new() -> Result<Self> {
        let (usual, trapping) = (KernelPage::new()?, KernelPage::new()?);
        for page in [&usual, &trapping] {
            for word in page.words() {
                word.store(u64::MAX, Ordering::Relaxed);
            }
        }
        for index in DIRECT {
            allow(&usual, index);
        }
        Ok(Self { usual, trapping })
    }

    /// Address of the one that lets the guest reach nothing, or of the other.
    pub(super) fn phys(&self, trapping: bool) -> u64 {
        if trapping {
            self.trapping.phys()
        } else {
            self.usual.phys()
        }
    }
}

/// Lets the guest read and write an MSR without an exit.
fn allow(bitmap: &KernelPage, index: u32) {
    /// Words of each of the four bitmaps: reads of low and high MSRs, writes of low and high MSRs.
    const WORDS: usize = 1024 / size_of::<u64>();
    const WRITES: usize = 2 * WORDS;
    let high = if index >> 31 != 0 { WORDS } else { 0 };
    // CAST: 13 bits.
    let bit = (index & 0x1fff) as usize;
    for base in [high, high + WRITES] {
        let word = &bitmap.words()[base + bit / 64];
        word.fetch_and(!(1 << (bit % 64)), Ordering::Relaxed);
    }
}
