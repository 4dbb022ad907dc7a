// SPDX-License-Identifier: GPL-2.0

//! CPUID of a guest of KVM: what the driver tells its own guests of the same CPU, by the
//! driver's own code. Linux makes the same choices then.
//!
//! KVM can do all of that. What it supports would be less, and more: it leaves out what
//! the host's kernel does not use (ERMS), and emulates what the CPU lacks (UMIP).

use std::arch::x86_64::{
    CpuidResult,
    __cpuid_count, //
};

use anyhow::{
    Context,
    Result, //
};
use kvm_bindings::{
    kvm_cpuid_entry2,
    CpuId,
    KVM_CPUID_FLAG_SIGNIFCANT_INDEX, //
};
use minivmx::CpuidEntry;

use crate::{
    machine::cpuid::{
        of_guests,
        Identity, //
    },
    x86::{
        cpuid::{
            ADDRESS_WIDTHS,
            CACHES,
            DESCRIPTORS,
            EXTENDED,
            FEATURES,
            HYPERVISOR,
            VENDOR,
            VERSION,
            XSAVE, //
        },
        misc_enable, //
    },
};

/// More caches than a CPU has, and XSAVE with its components.
const SUBLEAVES: u32 = 4;
/// What XCR0 is before the guest writes it.
const XCR0_AT_RESET: u64 = 1;

/// The whole of it; `instead` takes the place of what else its leaves would say.
pub fn of_guest(supported: &CpuId, instead: &[CpuidEntry]) -> Result<CpuId> {
    let identity = identity(supported);
    let replaced = |leaf| instead.iter().any(|entry| entry.leaf == leaf);
    let entries: Vec<_> = leaves()
        .filter(|(leaf, _)| !replaced(*leaf))
        .map(|(leaf, subleaf)| {
            let answer = of_guests(of_cpu, leaf, subleaf, XCR0_AT_RESET, &identity);
            entry(leaf, subleaf, answer)
        })
        .chain(instead.iter().map(own))
        .collect();
    CpuId::from_entries(&entries)
        .ok()
        .context("CPUID has too many leaves")
}

/// Those that the driver answers with something else than zeroes.
fn leaves() -> impl Iterator<Item = (u32, u32)> {
    let single = [VENDOR, VERSION, DESCRIPTORS, FEATURES, HYPERVISOR];
    let single = single.into_iter().chain(EXTENDED..=ADDRESS_WIDTHS);
    let several = [CACHES, XSAVE].into_iter();
    single
        .map(|leaf| (leaf, 0))
        .chain(several.flat_map(|leaf| (0..SUBLEAVES).map(move |subleaf| (leaf, subleaf))))
}

fn has_subleaves(leaf: u32) -> bool {
    [CACHES, FEATURES, XSAVE].contains(&leaf)
}

fn identity(supported: &CpuId) -> Identity {
    /// x87, SSE and AVX, which the driver switches.
    const SWITCHED: u32 = 7;
    Identity {
        id: 0,
        xcr0_allowed: (components(supported) & SWITCHED).into(),
        misc_enable: misc_enable::AFTER_RESET,
        physical_bits: of_cpu(ADDRESS_WIDTHS, 0).eax & 0xff,
    }
}

/// What KVM lets a guest have in XCR0.
fn components(supported: &CpuId) -> u32 {
    let mut entries = supported.as_slice().iter();
    let xsave = entries.find(|entry| entry.function == XSAVE && entry.index == 0);
    xsave.map_or(0, |entry| entry.eax)
}

fn of_cpu(leaf: u32, subleaf: u32) -> CpuidResult {
    // SAFETY: Each CPU in 64-bit mode has CPUID.
    unsafe { __cpuid_count(leaf, subleaf) }
}

fn entry(leaf: u32, subleaf: u32, answer: CpuidResult) -> kvm_cpuid_entry2 {
    kvm_cpuid_entry2 {
        function: leaf,
        index: subleaf,
        flags: if has_subleaves(leaf) {
            KVM_CPUID_FLAG_SIGNIFCANT_INDEX
        } else {
            0
        },
        eax: answer.eax,
        ebx: answer.ebx,
        ecx: answer.ecx,
        edx: answer.edx,
        ..Default::default()
    }
}

fn own(own: &CpuidEntry) -> kvm_cpuid_entry2 {
    let answer = CpuidResult {
        eax: own.eax,
        ebx: own.ebx,
        ecx: own.ecx,
        edx: own.edx,
    };
    entry(own.leaf, own.subleaf, answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpuid(instead: &[CpuidEntry]) -> Vec<kvm_cpuid_entry2> {
        let xsave = CpuidResult {
            eax: 7,
            ebx: 0,
            ecx: 0,
            edx: 0,
        };
        let supported = CpuId::from_entries(&[entry(XSAVE, 0, xsave)]).expect("it is one");
        let told = of_guest(&supported, instead).expect("there is room");
        told.as_slice().to_vec()
    }

    fn leaf(entries: &[kvm_cpuid_entry2], leaf: u32) -> kvm_cpuid_entry2 {
        let mut found = entries.iter().filter(|entry| entry.function == leaf);
        let entry = found.next().copied().expect("it is told");
        assert_eq!(found.next(), None);
        entry
    }

    #[test]
    fn guests_get_no_local_apic() {
        let version = leaf(&cpuid(&[]), VERSION);
        let (apic, x2apic, hypervisor) = (1 << 9, 1 << 21, 1 << 31);
        assert_eq!(version.edx & apic, 0);
        assert_eq!(version.ecx & x2apic, 0);
        assert_ne!(version.ecx & hypervisor, 0);
    }

    #[test]
    fn what_is_told_instead_is_told_alone() {
        let instead = CpuidEntry {
            leaf: VENDOR,
            eax: 0x16,
            ..Default::default()
        };
        assert_eq!(leaf(&cpuid(&[instead]), VENDOR).eax, 0x16);
    }

    #[test]
    fn state_components_have_subleaves() {
        let entries = cpuid(&[]);
        let xsave = entries.iter().filter(|entry| entry.function == XSAVE);
        assert_eq!(
            xsave.map(|entry| entry.index).collect::<Vec<_>>(),
            [0, 1, 2, 3]
        );
    }
}
