// SPDX-License-Identifier: GPL-2.0

//! CPUID: numbers of leaves, and names of the bits that guests can get
//! (SDM Vol. 2, "CPUID - CPU Identification").

/// The highest basic leaf, and the vendor.
pub(crate) const VENDOR: u32 = 0;
/// Version, and the first features.
pub(crate) const VERSION: u32 = 1;
/// Caches and TLBs as a list of bytes.
pub(crate) const DESCRIPTORS: u32 = 2;
/// A cache for each subleaf.
pub(crate) const CACHES: u32 = 4;
/// More features.
pub(crate) const FEATURES: u32 = 7;
/// XSAVE and its state components.
pub(crate) const XSAVE: u32 = 0xd;
/// Where hypervisors put their names.
pub(crate) const HYPERVISOR: u32 = 0x4000_0000;
/// The highest extended leaf.
pub(crate) const EXTENDED: u32 = 0x8000_0000;
/// Features of 64-bit mode.
pub(crate) const EXTENDED_FEATURES: u32 = 0x8000_0001;
/// The processor's name is in three leaves from here on.
pub(crate) const BRAND: u32 = 0x8000_0002;
/// The second-level cache.
pub(crate) const EXTENDED_CACHE: u32 = 0x8000_0006;
/// Power management: the time-stamp counter.
pub(crate) const POWER: u32 = 0x8000_0007;
/// Widths of addresses.
pub(crate) const ADDRESS_WIDTHS: u32 = 0x8000_0008;

/// Names the bits of a register.
macro_rules! bits {
    ($(#[$doc:meta])* $register:ident: $($name:ident = $number:literal),* $(,)?) => {
        $(#[$doc])*
        pub(crate) mod $register {
            $(
                #[doc = concat!("Bit ", stringify!($number), ".")]
                pub(crate) const $name: u32 = 1 << $number;
            )*
        }
    };
}

bits! {
    /// ECX of [`VERSION`].
    version_ecx:
    SSE3 = 0, PCLMULQDQ = 1, SSSE3 = 9, FMA = 12, CMPXCHG16B = 13, SSE4_1 = 19, SSE4_2 = 20,
    MOVBE = 22, POPCNT = 23, AES = 25, XSAVE = 26, OSXSAVE = 27, AVX = 28, F16C = 29, RDRAND = 30,
    HYPERVISOR = 31,
}
bits! {
    /// EDX of [`VERSION`].
    version_edx:
    FPU = 0, VME = 1, DE = 2, PSE = 3, TSC = 4, MSR = 5, PAE = 6, CX8 = 8, SEP = 11, PGE = 13,
    CMOV = 15, PAT = 16, PSE36 = 17, CLFLUSH = 19, MMX = 23, FXSR = 24, SSE = 25, SSE2 = 26, SS = 27,
}
bits! {
    /// EBX of [`FEATURES`].
    features_ebx:
    FSGSBASE = 0, BMI1 = 3, AVX2 = 5, FDP_EXCPTN_ONLY = 6, SMEP = 7, BMI2 = 8, ERMS = 9,
    ZERO_FCS_FDS = 13, RDSEED = 18, ADX = 19, SMAP = 20, CLFLUSHOPT = 23, CLWB = 24, SHA = 29,
}
bits! {
    /// ECX of [`FEATURES`].
    features_ecx:
    UMIP = 2, GFNI = 8, VAES = 9, VPCLMULQDQ = 10,
}
bits! {
    /// EDX of [`FEATURES`].
    features_edx:
    FSRM = 4,
}
bits! {
    /// EAX of subleaf 1 of [`XSAVE`](super::XSAVE).
    xsave_eax:
    XSAVEOPT = 0, XSAVEC = 1, XGETBV_1 = 2,
}
bits! {
    /// ECX of [`EXTENDED_FEATURES`].
    extended_ecx:
    LAHF = 0, LZCNT = 5, PREFETCHW = 8,
}
bits! {
    /// EDX of [`EXTENDED_FEATURES`].
    extended_edx:
    SYSCALL = 11, NX = 20, PAGES_1G = 26, LM = 29,
}
bits! {
    /// EDX of [`POWER`].
    power_edx:
    INVARIANT_TSC = 8,
}
