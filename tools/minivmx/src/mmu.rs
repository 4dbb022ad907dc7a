// SPDX-License-Identifier: GPL-2.0

//! The ways to translate guest-physical memory that the interface names.

use std::{
    fmt,
    str::FromStr, //
};

use crate::uapi;

/// How guest-physical memory is translated.
///
/// ```
/// use minivmx::Mmu;
///
/// assert_eq!("wp".parse(), Ok(Mmu::Wp));
/// assert!(Mmu::Wp.is_shadow());
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Mmu {
    /// By the CPU, through extended page tables.
    Ept,
    /// Shadow paging, virtual TLB: shadows live until the guest loads CR3.
    Vtlb,
    /// Shadow paging, write protection: each write to a guest table is trapped.
    Wp,
    /// Shadow paging: last-level guest tables are synchronised when the guest flushes.
    Unsync,
    /// Shadow paging for guests that change their tables by hypercalls.
    Pv,
}

/// The interface has no MMU of this name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no MMU is called so: ept, vtlb, wp, unsync or pv")]
pub struct UnknownMmu;

impl Mmu {
    /// Every way that the interface names.
    pub const ALL: &'static [Mmu] = &[Mmu::Ept, Mmu::Vtlb, Mmu::Wp, Mmu::Unsync, Mmu::Pv];

    /// Name for people, for the command line and for `--json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ept => "ept",
            Self::Vtlb => "vtlb",
            Self::Wp => "wp",
            Self::Unsync => "unsync",
            Self::Pv => "pv",
        }
    }

    /// What it is, in half a sentence.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Ept => "the CPU walks guest tables and EPT",
            Self::Vtlb => "shadow tables as a virtual TLB, dropped at each load of CR3",
            Self::Wp => "shadow tables kept, each write to a guest table trapped",
            Self::Unsync => "shadow tables kept, last levels synchronised at flushes",
            Self::Pv => "shadow tables kept, the guest changes its own by hypercalls",
        }
    }

    /// Whether the driver keeps tables of its own beside the guest's.
    pub const fn is_shadow(self) -> bool {
        !matches!(self, Self::Ept)
    }

    /// Number as in `enum minivmx_mmu`.
    pub(crate) const fn number(self) -> u32 {
        match self {
            Self::Ept => uapi::MINIVMX_MMU_EPT,
            Self::Vtlb => uapi::MINIVMX_MMU_VTLB,
            Self::Wp => uapi::MINIVMX_MMU_WP,
            Self::Unsync => uapi::MINIVMX_MMU_UNSYNC,
            Self::Pv => uapi::MINIVMX_MMU_PV,
        }
    }
}

impl FromStr for Mmu {
    type Err = UnknownMmu;

    fn from_str(name: &str) -> Result<Self, UnknownMmu> {
        let mut all = Self::ALL.iter().copied();
        all.find(|mmu| mmu.name() == name).ok_or(UnknownMmu)
    }
}

impl fmt::Display for Mmu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_different() {
        for (index, mmu) in Mmu::ALL.iter().enumerate() {
            assert_eq!(mmu.name().parse(), Ok(*mmu));
            assert_eq!(mmu.number() as usize, index + 1, "as in enum minivmx_mmu");
            assert!(UnknownMmu.to_string().contains(mmu.name()));
        }
        assert_eq!("EPT".parse::<Mmu>(), Err(UnknownMmu));
    }

    #[test]
    fn all_but_ept_are_shadow_paging() {
        let shadow = Mmu::ALL.iter().filter(|mmu| mmu.is_shadow());
        assert_eq!(shadow.count(), Mmu::ALL.len() - 1);
        assert!(!Mmu::Ept.is_shadow());
    }
}
