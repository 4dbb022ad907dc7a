// SPDX-License-Identifier: GPL-2.0

//! The frequency of the time-stamp counter, which the guest has in common with the
//! host.
//!
//! A guest that does not learn it from CPUID measures it with the timer, between two
//! exits that take longer than what it measures.

use std::{
    arch::x86_64::__cpuid,
    thread,
    time::{
        Duration,
        Instant, //
    },
};

use minivmx::CpuidEntry;

use crate::bench::time_stamp;

/// How long the counter is watched.
const WATCHED: Duration = Duration::from_millis(20);

// SDM Vol. 2A, "CPUID".
const VENDOR: u32 = 0;
const TSC: u32 = 0x15;
const FREQUENCY: u32 = 0x16;

/// Its frequency in Hz, by the clock of the host.
pub fn frequency() -> u64 {
    let (start, first) = (Instant::now(), time_stamp());
    thread::sleep(WATCHED);
    let (elapsed, last) = (start.elapsed(), time_stamp());
    per_second(last.wrapping_sub(first), elapsed)
}

fn per_second(ticks: u64, elapsed: Duration) -> u64 {
    let hertz = u128::from(ticks) * 1_000_000_000 / elapsed.as_nanos().max(1);
    u64::try_from(hertz).unwrap_or(u64::MAX)
}

/// The leaves of CPUID that tell a guest of it, and that there are so many.
pub fn cpuid(frequency: u64) -> [CpuidEntry; 3] {
    // SAFETY: Each CPU in 64-bit mode has CPUID.
    let vendor = unsafe { __cpuid(VENDOR) };
    [
        CpuidEntry {
            leaf: VENDOR,
            eax: FREQUENCY,
            ebx: vendor.ebx,
            ecx: vendor.ecx,
            edx: vendor.edx,
            ..Default::default()
        },
        crystal(frequency),
        megahertz(frequency),
    ]
}

/// The frequency of the crystal that these leaves tell of, in Hz; it feeds the timers of local
/// APICs, too.
pub fn crystal_frequency(cpuid: &[CpuidEntry]) -> u64 {
    let mut crystals = cpuid.iter().filter(|entry| entry.leaf == TSC);
    crystals.next().map_or(0, |entry| entry.ecx.into())
}

/// The counter as a multiple of a crystal's frequency, which has 32 bits.
fn crystal(frequency: u64) -> CpuidEntry {
    let ratio = frequency / (1 << 32) + 1;
    CpuidEntry {
        leaf: TSC,
        eax: 1,
        // CAST: Both are small by the choice of the ratio.
        ebx: ratio as u32,
        ecx: (frequency / ratio) as u32,
        ..Default::default()
    }
}

fn megahertz(frequency: u64) -> CpuidEntry {
    // CAST: No CPU has so many.
    let base = ((frequency + 500_000) / 1_000_000) as u32;
    CpuidEntry {
        leaf: FREQUENCY,
        eax: base,
        ebx: base,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_and_time_make_a_frequency() {
        assert_eq!(per_second(2_000_000, WATCHED), 100_000_000);
        assert_eq!(per_second(60_000_000, WATCHED), 3_000_000_000);
        assert_eq!(per_second(1, Duration::ZERO), 1_000_000_000);
    }

    #[test]
    fn the_crystal_has_32_bits() {
        for frequency in [100_000_000_u64, 3_000_000_000, 5_000_000_000] {
            let leaf = crystal(frequency);
            let told = u64::from(leaf.ecx) * u64::from(leaf.ebx) / u64::from(leaf.eax);
            assert_eq!(told, frequency);
            assert_eq!(crystal_frequency(&cpuid(frequency)), u64::from(leaf.ecx));
        }
    }

    #[test]
    fn the_vendor_stays() {
        let [vendor, tsc, megahertz] = cpuid(2_399_900_000);
        assert_eq!((vendor.leaf, vendor.eax), (0, 0x16));
        assert_ne!(vendor.ebx, 0);
        assert_eq!((tsc.leaf, megahertz.leaf), (0x15, 0x16));
        assert_eq!(megahertz.eax, 2400);
    }
}
