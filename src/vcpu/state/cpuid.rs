// SPDX-License-Identifier: GPL-2.0

//! What the program set CPUID to answer.

use core::arch::x86_64::CpuidResult;
use kernel::prelude::*;

/// An entry.
pub(crate) struct CpuidEntry {
    /// EAX.
    pub(crate) leaf: u32,
    /// ECX, if it matters.
    pub(crate) subleaf: Option<u32>,
    /// What CPUID answers.
    pub(crate) answer: CpuidResult,
}

/// The entries that the program set.
#[derive(Default)]
pub(crate) struct Cpuid(KVec<CpuidEntry>);

impl Cpuid {
    /// With these entries.
    pub(crate) fn new(entries: KVec<CpuidEntry>) -> Self {
        Self(entries)
    }

    /// What the program set for a leaf, if it did.
    #[inline]
    pub(crate) fn find(&self, leaf: u32, subleaf: u32) -> Option<CpuidResult> {
        let matches = |entry: &&CpuidEntry| {
            entry.leaf == leaf && entry.subleaf.is_none_or(|only| only == subleaf)
        };
        self.0.iter().find(matches).map(|entry| entry.answer)
    }
}
