// SPDX-License-Identifier: GPL-2.0

//! Precise event-based sampling (PEBS) of the host, off while a guest has the CPU.
//!
//! The CPU stores a record when a counter overflows, at an address that it translates as it does
//! any other: by the guest's tables, if the guest runs by then. So the guest's memory would be
//! spoiled, and the guest would learn the host's registers (SDM Vol. 3B, "Processor Event Based
//! Sampling (PEBS)").

use super::{
    cpu,
    irq::IrqsDisabled,
    msr::{
        Msr,
        SavedMsr, //
    }, //
};

/// IA32_MISC_ENABLE.
const MISC_ENABLE: Msr = Msr(0x1a0);
/// IA32_PERF_GLOBAL_CTRL: which counters count.
const GLOBAL_CTRL: Msr = Msr(0x38f);
/// IA32_PEBS_ENABLE: which counters have records made, at the same bits.
const PEBS_ENABLE: Msr = Msr(0x3f1);

/// Is there PEBS, with a register that stops all counters?
pub(crate) fn is_present() -> bool {
    /// CPUID.1:EDX.DS.
    const DEBUG_STORE: u32 = 1 << 21;
    /// IA32_MISC_ENABLE: no PEBS.
    const PEBS_UNAVAILABLE: u64 = 1 << 12;
    let has_leaf = cpu::cpuid(0, 0).eax >= 0xa;
    has_leaf
        && cpu::cpuid(0xa, 0).eax & 0xff >= 2
        && cpu::cpuid(1, 0).edx & DEBUG_STORE != 0
        && MISC_ENABLE.read() & PEBS_UNAVAILABLE == 0
}

/// Are records made? To be called where [`is_present`].
#[inline]
pub(crate) fn is_on() -> bool {
    PEBS_ENABLE.read() != 0
}

/// Guard: no records are made.
///
/// It is WRMSR that stops them, which waits for a record that is on its way; a VM entry would not.
#[must_use = "sampling goes on when the guard is dropped"]
pub(crate) struct SamplingOff<'a> {
    enabled: SavedMsr<'a>,
    counting: u64,
}

impl<'a> SamplingOff<'a> {
    /// Turns PEBS off; [`None`] if it is off. To be called where [`is_present`].
    pub(crate) fn new(irqs: &'a IrqsDisabled) -> Option<Self> {
        let enabled = SavedMsr::save(irqs, PEBS_ENABLE);
        if enabled.value() == 0 {
            return None;
        }
        // SAFETY: The host's value comes back in `drop`.
        unsafe { PEBS_ENABLE.write(0) };
        Some(Self {
            enabled,
            counting: GLOBAL_CTRL.read(),
        })
    }

    /// IA32_PERF_GLOBAL_CTRL of the host.
    pub(crate) fn counting(&self) -> u64 {
        self.counting
    }

    /// The same without the counters whose overflow is to make a record: nobody would see it.
    pub(crate) fn counting_in_guest(&self) -> u64 {
        self.counting & !self.enabled.value()
    }
}

impl Drop for SamplingOff<'_> {
    fn drop(&mut self) {
        // The kernel's handler of NMIs may have come in between, and then knows better.
        if PEBS_ENABLE.read() == 0 {
            self.enabled.restore();
        }
    }
}
