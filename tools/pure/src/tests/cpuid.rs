// SPDX-License-Identifier: GPL-2.0

//! What guests learn from CPUID, on CPUs that the emulator does not have.

use crate::{
    machine::cpuid::{of_guests, Identity},
    x86::{cpuid::*, misc_enable},
};
use core::arch::x86_64::CpuidResult;
use proptest::prelude::*;

/// x87, SSE and AVX.
const ALL: u64 = 0b111;

fn identity() -> Identity {
    Identity {
        id: 3,
        xcr0_allowed: ALL,
        misc_enable: misc_enable::AFTER_RESET,
        physical_bits: 52,
    }
}

fn result(eax: u32, ebx: u32, ecx: u32, edx: u32) -> CpuidResult {
    CpuidResult { eax, ebx, ecx, edx }
}

/// A CPU that has all that can be had: each feature there is, 57 and 52 bits of address.
fn everything(leaf: u32, subleaf: u32) -> CpuidResult {
    match (leaf, subleaf) {
        (VENDOR, _) => result(0x20, 0x756e_6547, 0x6c65_746e, 0x4965_6e69),
        (EXTENDED, _) => result(0x8000_0021, 0, 0, 0),
        (ADDRESS_WIDTHS, _) => result(0x39_34 | 0xff << 16, !0, !0, !0),
        // AVX state: 256 bytes at 576.
        (XSAVE, 2) => result(256, 576, 0, 0),
        _ => result(!0, !0, !0, !0),
    }
}

fn answer(leaf: u32, subleaf: u32, identity: &Identity) -> CpuidResult {
    of_guests(everything, leaf, subleaf, 1, identity)
}

/// What the SDM's page on CPUID calls these bits, by number.
#[test]
fn guests_get_what_is_listed() {
    let all = identity();
    // SSE3 PCLMULQDQ SSSE3 FMA CMPXCHG16B SSE4.1 SSE4.2 MOVBE POPCNT AES XSAVE AVX F16C RDRAND, and
    // the hypervisor's bit.
    let version = answer(VERSION, 0, &all);
    assert_eq!(version.ecx, 0xf6d8_3203);
    // FPU VME DE PSE TSC MSR PAE CX8 SEP PGE CMOV PAT PSE-36 CLFSH MMX FXSR SSE SSE2 SS.
    assert_eq!(version.edx, 0x0f8b_a97f);
    assert_eq!(version.ebx, 0x0301_ff00);
    // FSGSBASE BMI1 AVX2 FDP_EXCPTN_ONLY SMEP BMI2 ERMS FCS SHA, RDSEED ADX SMAP CLFLUSHOPT CLWB;
    // UMIP GFNI VAES VPCLMULQDQ; FSRM.
    assert_eq!(
        answer(FEATURES, 0, &all),
        result(0, 0x219c_23e9, 0x704, 0x10)
    );
    assert_eq!(answer(FEATURES, 1, &all), result(0, 0, 0, 0));
    // LAHF LZCNT PREFETCHW; SYSCALL NX 1-GiB pages LM.
    assert_eq!(
        answer(EXTENDED_FEATURES, 0, &all),
        result(!0, 0, 0x121, 0x2410_0800)
    );
    assert_eq!(answer(POWER, 0, &all), result(0, 0, 0, 0x100));
}

/// The highest leaves, and nothing above and between them.
#[test]
fn leaves_beyond_the_last_are_empty() {
    let all = identity();
    assert_eq!(answer(VENDOR, 0, &all).eax, 0xd);
    assert_eq!(answer(EXTENDED, 0, &all).eax, 0x8000_0008);
    let beyond = [3, 5, 6, 0xa, 0xb, 0xe, 0x14, 0x1f, 0x4000_0001, 0x8000_0009];
    for leaf in beyond {
        assert_eq!(answer(leaf, 0, &all), result(0, 0, 0, 0), "leaf {leaf:#x}");
    }
}

/// Four levels of paging translate 48 bits, and CR4.LA57 is not to be had. Physical addresses are
/// as wide as the CPU checks them.
#[test]
fn addresses_are_as_wide_as_guests_have_them() {
    let all = identity();
    assert_eq!(
        answer(ADDRESS_WIDTHS, 0, &all),
        result(48 << 8 | 52, 0, 0, 0)
    );
}

/// SDM Vol. 2, CPUID, leaf 0DH: the size of the area of XSAVE, and with XSAVEC that of XSAVEC.
#[test]
fn the_xsave_area_is_as_large_as_xcr0_says() {
    for (xcr0, size) in [(1, 576), (3, 576), (7, 832)] {
        let answer = |subleaf| of_guests(everything, XSAVE, subleaf, xcr0, &identity());
        assert_eq!(answer(0), result(7, size, 832, 0));
        assert_eq!(answer(1), result(7, size, 0, 0));
        let without_xsavec = |leaf, subleaf| match (leaf, subleaf) {
            (XSAVE, 1) => result(1, !0, !0, !0),
            _ => everything(leaf, subleaf),
        };
        let seen = of_guests(without_xsavec, XSAVE, 1, xcr0, &identity());
        assert_eq!(seen, result(1, 0, 0, 0));
    }
    assert_eq!(answer(XSAVE, 2, &identity()), result(256, 576, 0, 0));
}

/// Where the host does without XSAVE, or without AVX ("noxsave", "clearcpuid=avx"), guests do
/// without what needs it, and not without anything else.
#[test]
fn what_needs_xsave_comes_and_goes_with_it() {
    use {features_ebx::AVX2, features_ecx::*, version_ecx::*};
    let states = [(0, 0), (3, XSAVE), (7, XSAVE | AVX | FMA | F16C)];
    for (xcr0_allowed, expected) in states {
        let identity = Identity {
            xcr0_allowed,
            ..identity()
        };
        let has_avx = xcr0_allowed & 4 != 0;
        let version = answer(VERSION, 0, &identity).ecx;
        assert_eq!(version & (XSAVE | AVX | FMA | F16C), expected);
        assert_eq!(version | XSAVE | AVX | FMA | F16C, 0xf6d8_3203);
        let features = answer(FEATURES, 0, &identity);
        let vectors = VAES | VPCLMULQDQ;
        assert_eq!(features.ebx & AVX2, if has_avx { AVX2 } else { 0 });
        assert_eq!(features.ecx & vectors, if has_avx { vectors } else { 0 });
        assert_eq!(features.ebx | AVX2, 0x219c_23e9);
        assert_eq!(features.ecx | vectors, 0x704);
        let last = answer(crate::x86::cpuid::XSAVE, 2, &identity);
        assert_eq!(last.eax, if has_avx { 256 } else { 0 });
    }
}

/// SDM Vol. 4, IA32_MISC_ENABLE: bit 22 hides the leaves from 3 to those of extended functions, bit
/// 34 the feature flag of NX.
#[test]
fn misc_enable_hides_what_it_turns_off() {
    let with = |bit: u32| Identity {
        misc_enable: misc_enable::AFTER_RESET | 1 << bit,
        ..identity()
    };
    let limited = with(22);
    assert_eq!(answer(VENDOR, 0, &limited).eax, 2);
    for leaf in [CACHES, FEATURES, XSAVE] {
        assert_eq!(answer(leaf, 0, &limited), result(0, 0, 0, 0));
    }
    for leaf in [
        VERSION,
        DESCRIPTORS,
        HYPERVISOR,
        EXTENDED,
        EXTENDED_FEATURES,
    ] {
        assert_eq!(answer(leaf, 0, &limited), answer(leaf, 0, &identity()));
    }
    let features = answer(EXTENDED_FEATURES, 0, &with(34));
    assert_eq!(features.edx, 0x2400_0800);
    assert_eq!(answer(VENDOR, 0, &with(34)).eax, 0xd);
}

proptest! {
    /// No guest sees a bit that the host has not, but for the hypervisor's own.
    #[test]
    fn guests_get_no_more_than_the_host(words: [u32; 4], leaf in 0u32..0x20, high: bool) {
        let leaf = if high { EXTENDED + leaf } else { leaf };
        let host = |asked, subleaf| match asked {
            VENDOR => everything(asked, subleaf),
            _ => result(words[0], words[1], words[2], words[3]),
        };
        let seen = of_guests(host, leaf, 0, 1, &identity());
        if matches!(leaf, VERSION | FEATURES | EXTENDED_FEATURES | POWER) {
            prop_assert_eq!(seen.edx & !words[3], 0);
            let hypervisor = if leaf == VERSION { version_ecx::HYPERVISOR } else { 0 };
            prop_assert_eq!(seen.ecx & !words[2], hypervisor & !words[2]);
        }
    }

    /// SDM Vol. 4, IA32_MISC_ENABLE: bits 0, 3, 16, 18, 22, 23 and 34 can be changed, bit 7 is
    /// read-only and ignored, a change of any other faults.
    #[test]
    fn misc_enable_keeps_what_can_be_changed(noise: u64, bit in 0u32..64) {
        const SETTABLE: u64 = 0x4_00c5_0009;
        let old = misc_enable::AFTER_RESET;
        let good = noise & SETTABLE | old & !SETTABLE;
        prop_assert_eq!(misc_enable::written(old, good), Some(good));
        prop_assert_eq!(misc_enable::written(old, good ^ 1 << 7), Some(good));
        let expected = match bit {
            0 | 3 | 16 | 18 | 22 | 23 | 34 => Some(good ^ 1 << bit),
            7 => Some(good),
            _ => None,
        };
        prop_assert_eq!(misc_enable::written(good, good ^ 1 << bit), expected);
    }
}
