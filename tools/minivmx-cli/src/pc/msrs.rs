// SPDX-License-Identifier: GPL-2.0

//! MSRs that the driver does not keep, but that firmware takes for granted.
//!
//! They are memory only: memory types, microcode revision and the like have no
//! effect on this guest, nor has what is written to IA32_APIC_BASE: local APICs stay where
//! they are, as enabled as they were. Any other MSR is #GP(0), as on a CPU without it.

use std::collections::BTreeMap;

use serde::{
    Deserialize,
    Serialize, //
};

use crate::x86::msr::{
    BIOS_SIGN_ID,
    MISC_ENABLE, //
};

/// The values by number (SDM Vol. 4, "IA-32 Architectural MSRs").
#[derive(Clone, Deserialize, Serialize)]
pub struct Msrs(BTreeMap<u32, u64>);

const PLATFORM_ID: u32 = 0x17;
const APIC_BASE: u32 = 0x1b;
const FEATURE_CONTROL: u32 = 0x3a;
const MTRRCAP: u32 = 0xfe;
const MTRR_VARIABLE: std::ops::RangeInclusive<u32> = 0x200..=0x20f;
const MTRR_FIXED: [u32; 11] = [
    0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f,
];
const MTRR_DEF_TYPE: u32 = 0x2ff;

/// At its usual address, enabled.
const APIC_BASE_VALUE: u64 = 0xfee0_0800;
/// It is that of the bootstrap processor.
const FIRST: u64 = 1 << 8;
/// Eight variable ranges, fixed ranges, write-combining.
const MTRRCAP_VALUE: u64 = 0x508;
const LOCKED: u64 = 1;

impl Default for Msrs {
    fn default() -> Self {
        let zeroes = [PLATFORM_ID, BIOS_SIGN_ID, MISC_ENABLE, MTRR_DEF_TYPE];
        let mut values: BTreeMap<u32, u64> = zeroes
            .into_iter()
            .chain(MTRR_VARIABLE)
            .chain(MTRR_FIXED)
            .map(|index| (index, 0))
            .collect();
        values.extend([
            (APIC_BASE, APIC_BASE_VALUE | FIRST),
            (FEATURE_CONTROL, LOCKED),
            (MTRRCAP, MTRRCAP_VALUE),
        ]);
        Self(values)
    }
}

impl Msrs {
    /// Those of one of several CPUs.
    pub fn of_cpu(number: usize) -> Self {
        let mut msrs = Self::default();
        if number != 0 {
            msrs.0.insert(APIC_BASE, APIC_BASE_VALUE);
        }
        msrs
    }

    /// Its value; `None` for #GP(0).
    pub fn read(&self, index: u32) -> Option<u64> {
        self.0.get(&index).copied()
    }

    /// Takes a value; `None` for #GP(0).
    pub fn write(&mut self, index: u32, value: u64) -> Option<()> {
        let writable = !matches!(index, MTRRCAP | FEATURE_CONTROL | PLATFORM_ID);
        let kept = self.0.get_mut(&index).filter(|_| writable)?;
        *kept = value;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_cpu_is_the_one_that_boots() {
        let apic_base = |number| Msrs::of_cpu(number).read(0x1b);
        assert_eq!(apic_base(0), Some(0xfee0_0900));
        assert_eq!(apic_base(1), Some(0xfee0_0800));
    }

    #[test]
    fn memory_type_ranges_are_kept() {
        let mut msrs = Msrs::default();
        assert_eq!(msrs.write(0x200, 0xc000_0000), Some(()));
        assert_eq!(msrs.read(0x200), Some(0xc000_0000));
    }

    #[test]
    fn what_is_unknown_or_read_only_faults() {
        let mut msrs = Msrs::default();
        assert_eq!(msrs.read(0xc001_0010), None);
        assert_eq!(msrs.write(0xc001_0010, 0), None);
        assert_eq!(msrs.write(MTRRCAP, 0), None);
        assert_eq!(msrs.read(MTRRCAP), Some(0x508));
    }
}
