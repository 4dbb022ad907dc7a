// SPDX-License-Identifier: GPL-2.0

//! SDM Vol. 3C, "VM-Exit Control Fields", of the checks on VMX controls.

use super::{
    rule::{
        rules,
        Failure,
        Section,
        Verdict, //
    },
    view::View, //
};
use crate::vmx::{
    controls::{
        Exit,
        PinBased, //
    },
    field::*, //
};

pub(super) const SECTION: Section = Section {
    title: "VM-Exit Control Fields",
    failure: Failure::CONTROLS,
    rules: rules! {
        exit_controls_are_allowed,
        secondary_exit_controls_are_allowed,
        saving_the_timer_needs_the_timer,
        exit_msr_store_area_is_memory,
        exit_msr_load_area_is_memory,
    },
};

/// Reserved bits of the primary VM-exit controls are set properly.
fn exit_controls_are_allowed(v: &View<'_>) -> Verdict {
    let allowed = v.processor.exit;
    v.each(&[EXIT_CONTROLS], |bits| allowed.takes(bits))
}

/// If there are secondary VM-exit controls, their reserved bits are 0.
fn secondary_exit_controls_are_allowed(v: &View<'_>) -> Verdict {
    if !v.exit(Exit::SECONDARY) {
        return Ok(());
    }
    v.clear(!v.processor.secondary_exit, SECONDARY_EXIT_CONTROLS)
}

/// "Save VMX-preemption timer value" needs "activate VMX-preemption timer".
fn saving_the_timer_needs_the_timer(v: &View<'_>) -> Verdict {
    let saves = v.exit(Exit::SAVE_PREEMPTION_TIMER);
    let runs = v.pin_based(PinBased::PREEMPTION_TIMER);
    v.require(!saves || runs, EXIT_CONTROLS)
}

/// The VM-exit MSR-store area, if it is not empty, is in memory.
fn exit_msr_store_area_is_memory(v: &View<'_>) -> Verdict {
    v.msr_area(EXIT_MSR_STORE_COUNT, EXIT_MSR_STORE_ADDRESS)
}

/// The VM-exit MSR-load area, if it is not empty, is in memory.
fn exit_msr_load_area_is_memory(v: &View<'_>) -> Verdict {
    v.msr_area(EXIT_MSR_LOAD_COUNT, EXIT_MSR_LOAD_ADDRESS)
}

impl View<'_> {
    /// An area of MSRs, if it is not empty, is in memory from its first byte, at a multiple of 16,
    /// to its last; an MSR takes 16 bytes.
    pub(super) fn msr_area(
        &self,
        count: Field<u32, Control>,
        address: Field<u64, Control>,
    ) -> Verdict {
        let count = u64::from(self.read(count));
        if count == 0 {
            return Ok(());
        }
        let first = self.read(address);
        let last = first.checked_add(count * 16 - 1);
        let beyond = |address| address & self.beyond_memory() != 0;
        let fits = first & 0xf == 0 && !beyond(first) && !last.is_none_or(beyond);
        self.require(fits, address)
    }
}
