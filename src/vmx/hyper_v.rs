// SPDX-License-Identifier: GPL-2.0

//! Enlightened VMCSs: under Hyper-V, KVM may keep its VMCS in plain memory and tell Hyper-V where
//! it is through a page that both share. It executes no VMPTRLD then, VMPTRST does not see that
//! VMCS, and the next VMLAUNCH enters it, whatever VMPTRLD said (Hypervisor Top Level Functional
//! Specification, "Nested Virtualization").

use crate::support::cpu;
use core::arch::x86_64::CpuidResult;
use kernel::prelude::*;

/// CPUID leaf: the highest leaf of the hypervisor, and who it is.
const VENDOR: u32 = 0x4000_0000;

/// CPUID leaf: what a hypervisor in a guest of Hyper-V may use.
const NESTED_FEATURES: u32 = 0x4000_000a;

/// Can KVM use enlightened VMCSs on this machine?
pub(crate) fn offers_enlightened_vmcs() -> bool {
    offers(|leaf| cpu::cpuid(leaf, 0))
}

fn offers(cpuid: impl Fn(u32) -> CpuidResult) -> bool {
    /// CPUID.1:ECX: there is a hypervisor.
    const HYPERVISOR: u32 = 1 << 31;
    /// Lowest and highest version of the enlightened VMCS, 0 if there is none.
    const VERSIONS: u32 = 0xffff;
    if cpuid(1).ecx & HYPERVISOR == 0 {
        return false;
    }
    let vendor = cpuid(VENDOR);
    vendor.eax >= NESTED_FEATURES
        && signature(&vendor) == *b"Microsoft Hv"
        && cpuid(NESTED_FEATURES).eax & VERSIONS != 0
}

/// The twelve letters in EBX, ECX and EDX.
fn signature(vendor: &CpuidResult) -> [u8; 12] {
    let mut letters = [0; 12];
    let registers = [vendor.ebx, vendor.ecx, vendor.edx];
    for (part, register) in letters.chunks_exact_mut(4).zip(registers) {
        part.copy_from_slice(&register.to_le_bytes());
    }
    letters
}

#[kunit_tests(minivmx_hyper_v)]
mod tests {
    use super::*;

    /// A machine by its hypervisor bit, its signature, its highest leaf and its nested features.
    fn machine(hypervisor: u32, name: &[u8; 12], highest: u32, nested: u32) -> bool {
        let word = |at: usize| {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(&name[at..at + 4]);
            u32::from_le_bytes(bytes)
        };
        let leaf = |eax, ebx, ecx, edx| CpuidResult { eax, ebx, ecx, edx };
        offers(|number| match number {
            1 => leaf(0, 0, hypervisor << 31, 0),
            VENDOR => leaf(highest, word(0), word(4), word(8)),
            NESTED_FEATURES => leaf(nested, 0, 0, 0),
            _ => leaf(0, 0, 0, 0),
        })
    }

    #[test]
    fn only_hyper_v_with_a_version_offers_it() {
        assert!(machine(1, b"Microsoft Hv", NESTED_FEATURES, 0x0101));
        assert!(!machine(0, b"Microsoft Hv", NESTED_FEATURES, 0x0101));
        assert!(!machine(1, b"KVMKVMKVM\0\0\0", NESTED_FEATURES, 0x0101));
        assert!(!machine(1, b"Microsoft Hv", NESTED_FEATURES - 1, 0x0101));
        assert!(!machine(1, b"Microsoft Hv", NESTED_FEATURES, 0x20000));
    }
}
