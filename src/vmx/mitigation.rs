// SPDX-License-Identifier: GPL-2.0

//! Mitigations against what a guest could learn by speculative execution, or do by it.
//!
//! Which of them a machine needs is the kernel's to say: it knows the CPU and what the
//! administrator wants.
//!
//! | mitigation | where |
//! |---|---|
//! | VERW empties the CPU's buffers before each VM entry | `vmenter.S` |
//! | the return stack is filled, IBRS set anew after each VM exit | `vmenter.S` |
//! | the L1 data cache is empty when a burst begins | [`Barriers`] |
//! | a vCPU does not begin with another one's branch targets | [`Barriers`] |
//! | the program does not go on with the guest's branch targets | [`Barriers`], and the kernel |
//! | the branch history is overwritten after each VM exit | nowhere: the kernel keeps its loop for KVM |
//! | no page of 2 MiB can be executed | [`crate::vm`], when an EPT guest is made |
//!
//! Guests have no assigned devices, so VERW because of MMIO stale data alone is not needed. They
//! cannot write IA32_SPEC_CTRL: what the host has in it holds for them, too. Between a guest of KVM
//! and one of this driver on the same CPU there is no barrier but those of the kernel when it
//! switches between their programs.

use crate::support::{
    cpu::{
        self,
        Bug,
        Feature, //
    },
    irq::IrqsDisabled,
    per_cpu::PerCpu,
    speculation,
    uapi::mitigation, //
};
use core::sync::atomic::{
    AtomicU64,
    Ordering, //
};
use kernel::prelude::*;

/// What the machine needs, as masks of [`mitigation`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mitigations {
    /// What the driver does.
    pub(crate) done: u64,
    /// What a module cannot do.
    pub(crate) not_possible: u64,
}

impl Mitigations {
    /// Asks the kernel.
    pub(crate) fn detect() -> Self {
        Self::judge(cpu::has, cpu::has_bug, speculation::mitigations_off())
    }

    fn judge(has: impl Fn(Feature) -> bool, has_bug: impl Fn(Bug) -> bool, off: bool) -> Self {
        let fill_return_stack = has(Feature::FillReturnStack) || has(Feature::FillReturnStackLite);
        let ibpb = !off && has_bug(Bug::SpectreV2) && has(Feature::Ibpb);
        // Each with whether it is needed, and whether a module can do it.
        let all = [
            (
                mitigation::MINIVMX_MITIGATION_CLEAR_BUFFERS,
                has(Feature::ClearBuffersForGuest),
                true,
            ),
            (
                mitigation::MINIVMX_MITIGATION_RETURN_STACK,
                fill_return_stack,
                true,
            ),
            (
                mitigation::MINIVMX_MITIGATION_IBRS,
                has(Feature::KernelIbrs),
                true,
            ),
            (
                mitigation::MINIVMX_MITIGATION_BRANCH_HISTORY,
                has(Feature::ClearBranchHistory),
                false,
            ),
            (mitigation::MINIVMX_MITIGATION_IBPB_GUEST, ibpb, true),
            (
                mitigation::MINIVMX_MITIGATION_IBPB_USER,
                has(Feature::IbpbBeforeUser),
                true,
            ),
            (
                mitigation::MINIVMX_MITIGATION_FLUSH_L1D,
                !off && has_bug(Bug::L1tf),
                has(Feature::FlushL1d),
            ),
            (
                mitigation::MINIVMX_MITIGATION_ITLB_MULTIHIT,
                !off && has_bug(Bug::ItlbMultihit),
                true,
            ),
        ];
        let mask = |wanted: bool| {
            all.iter()
                .filter(|(_, needed, possible)| *needed && *possible == wanted)
                .fold(0, |mask, (bit, ..)| mask | u64::from(*bit))
        };
        Self {
            done: mask(true),
            not_possible: mask(false),
        }
    }

    /// Does the driver do this?
    pub(crate) fn does(self, bit: u32) -> bool {
        self.done & u64::from(bit) != 0
    }

    /// What the driver does when a burst begins.
    const BARRIERS: u64 = (mitigation::MINIVMX_MITIGATION_IBPB_GUEST
        | mitigation::MINIVMX_MITIGATION_IBPB_USER
        | mitigation::MINIVMX_MITIGATION_FLUSH_L1D) as u64;
}

/// Whose branches a CPU may have learnt: a number that no other vCPU ever had.
#[derive(Clone, Copy)]
pub(crate) struct Branches(u64);

impl Branches {
    /// Those of a new vCPU.
    pub(crate) fn of_new_vcpu() -> Self {
        /// 64 bits do not wrap in the life of a machine; 0 is nobody's number.
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What has to be emptied when a burst begins.
pub(crate) struct Barriers {
    mitigations: Mitigations,
    /// The vCPU that was on each CPU last, see [`Branches`].
    last: PerCpu<AtomicU64>,
}

impl Barriers {
    /// Those that these mitigations consist of.
    pub(crate) fn new(mitigations: Mitigations) -> Result<Self> {
        Ok(Self {
            mitigations,
            last: PerCpu::new(|| Ok(AtomicU64::new(0)))?,
        })
    }

    /// A guest is about to be entered, perhaps many times, and nobody else but this driver to run
    /// in between.
    #[inline]
    pub(crate) fn before_burst(&self, irqs: &IrqsDisabled, vcpu: Branches) {
        if self.mitigations.done & Mitigations::BARRIERS != 0 {
            self.empty(irqs, vcpu);
        }
    }

    #[cold]
    fn empty(&self, irqs: &IrqsDisabled, vcpu: Branches) {
        let does = |bit| self.mitigations.does(bit);
        if does(mitigation::MINIVMX_MITIGATION_IBPB_GUEST) && self.is_another(irqs, vcpu) {
            speculation::predictor_barrier(irqs);
        }
        if does(mitigation::MINIVMX_MITIGATION_IBPB_USER) {
            speculation::predictor_barrier_before_user(irqs);
        }
        if does(mitigation::MINIVMX_MITIGATION_FLUSH_L1D) {
            speculation::flush_l1d(irqs);
        }
    }

    /// Was another vCPU on this CPU before this one? From now on it is this one.
    fn is_another(&self, irqs: &IrqsDisabled, vcpu: Branches) -> bool {
        self.last.this(irqs).is_none_or(|last| {
            let before = last.load(Ordering::Relaxed);
            last.store(vcpu.0, Ordering::Relaxed);
            before != vcpu.0
        })
    }
}

#[kunit_tests(minivmx_mitigation)]
mod tests {
    use super::*;

    fn mask(bits: &[u32]) -> u64 {
        bits.iter().fold(0, |mask, bit| mask | u64::from(*bit))
    }

    // What the kernel does not ask for is not done, whatever the CPU is.
    #[test]
    fn nothing_where_mitigations_are_off() {
        let has = |feature| matches!(feature, Feature::Ibpb | Feature::FlushL1d);
        let judged = Mitigations::judge(has, |_| true, true);
        assert_eq!(judged.done | judged.not_possible, 0);
        let judged = Mitigations::judge(has, |_| false, false);
        assert_eq!(judged.done | judged.not_possible, 0);
    }

    #[test]
    fn each_has_its_bit() {
        use mitigation::*;
        let judged = Mitigations::judge(|_| true, |_| true, false);
        let done = mask(&[
            MINIVMX_MITIGATION_CLEAR_BUFFERS,
            MINIVMX_MITIGATION_RETURN_STACK,
            MINIVMX_MITIGATION_IBRS,
            MINIVMX_MITIGATION_IBPB_GUEST,
            MINIVMX_MITIGATION_IBPB_USER,
            MINIVMX_MITIGATION_FLUSH_L1D,
            MINIVMX_MITIGATION_ITLB_MULTIHIT,
        ]);
        assert_eq!(judged.done, done);
        assert_eq!(
            judged.not_possible,
            mask(&[MINIVMX_MITIGATION_BRANCH_HISTORY])
        );
    }

    // Without IA32_FLUSH_CMD the need stays, and is said.
    #[test]
    fn a_cache_that_cannot_be_flushed_is_said() {
        let l1tf = |bug| matches!(bug, Bug::L1tf);
        let judged = Mitigations::judge(|_| false, l1tf, false);
        assert_eq!(judged.done, 0);
        assert_eq!(
            judged.not_possible,
            mask(&[mitigation::MINIVMX_MITIGATION_FLUSH_L1D])
        );
    }

    // A vCPU follows another one once, and itself after that.
    #[test]
    fn another_vcpu_is_noticed_once() -> Result {
        let barriers = Barriers::new(Mitigations::judge(|_| false, |_| false, false))?;
        let (first, second) = (Branches::of_new_vcpu(), Branches::of_new_vcpu());
        let seen = IrqsDisabled::with(|irqs| {
            [first, first, second, second, first].map(|vcpu| barriers.is_another(irqs, vcpu))
        });
        assert_eq!(seen, [true, false, true, false, true]);
        Ok(())
    }
}
