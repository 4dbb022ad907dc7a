// SPDX-License-Identifier: GPL-2.0

//! What CPUID tells one of several CPUs besides: that it has a local APIC, of what ID,
//! whose timer always runs.

use std::arch::x86_64::{
    CpuidResult,
    __cpuid_count,
    _xgetbv, //
};

use minivmx::CpuidEntry;

use crate::{
    machine::cpuid::{
        of_guests,
        Identity, //
    },
    x86::{
        cpuid::{
            version_ecx,
            VERSION, //
        },
        misc_enable,
    },
};

/// EDX of leaf 1: there is a local APIC, and it is enabled.
pub const APIC: u32 = 1 << 9;
/// Leaf 6, and of it ARAT.
const POWER_MANAGEMENT: u32 = 6;
const ALWAYS_RUNNING_TIMER: u32 = 1 << 2;
/// x87, SSE and AVX, which the driver switches.
const SWITCHED: u64 = 7;

/// These leaves of a CPU which would be alone, and those that differ.
pub fn with_apic(cpuid: &[CpuidEntry], id: u8) -> Vec<CpuidEntry> {
    cpuid.iter().copied().chain(of(id)).collect()
}

fn of(id: u8) -> [CpuidEntry; 2] {
    let version = of_guests(of_cpu, VERSION, 0, SWITCHED, &identity(id));
    [
        CpuidEntry {
            leaf: VERSION,
            eax: version.eax,
            ebx: version.ebx,
            ecx: version.ecx,
            edx: version.edx | APIC,
            ..Default::default()
        },
        CpuidEntry {
            leaf: POWER_MANAGEMENT,
            eax: ALWAYS_RUNNING_TIMER,
            ..Default::default()
        },
    ]
}

fn identity(id: u8) -> Identity {
    Identity {
        id: id.into(),
        xcr0_allowed: xcr0() & SWITCHED,
        misc_enable: misc_enable::AFTER_RESET,
        // Another leaf has it.
        physical_bits: 0,
    }
}

/// The state components that the host uses; 0 without XSAVE.
fn xcr0() -> u64 {
    match of_cpu(VERSION, 0).ecx & version_ecx::OSXSAVE {
        0 => 0,
        // SAFETY: The kernel has set CR4.OSXSAVE, as CPUID has just said.
        _ => unsafe { _xgetbv(0) },
    }
}

fn of_cpu(leaf: u32, subleaf: u32) -> CpuidResult {
    // SAFETY: Each CPU in 64-bit mode has CPUID.
    unsafe { __cpuid_count(leaf, subleaf) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_apic() {
        let [version, power] = of(3);
        assert_eq!((version.leaf, version.ebx >> 24), (VERSION, 3));
        assert_ne!(version.edx & APIC, 0);
        assert_eq!((power.leaf, power.eax), (6, 4));
    }
}
