// SPDX-License-Identifier: GPL-2.0

//! CR0 and CR4 of guests: which bits are their own.
//!
//! In CR0 and CR4 most bits are the guest's own. The rest (the *mask*) the host keeps: bits that
//! VMX fixes, caching, machine checks, and features that guests do not get. The guest reads what it
//! wrote there from the *shadow*, and a write that differs from the shadow exits. ET and what is
//! reserved in CR0 are kept, too. The CPU would ignore what is written there, but KVM's nested VMX
//! lets the guest read it back.
//!
//! With shadow paging the bits that translation depends on are the host's, too: the CPU translates
//! in its own way.

use crate::{
    vmx::{
        capability::Capabilities,
        field::*,
        vmcs::CurrentVmcs, //
    },
    x86::{
        cpuid::{
            features_ebx,
            features_ecx,
            version_ecx,
            FEATURES,
            VERSION, //
        },
        cr0,
        cr4, //
    }, //
};
use core::arch::x86_64::CpuidResult;
use kernel::prelude::*;

/// CR4 of guests on this machine.
#[derive(Clone, Copy)]
pub(crate) struct Cr4Rules {
    /// Bits that the guest can set.
    pub(crate) settable: u64,
    /// Bits that are always 1 while the guest runs.
    fixed: u64,
    /// Bits that the guest can set, and the driver has to know of.
    followed: u64,
    /// Bits that the guest can set, but not in the CPU.
    virtual_only: u64,
    /// Bits that have no effect while the guest has no paging, although the CPU has.
    paged_only: u64,
}

impl Cr4Rules {
    /// Finds them out: guests can set the bits of features that CPUID tells them of.
    pub(crate) fn new(capabilities: &Capabilities, guests: impl Fn(u32) -> CpuidResult) -> Self {
        let version = guests(VERSION);
        let features = guests(FEATURES);
        let optional = [
            (cr4::OSXSAVE, version.ecx & version_ecx::XSAVE),
            (cr4::FSGSBASE, features.ebx & features_ebx::FSGSBASE),
            (cr4::SMEP, features.ebx & features_ebx::SMEP),
            (cr4::SMAP, features.ebx & features_ebx::SMAP),
            (cr4::UMIP, features.ecx & features_ecx::UMIP),
        ];
        let present = optional.iter().filter(|(_, feature)| *feature != 0);
        let features = present.fold(cr4::BASE | cr4::MCE, |bits, (bit, _)| bits | bit);
        Self {
            settable: features & capabilities.processor.cr4.can,
            // A machine check while CR4.MCE is 0 would shut the host down.
            fixed: capabilities.processor.cr4.must | cr4::MCE & capabilities.processor.cr4.can,
            // XCR0 is in the CPU for guests that have set it.
            followed: cr4::OSXSAVE,
            virtual_only: 0,
            paged_only: 0,
        }
    }

    /// The same for a guest with shadow paging: the CPU has PAE paging or four levels, whatever the
    /// guest has. What PGE would keep is dropped anyway.
    fn with_shadow_paging(self) -> Self {
        Self {
            fixed: self.fixed | cr4::PAE,
            virtual_only: cr4::PSE | cr4::PGE,
            paged_only: cr4::SMEP | cr4::SMAP,
            ..self
        }
    }

    /// Bits that the host keeps.
    pub(crate) fn mask(&self) -> u64 {
        !self.settable | self.fixed | self.followed | self.virtual_only | self.paged_only
    }

    /// `EINVAL` if a guest cannot have this value in CR4.
    pub(crate) fn check(&self, value: u64) -> Result {
        if value & !self.settable != 0 {
            return Err(EINVAL);
        }
        Ok(())
    }

    /// Sets CR4 to what the guest is to read. Depends on its CR0.
    pub(crate) fn set(&self, vmcs: &CurrentVmcs<'_>, value: u64) -> Result {
        self.check(value)?;
        vmcs.write(CR4_SHADOW, value);
        let without_effect = if vmcs.read(CR0_SHADOW) & cr0::PG == 0 {
            self.paged_only
        } else {
            0
        };
        let real = value & !self.virtual_only & !without_effect;
        vmcs.write(GUEST_CR4, real | self.fixed);
        Ok(())
    }

    /// What the guest reads from CR4.
    pub(crate) fn get(&self, vmcs: &CurrentVmcs<'_>) -> u64 {
        let mask = self.mask();
        vmcs.read(GUEST_CR4) & !mask | vmcs.read(CR4_SHADOW) & mask
    }
}

/// CR0 of the guests of a VM.
#[derive(Clone, Copy)]
pub(crate) struct Cr0Rules {
    /// Bits that are the guest's own.
    own: u64,
    /// Bits that are always 1 while the guest runs.
    fixed: u64,
}

impl Cr0Rules {
    fn new(shadow_paging: bool) -> Self {
        const OWN: u64 = cr0::DEFINED & !(cr0::ET | cr0::NE | cr0::NW | cr0::CD);
        const FIXED: u64 = cr0::ET | cr0::NE;
        if shadow_paging {
            Self {
                own: OWN & !cr0::PAGING,
                fixed: FIXED | cr0::PAGING,
            }
        } else {
            Self {
                own: OWN,
                fixed: FIXED,
            }
        }
    }

    /// Bits that the host keeps.
    pub(crate) fn mask(&self) -> u64 {
        !self.own
    }

    /// `EINVAL` if a guest cannot have this value in CR0.
    pub(crate) fn check(&self, value: u64) -> Result {
        if !cr0::is_consistent(value) {
            return Err(EINVAL);
        }
        Ok(())
    }

    /// Sets CR0 to what the guest is to read.
    pub(crate) fn set(&self, vmcs: &CurrentVmcs<'_>, value: u64) -> Result {
        self.check(value)?;
        vmcs.write(CR0_SHADOW, value | cr0::ET);
        vmcs.write(GUEST_CR0, value & self.own | self.fixed);
        Ok(())
    }

    /// What the guest reads from CR0.
    pub(crate) fn get(&self, vmcs: &CurrentVmcs<'_>) -> u64 {
        vmcs.read(GUEST_CR0) & self.own | vmcs.read(CR0_SHADOW) & !self.own
    }
}

/// CR0 and CR4 of the guests of a VM.
pub(crate) struct ControlRegisters {
    /// CR0.
    pub(crate) cr0: Cr0Rules,
    /// CR4.
    pub(crate) cr4: Cr4Rules,
}

impl ControlRegisters {
    /// For guests with shadow paging, or with EPT, on this machine.
    pub(crate) fn new(cr4: &Cr4Rules, shadow_paging: bool) -> Self {
        let cr4 = if shadow_paging {
            cr4.with_shadow_paging()
        } else {
            *cr4
        };
        Self {
            cr0: Cr0Rules::new(shadow_paging),
            cr4,
        }
    }
}
