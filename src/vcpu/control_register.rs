// SPDX-License-Identifier: GPL-2.0

//! CR0, CR4, CR8 and XCR0 of the guest.
//!
//! In CR0 and CR4 most bits are the guest's own. The rest (the *mask*) the host keeps: bits that VMX
//! fixes, caching, machine checks, and features that guests do not get. The guest reads what it wrote
//! there from the *shadow*, and a write that differs from the shadow exits.
//!
//! Such a write is checked, its masked bits go to the shadow, and then the guest's instruction runs
//! again: now it agrees with the shadow, so the CPU itself carries it out, with all that changing
//! PE, PG or PAE entails. Should it still fault, the shadow of CR0.CD and CR0.NW is all that changed.

use super::{
    context::{
        Context,
        Next, //
    },
    event::{
        self,
        Exception, //
    },
};
use crate::{
    support::cpu,
    vmx::{
        capability::Capabilities,
        exit::CrAccess,
        field::*,
        vmcs::CurrentVmcs, //
    }, //
};
use kernel::prelude::*;

/// CR0 (SDM Vol. 3A, "Control Registers").
pub(crate) mod cr0 {
    pub(crate) const PE: u64 = 1 << 0;
    pub(crate) const ET: u64 = 1 << 4;
    pub(crate) const NE: u64 = 1 << 5;
    pub(crate) const NW: u64 = 1 << 29;
    pub(crate) const CD: u64 = 1 << 30;
    pub(crate) const PG: u64 = 1 << 31;
    /// PE MP EM TS WP AM PG: the guest's own.
    pub(crate) const OWN: u64 = PE | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 16 | 1 << 18 | PG;
    /// All bits that are defined.
    pub(crate) const DEFINED: u64 = OWN | ET | NE | NW | CD;
}

/// CR4 (SDM Vol. 3A, "Control Registers").
pub(crate) mod cr4 {
    pub(crate) const MCE: u64 = 1 << 6;
    /// VME PVI TSD DE PSE PAE PGE PCE OSFXSR OSXMMEXCPT.
    pub(crate) const BASE: u64 = 0x7bf;
    pub(crate) const UMIP: u64 = 1 << 11;
    pub(crate) const FSGSBASE: u64 = 1 << 16;
    pub(crate) const OSXSAVE: u64 = 1 << 18;
    pub(crate) const SMEP: u64 = 1 << 20;
    pub(crate) const SMAP: u64 = 1 << 21;
}

/// CR4 of guests on this machine.
#[derive(Clone, Copy)]
pub(crate) struct Cr4Rules {
    /// Bits that the guest can set.
    pub(crate) settable: u64,
    /// Bits that are always 1 while the guest runs.
    fixed: u64,
}

impl Cr4Rules {
    /// Finds them out.
    pub(crate) fn new(capabilities: &Capabilities) -> Self {
        let leaf1 = cpu::cpuid(1, 0);
        let leaf7 = cpu::cpuid(7, 0);
        let optional = [
            (cr4::OSXSAVE, leaf1.ecx & 1 << 26),
            (cr4::FSGSBASE, leaf7.ebx & 1 << 0),
            (cr4::SMEP, leaf7.ebx & 1 << 7),
            (cr4::SMAP, leaf7.ebx & 1 << 20),
            (cr4::UMIP, leaf7.ecx & 1 << 2),
        ];
        let present = optional.iter().filter(|(_, feature)| *feature != 0);
        let features = present.fold(cr4::BASE | cr4::MCE, |bits, (bit, _)| bits | bit);
        Self {
            settable: features & capabilities.cr4.can,
            // A machine check while CR4.MCE is 0 would shut the host down.
            fixed: capabilities.cr4.must | cr4::MCE & capabilities.cr4.can,
        }
    }

    /// Bits that the host keeps.
    pub(crate) fn mask(&self) -> u64 {
        !self.settable | self.fixed
    }

    /// `EINVAL` if a guest cannot have this value in CR4.
    pub(crate) fn check(&self, value: u64) -> Result {
        if value & !self.settable != 0 {
            return Err(EINVAL);
        }
        Ok(())
    }

    /// Sets CR4 to what the guest is to read.
    pub(crate) fn set(&self, vmcs: &CurrentVmcs<'_>, value: u64) -> Result {
        self.check(value)?;
        vmcs.write(CR4_SHADOW, value);
        vmcs.write(GUEST_CR4, value | self.fixed);
        Ok(())
    }

    /// What the guest reads from CR4.
    pub(crate) fn get(&self, vmcs: &CurrentVmcs<'_>) -> u64 {
        let mask = self.mask();
        vmcs.read(GUEST_CR4) & !mask | vmcs.read(CR4_SHADOW) & mask
    }
}

/// `EINVAL` if a guest cannot have this value in CR0.
pub(crate) fn check_cr0(value: u64) -> Result {
    if !cr0_consistent(value) {
        return Err(EINVAL);
    }
    Ok(())
}

/// Sets CR0 to what the guest is to read.
pub(crate) fn set_cr0(vmcs: &CurrentVmcs<'_>, value: u64) -> Result {
    check_cr0(value)?;
    vmcs.write(CR0_SHADOW, value | cr0::ET);
    vmcs.write(GUEST_CR0, value & cr0::OWN | cr0::ET | cr0::NE);
    Ok(())
}

/// What the guest reads from CR0.
pub(crate) fn get_cr0(vmcs: &CurrentVmcs<'_>) -> u64 {
    vmcs.read(GUEST_CR0) & cr0::OWN | vmcs.read(CR0_SHADOW) & !cr0::OWN
}

/// Would MOV to CR0 take this value, other registers aside?
fn cr0_consistent(value: u64) -> bool {
    let paging_unprotected = value & (cr0::PG | cr0::PE) == cr0::PG;
    let not_write_through_cached = value & (cr0::CD | cr0::NW) == cr0::NW;
    value & !cr0::DEFINED == 0 && !paging_unprotected && !not_write_through_cached
}

/// Answers an access to a control register.
pub(crate) fn handle(cx: &mut Context<'_>) -> Next {
    const MOV_TO: u64 = 0;
    const MOV_FROM: u64 = 1;
    let access = CrAccess::from_raw(cx.vmcs.read(EXIT_QUALIFICATION));
    // CAST: The field has 4 bits.
    let register = access.register().get() as usize;
    match (access.kind().get(), access.control_register().get()) {
        (MOV_TO, 0) => write_cr0(cx, cx.register(register)),
        (MOV_TO, 4) => write_cr4(cx, cx.register(register)),
        (MOV_TO, 8) => write_cr8(cx, cx.register(register)),
        (MOV_FROM, 8) => {
            cx.set_register(register, cx.guest.cr8);
            cx.skip()
        }
        // CLTS and LMSW change bits that are the guest's own; CR3 does not exit.
        _ => cx.internal_error("unexpected access to a control register"),
    }
}

fn write_cr0(cx: &mut Context<'_>, value: u64) -> Next {
    // Bits that are not defined in the low half are ignored; in the high half they are an error.
    let value = value & (cr0::DEFINED | !0xffff_ffff) | cr0::ET;
    if !cr0_consistent(value) {
        return cx.inject(Exception::GENERAL_PROTECTION);
    }
    cx.vmcs.write(CR0_SHADOW, value);
    Next::Enter
}

fn write_cr4(cx: &mut Context<'_>, value: u64) -> Next {
    if value & !cx.cr4_rules().settable != 0 {
        return cx.inject(Exception::GENERAL_PROTECTION);
    }
    cx.vmcs.write(CR4_SHADOW, value);
    Next::Enter
}

/// CR8 is the task priority; without an APIC it is a register of 4 bits.
fn write_cr8(cx: &mut Context<'_>, value: u64) -> Next {
    if value > 0xf {
        return cx.inject(Exception::GENERAL_PROTECTION);
    }
    cx.guest.cr8 = value;
    cx.skip()
}

/// Answers XSETBV (SDM Vol. 2, "XSETBV - Set Extended Control Register"). The CPU has checked CPL
/// and CR4.OSXSAVE.
pub(crate) fn xsetbv(cx: &mut Context<'_>) -> Next {
    let index = cx.registers().low(crate::vmx::entry::Registers::RCX);
    let value = cx.registers().edx_eax();
    if index != 0 || !cx.fpu.fpu().xcr0_valid(value) {
        return cx.inject(Exception::GENERAL_PROTECTION);
    }
    cx.fpu.set_xcr0(value);
    event::skip_instruction(cx.vmcs);
    Next::Enter
}
