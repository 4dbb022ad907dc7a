// SPDX-License-Identifier: GPL-2.0

//! IA32_MISC_ENABLE (SDM Vol. 4, "IA-32 Architectural MSRs").

/// Fast operation of string instructions.
pub(crate) const FAST_STRINGS: u64 = 1 << 0;
/// The processor slows down when it gets hot.
const THERMAL_CONTROL: u64 = 1 << 3;
/// There is performance monitoring.
const PERFORMANCE_MONITORING: u64 = 1 << 7;
/// There is no branch trace storage.
const BTS_UNAVAILABLE: u64 = 1 << 11;
/// There is no processor event-based sampling.
const PEBS_UNAVAILABLE: u64 = 1 << 12;
/// Enhanced SpeedStep.
const SPEEDSTEP: u64 = 1 << 16;
/// MONITOR and MWAIT.
const MONITOR: u64 = 1 << 18;
/// The highest basic leaf of CPUID is 2.
pub(crate) const LIMIT_CPUID: u64 = 1 << 22;
/// No messages about task priority.
const NO_XTPR: u64 = 1 << 23;
/// Bit 63 of a page-table entry is reserved.
pub(crate) const NO_XD: u64 = 1 << 34;

/// What software can change.
const SETTABLE: u64 =
    FAST_STRINGS | THERMAL_CONTROL | SPEEDSTEP | MONITOR | LIMIT_CPUID | NO_XTPR | NO_XD;

/// After power-up, of a processor without performance monitoring.
pub(crate) const AFTER_RESET: u64 = FAST_STRINGS | BTS_UNAVAILABLE | PEBS_UNAVAILABLE;

/// What it holds after a write: one of performance monitoring is ignored, and any other change of
/// what software cannot change, [`None`], is #GP(0).
pub(crate) fn written(old: u64, value: u64) -> Option<u64> {
    let new = value & !PERFORMANCE_MONITORING | old & PERFORMANCE_MONITORING;
    ((old ^ new) & !SETTABLE == 0).then_some(new)
}
