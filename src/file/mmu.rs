// SPDX-License-Identifier: GPL-2.0

//! The ways of translation by their numbers and names in the interface.

use crate::{
    support::uapi,
    vm::Mmu, //
};
use kernel::prelude::*;

/// By its number in the interface: `EOPNOTSUPP` for a number that is kept for later, `EINVAL` for
/// others.
pub(super) fn by_number(number: u32) -> Result<Mmu> {
    match Mmu::ALL.iter().find(|mmu| self::number(**mmu) == number) {
        Some(mmu) => Ok(*mmu),
        None if matches!(number, 6 | 7) => Err(EOPNOTSUPP),
        None => Err(EINVAL),
    }
}

/// Its number in the interface.
pub(super) fn number(mmu: Mmu) -> u32 {
    match mmu {
        Mmu::Ept => uapi::mmu::MINIVMX_MMU_EPT,
        Mmu::Vtlb => uapi::mmu::MINIVMX_MMU_VTLB,
        Mmu::Wp => uapi::mmu::MINIVMX_MMU_WP,
        Mmu::Unsync => uapi::mmu::MINIVMX_MMU_UNSYNC,
        Mmu::Pv => uapi::mmu::MINIVMX_MMU_PV,
    }
}

/// Its name, for text.
pub(super) fn name(mmu: Mmu) -> &'static str {
    match mmu {
        Mmu::Ept => "ept",
        Mmu::Vtlb => "vtlb",
        Mmu::Wp => "wp",
        Mmu::Unsync => "unsync",
        Mmu::Pv => "pv",
    }
}
