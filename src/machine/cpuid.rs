// SPDX-License-Identifier: GPL-2.0

//! What CPUID tells guests of this machine: the host's answers less what guests do not get.
//!
//! A feature is listed once somebody made sure that it works for a guest, and that it takes nothing
//! from the host. All others read 0:
//!
//! | not given | because |
//! |---|---|
//! | APIC, x2APIC, TSC deadline, ARAT; topology, HTT | the chip is the program's; one vCPU is a package |
//! | MTRR, MCE, MCA, ACPI, TM, TM2, EIST, PSN, FEATURE_CONTROL and other switches | MSRs that the driver does not keep |
//! | performance monitoring, PDCM, DS, BTS, DTES64, LBR, PT | the host's own counters and tracing |
//! | VMX, SMX, SGX, TSX, MPX, PKU, CET, LAM, KL, UINTR, AMX, APX, AVX-512 | state that a burst does not switch, or instructions that exit without an answer |
//! | MONITOR, WAITPKG | they would wait for the host |
//! | RDTSCP, RDPID, TSC_ADJUST, INVPCID, PCID, XSAVES | controls that are left off, so #UD or #GP as without them |
//! | LA57 | guests have four levels of paging |
//! | SPEC_CTRL, PRED_CMD, FLUSH_CMD, ARCH_CAPABILITIES and the like | the mitigations are the host's |
//!
//! Nothing here knows of the kernel, so it is tested in userspace (`tools/pure`), with CPUs that
//! nobody has at hand.

use crate::x86::{
    cpuid::*,
    misc_enable, //
};
use core::arch::x86_64::CpuidResult;

/// Features that guests get where the host has them.
mod given {
    use crate::x86::cpuid::*;

    /// ECX of [`VERSION`].
    pub(super) const VERSION_ECX: u32 = {
        use version_ecx::*;
        let sse = SSE3 | SSSE3 | SSE4_1 | SSE4_2 | PCLMULQDQ | AES;
        sse | CMPXCHG16B | MOVBE | POPCNT | RDRAND
    };
    /// The same, with AVX state.
    pub(super) const VERSION_ECX_AVX: u32 = version_ecx::AVX | version_ecx::FMA | version_ecx::F16C;
    /// EDX of [`VERSION`].
    pub(super) const VERSION_EDX: u32 = {
        use version_edx::*;
        let paging = PSE | PAE | PGE | PAT | PSE36;
        let units = FPU | MMX | FXSR | SSE | SSE2;
        paging | units | VME | DE | TSC | MSR | CX8 | SEP | CMOV | CLFLUSH | SS
    };
    /// EBX of [`FEATURES`].
    pub(super) const FEATURES_EBX: u32 = {
        use features_ebx::*;
        let x87 = FDP_EXCPTN_ONLY | ZERO_FCS_FDS;
        let caches = CLFLUSHOPT | CLWB;
        x87 | caches | FSGSBASE | BMI1 | SMEP | BMI2 | ERMS | RDSEED | ADX | SMAP | SHA
    };
    /// ECX of [`FEATURES`].
    pub(super) const FEATURES_ECX: u32 = features_ecx::UMIP | features_ecx::GFNI;
    /// The same, with AVX state.
    pub(super) const FEATURES_ECX_AVX: u32 = features_ecx::VAES | features_ecx::VPCLMULQDQ;
    /// EDX of [`FEATURES`].
    pub(super) const FEATURES_EDX: u32 = features_edx::FSRM;
    /// EAX of subleaf 1 of [`XSAVE`].
    pub(super) const XSAVE_EAX: u32 = {
        use xsave_eax::*;
        XSAVEOPT | XSAVEC | XGETBV_1
    };
    /// ECX of [`EXTENDED_FEATURES`].
    pub(super) const EXTENDED_ECX: u32 = {
        use extended_ecx::*;
        LAHF | LZCNT | PREFETCHW
    };
    /// EDX of [`EXTENDED_FEATURES`].
    pub(super) const EXTENDED_EDX: u32 = {
        use extended_edx::*;
        SYSCALL | NX | PAGES_1G | LM
    };
    /// EDX of [`POWER`].
    pub(super) const POWER_EDX: u32 = power_edx::INVARIANT_TSC;
}

/// Highest basic leaf.
const LAST_BASIC_LEAF: u32 = XSAVE;
/// Highest extended leaf.
const LAST_EXTENDED_LEAF: u32 = ADDRESS_WIDTHS;

/// What answers depend on, besides the host's CPU and the guest's XCR0.
#[derive(Clone, Copy)]
pub(crate) struct Identity {
    /// Number of the vCPU: the initial APIC ID.
    pub(crate) id: u32,
    /// XCR0 with all that the guest may set; 0 without XSAVE.
    pub(crate) xcr0_allowed: u64,
    /// IA32_MISC_ENABLE of the guest.
    pub(crate) misc_enable: u64,
    /// Width of a physical address. It is the processor's, which it checks guests' tables by, even
    /// if a VM has memory in a part of them only.
    pub(crate) physical_bits: u32,
}

/// What `host`, which executes CPUID, answers, less what guests do not get. A leaf beyond the
/// highest answers 0, and so do those that IA32_MISC_ENABLE hides.
#[inline(always)] // Into the handler of an exit that guests cause often.
pub(crate) fn of_guests(
    host: impl Fn(u32, u32) -> CpuidResult,
    leaf: u32,
    subleaf: u32,
    xcr0: u64,
    identity: &Identity,
) -> CpuidResult {
    let last = last_basic_leaf(identity);
    match leaf {
        HYPERVISOR => signature(),
        VENDOR => limit(host(leaf, 0), last),
        _ if leaf > last && leaf < EXTENDED => NOTHING,
        VERSION => version(host(leaf, 0), identity),
        DESCRIPTORS | BRAND..=EXTENDED_CACHE => host(leaf, subleaf),
        CACHES => cache(host(leaf, subleaf)),
        FEATURES if subleaf == 0 && host(VENDOR, 0).eax >= FEATURES => {
            features(host(leaf, 0), identity)
        }
        XSAVE => xsave(host, subleaf, xcr0, identity),
        EXTENDED => limit(host(leaf, 0), LAST_EXTENDED_LEAF),
        EXTENDED_FEATURES => extended_features(host(leaf, 0), identity),
        POWER => CpuidResult {
            edx: host(leaf, 0).edx & given::POWER_EDX,
            ..NOTHING
        },
        ADDRESS_WIDTHS => CpuidResult {
            eax: address_widths(host(leaf, 0).eax, identity),
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
        eax: HYPERVISOR,
        ebx: u32::from_le_bytes(*b"mini"),
        ecx: u32::from_le_bytes(*b"vmx\0"),
        edx: 0,
    }
}

/// The highest basic leaf (SDM Vol. 4, IA32_MISC_ENABLE, "Limit CPUID Maxval").
fn last_basic_leaf(identity: &Identity) -> u32 {
    if identity.misc_enable & misc_enable::LIMIT_CPUID != 0 {
        DESCRIPTORS
    } else {
        LAST_BASIC_LEAF
    }
}

/// The highest leaf, with what else is there.
fn limit(host: CpuidResult, last: u32) -> CpuidResult {
    CpuidResult {
        eax: host.eax.min(last),
        ..host
    }
}

/// `bits` if the guest can have these state components, for which they are; else none.
fn with(identity: &Identity, components: u64, bits: u32) -> u32 {
    if identity.xcr0_allowed & components != 0 {
        bits
    } else {
        0
    }
}

fn version(host: CpuidResult, identity: &Identity) -> CpuidResult {
    /// Size of a cache line for CLFLUSH.
    const CLFLUSH_SIZE: u32 = 0xff00;
    let ecx = given::VERSION_ECX
        | with(identity, component::X87, version_ecx::XSAVE)
        | with(identity, component::AVX, given::VERSION_ECX_AVX);
    CpuidResult {
        eax: host.eax,
        ebx: host.ebx & CLFLUSH_SIZE | 1 << 16 | identity.id << 24,
        ecx: host.ecx & ecx | version_ecx::HYPERVISOR,
        edx: host.edx & given::VERSION_EDX,
    }
}

/// A cache, of a processor with one core.
fn cache(host: CpuidResult) -> CpuidResult {
    CpuidResult {
        eax: host.eax & 0x3fff,
        ..host
    }
}

fn features(host: CpuidResult, identity: &Identity) -> CpuidResult {
    let avx = |bits| with(identity, component::AVX, bits);
    CpuidResult {
        eax: 0,
        ebx: host.ebx & (given::FEATURES_EBX | avx(features_ebx::AVX2)),
        ecx: host.ecx & (given::FEATURES_ECX | avx(given::FEATURES_ECX_AVX)),
        edx: host.edx & given::FEATURES_EDX,
    }
}

fn xsave(
    host: impl Fn(u32, u32) -> CpuidResult,
    subleaf: u32,
    xcr0: u64,
    identity: &Identity,
) -> CpuidResult {
    let allowed = identity.xcr0_allowed;
    let size = |xcr0| xsave_size(|| host(XSAVE, 2), xcr0);
    match subleaf {
        _ if allowed == 0 => NOTHING,
        0 => CpuidResult {
            // CAST: Only the low bits are ever allowed.
            eax: allowed as u32,
            ebx: size(xcr0),
            ecx: size(allowed),
            edx: 0,
        },
        1 => {
            let eax = host(XSAVE, 1).eax & given::XSAVE_EAX;
            // What XSAVEC writes: of these components it leaves no gap but what the standard form
            // has.
            let compacts = eax & xsave_eax::XSAVEC != 0;
            let ebx = if compacts { size(xcr0) } else { 0 };
            CpuidResult {
                eax,
                ebx,
                ..NOTHING
            }
        }
        2 if allowed & component::AVX != 0 => host(XSAVE, 2),
        _ => NOTHING,
    }
}

/// State components, as bits of XCR0.
mod component {
    /// x87, which XCR0 always has where there is XSAVE.
    pub(super) const X87: u64 = 1 << 0;
    /// AVX.
    pub(super) const AVX: u64 = 1 << 2;
}

/// Bytes of the XSAVE area for x87, SSE and perhaps AVX, which is where `avx` says.
fn xsave_size(avx: impl FnOnce() -> CpuidResult, xcr0: u64) -> u32 {
    const LEGACY_AND_HEADER: u32 = 576;
    if xcr0 & component::AVX == 0 {
        return LEGACY_AND_HEADER;
    }
    let avx = avx();
    avx.ebx.saturating_add(avx.eax)
}

/// SDM Vol. 4, IA32_MISC_ENABLE, "XD Bit Disable".
fn extended_features(host: CpuidResult, identity: &Identity) -> CpuidResult {
    let no_xd = identity.misc_enable & misc_enable::NO_XD != 0;
    let hidden = if no_xd { extended_edx::NX } else { 0 };
    CpuidResult {
        eax: host.eax,
        ebx: 0,
        ecx: host.ecx & given::EXTENDED_ECX,
        edx: host.edx & given::EXTENDED_EDX & !hidden,
    }
}

/// Widths of a physical address and of a linear one: what the host has beyond four levels of
/// paging, guests have not.
fn address_widths(host: u32, identity: &Identity) -> u32 {
    const FOUR_LEVELS: u32 = 48;
    let linear = (host >> 8 & 0xff).min(FOUR_LEVELS);
    linear << 8 | identity.physical_bits
}
