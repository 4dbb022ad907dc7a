// SPDX-License-Identifier: GPL-2.0

//! What CPUID answers a vCPU: what the program set, else what the machine tells guests.

use super::context::Context;
use crate::{
    machine::cpuid::{
        self,
        Identity, //
    },
    support::uapi,
    x86::cr4, //
};
use core::arch::x86_64::CpuidResult;
use kernel::prelude::*;

/// CPUID.1:ECX.OSXSAVE, a copy of CR4.OSXSAVE.
const OSXSAVE: u32 = 1 << 27;

/// The entries that the program set.
#[derive(Default)]
pub(crate) struct Cpuid(KVec<uapi::minivmx_cpuid_entry>);

impl Cpuid {
    /// With these entries, which the caller checked.
    pub(crate) fn new(entries: KVec<uapi::minivmx_cpuid_entry>) -> Self {
        Self(entries)
    }

    fn find(&self, leaf: u32, subleaf: u32) -> Option<CpuidResult> {
        let matches = |entry: &&uapi::minivmx_cpuid_entry| {
            let any_subleaf = entry.flags & uapi::cpuid_flags::MINIVMX_CPUID_SUBLEAF == 0;
            entry.leaf == leaf && (any_subleaf || entry.subleaf == subleaf)
        };
        self.0.iter().find(matches).map(|entry| CpuidResult {
            eax: entry.eax,
            ebx: entry.ebx,
            ecx: entry.ecx,
            edx: entry.edx,
        })
    }
}

/// What CPUID answers.
#[inline]
pub(crate) fn answer(cx: &Context<'_>, leaf: u32, subleaf: u32) -> CpuidResult {
    // Few leaves ask for it.
    let identity = || Identity {
        id: cx.guest.id,
        xcr0: cx.fpu.fpu().xcr0(),
        xcr0_allowed: cx.fpu.fpu().xcr0_allowed(),
    };
    let set = cx.guest.cpuid.find(leaf, subleaf);
    let mut result = set.unwrap_or_else(|| cpuid::of_guests(leaf, subleaf, identity));
    if leaf == 1 {
        let osxsave = cx.cr4() & cr4::OSXSAVE != 0;
        result.ecx = result.ecx & !OSXSAVE | if osxsave { OSXSAVE } else { 0 };
    }
    result
}
