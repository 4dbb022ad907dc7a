// SPDX-License-Identifier: GPL-2.0

//! What CPUID tells guests of this machine: the host's answers less what guests do not get.

use crate::support::cpu;
use core::arch::x86_64::CpuidResult;

/// Where a guest looks for the hypervisor's name.
const HYPERVISOR_LEAF: u32 = 0x4000_0000;

/// Highest basic leaf: the one of XSAVE.
const LAST_BASIC_LEAF: u32 = 0xd;
/// Highest extended leaf: the one of address widths.
const LAST_EXTENDED_LEAF: u32 = 0x8000_0008;

/// Features that guests get where the host has them. Everything else reads 0: a feature is listed
/// once somebody made sure that it works for a guest, and that it takes nothing from the host.
/// (SDM Vol. 2, "CPUID - CPU Identification").
mod features {
    /// SSE3 PCLMULQDQ SSSE3 FMA CMPXCHG16B SSE4.1 SSE4.2 MOVBE POPCNT AES XSAVE AVX F16C RDRAND.
    pub(super) const LEAF_1_ECX: u32 = 0x76d8_3203;
    /// FPU VME DE PSE TSC MSR PAE CX8 SEP PGE CMOV PAT PSE-36 CLFSH MMX FXSR SSE SSE2 SS.
    pub(super) const LEAF_1_EDX: u32 = 0x0f8b_a97f;
    /// FSGSBASE BMI1 AVX2 SMEP BMI2 ERMS RDSEED ADX SMAP CLFLUSHOPT CLWB SHA.
    pub(super) const LEAF_7_EBX: u32 = 0x219c_03a9;
    /// UMIP GFNI VAES VPCLMULQDQ.
    pub(super) const LEAF_7_ECX: u32 = 0x0000_0704;
    /// Fast short REP MOV.
    pub(super) const LEAF_7_EDX: u32 = 0x0000_0010;
    /// XSAVEOPT XSAVEC XGETBV(1).
    pub(super) const LEAF_D_1_EAX: u32 = 0x0000_0007;
    /// LAHF LZCNT PREFETCHW.
    pub(super) const EXTENDED_1_ECX: u32 = 0x0000_0121;
    /// SYSCALL NX 1-GiB pages LM.
    pub(super) const EXTENDED_1_EDX: u32 = 0x2410_0800;
    /// The TSC runs at a constant rate.
    pub(super) const EXTENDED_7_EDX: u32 = 0x0000_0100;
}

/// CPUID.1:ECX.HYPERVISOR.
const HYPERVISOR: u32 = 1 << 31;

/// Whose CPUID it is, as far as answers depend on that.
pub(crate) struct Identity {
    /// Number of the vCPU: the initial APIC ID.
    pub(crate) id: u32,
    /// XCR0 of the guest.
    pub(crate) xcr0: u64,
    /// XCR0 with all that the guest may set.
    pub(crate) xcr0_allowed: u64,
}

/// What the host's CPU answers, less what guests do not get.
pub(crate) fn of_guests(leaf: u32, subleaf: u32, identity: impl Fn() -> Identity) -> CpuidResult {
    match leaf {
        HYPERVISOR_LEAF => signature(),
        0 => limit(leaf, LAST_BASIC_LEAF),
        1 => version(&identity()),
        2 | 0x8000_0002..=0x8000_0006 => cpu::cpuid(leaf, subleaf),
        4 => cache(subleaf),
        7 => structured_features(subleaf),
        0xd => xsave(subleaf, &identity()),
        0x8000_0000 => limit(leaf, LAST_EXTENDED_LEAF),
        0x8000_0001 => extended_features(),
        0x8000_0007 => CpuidResult {
            edx: cpu::cpuid(leaf, 0).edx & features::EXTENDED_7_EDX,
            ..NOTHING
        },
        LAST_EXTENDED_LEAF => CpuidResult {
            eax: cpu::cpuid(leaf, 0).eax & 0xffff,
            ..NOTHING
        },
        _ => NOTHING,
    }
}

const NOTHING: CpuidResult = CpuidResult {
    eax: 0,
    ebx: 0,
    ecx: 0,
    edx: 0,
};

/// "minivmx" in the order that guests read a hypervisor's name in.
fn signature() -> CpuidResult {
    CpuidResult {
        eax: HYPERVISOR_LEAF,
        ebx: u32::from_le_bytes(*b"mini"),
        ecx: u32::from_le_bytes(*b"vmx\0"),
        edx: 0,
    }
}

/// The vendor, and the highest leaf.
fn limit(leaf: u32, last: u32) -> CpuidResult {
    let host = cpu::cpuid(leaf, 0);
    CpuidResult {
        eax: host.eax.min(last),
        ..host
    }
}

fn version(identity: &Identity) -> CpuidResult {
    /// Size of a cache line for CLFLUSH.
    const CLFLUSH_SIZE: u32 = 0xff00;
    let host = cpu::cpuid(1, 0);
    CpuidResult {
        eax: host.eax,
        ebx: host.ebx & CLFLUSH_SIZE | 1 << 16 | identity.id << 24,
        ecx: host.ecx & features::LEAF_1_ECX | HYPERVISOR,
        edx: host.edx & features::LEAF_1_EDX,
    }
}

/// A cache, of a processor with one core.
fn cache(subleaf: u32) -> CpuidResult {
    let host = cpu::cpuid(4, subleaf);
    CpuidResult {
        eax: host.eax & 0x3fff,
        ..host
    }
}

fn structured_features(subleaf: u32) -> CpuidResult {
    if subleaf != 0 || cpu::cpuid(0, 0).eax < 7 {
        return NOTHING;
    }
    let host = cpu::cpuid(7, 0);
    CpuidResult {
        eax: 0,
        ebx: host.ebx & features::LEAF_7_EBX,
        ecx: host.ecx & features::LEAF_7_ECX,
        edx: host.edx & features::LEAF_7_EDX,
    }
}

fn xsave(subleaf: u32, identity: &Identity) -> CpuidResult {
    if identity.xcr0_allowed == 0 {
        return NOTHING;
    }
    match subleaf {
        0 => CpuidResult {
            // CAST: Only the low bits are ever allowed.
            eax: identity.xcr0_allowed as u32,
            ebx: xsave_size(identity.xcr0),
            ecx: xsave_size(identity.xcr0_allowed),
            edx: 0,
        },
        1 => CpuidResult {
            eax: cpu::cpuid(0xd, 1).eax & features::LEAF_D_1_EAX,
            ..NOTHING
        },
        2 if identity.xcr0_allowed & AVX != 0 => cpu::cpuid(0xd, 2),
        _ => NOTHING,
    }
}

/// Do guests have pages of 1 GiB?
pub(super) fn has_1g_pages() -> bool {
    const PAGES_1G: u32 = 1 << 26;
    extended_features().edx & PAGES_1G != 0
}

/// AVX state in XCR0.
const AVX: u64 = 1 << 2;

/// Bytes of the XSAVE area for x87, SSE and perhaps AVX.
fn xsave_size(xcr0: u64) -> u32 {
    const LEGACY_AND_HEADER: u32 = 576;
    if xcr0 & AVX == 0 {
        return LEGACY_AND_HEADER;
    }
    let avx = cpu::cpuid(0xd, 2);
    avx.ebx.saturating_add(avx.eax)
}

fn extended_features() -> CpuidResult {
    let host = cpu::cpuid(0x8000_0001, 0);
    CpuidResult {
        eax: host.eax,
        ebx: 0,
        ecx: host.ecx & features::EXTENDED_1_ECX,
        edx: host.edx & features::EXTENDED_1_EDX,
    }
}
