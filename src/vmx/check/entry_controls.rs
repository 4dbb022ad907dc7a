// SPDX-License-Identifier: GPL-2.0

//! SDM Vol. 3C, "VM-Entry Control Fields", of the checks on VMX controls.

use super::{
    rule::{
        rules,
        Failure,
        Section,
        Verdict, //
    },
    view::View, //
};
use crate::{
    vmx::{
        controls::{
            Entry,
            Primary, //
        },
        field::*, //
    },
    x86::event::{
        kind,
        Interruption, //
    }, //
};

pub(super) const SECTION: Section = Section {
    title: "VM-Entry Control Fields",
    failure: Failure::CONTROLS,
    rules: rules! {
        entry_controls_are_allowed,
        event_kind_is_defined,
        event_vector_is_of_its_kind,
        event_error_code_is_due,
        event_has_no_reserved_bits,
        event_error_code_has_16_bits,
        event_instruction_length_is_possible,
        entry_msr_load_area_is_memory,
        entry_is_not_to_smm,
    },
};

/// Reserved bits of the VM-entry controls are set properly.
fn entry_controls_are_allowed(v: &View<'_>) -> Verdict {
    let allowed = v.processor.entry;
    v.each(&[ENTRY_CONTROLS], |bits| allowed.takes(bits))
}

/// Something holds of the event that is delivered, if there is one; or else its information is to
/// blame.
fn event(v: &View<'_>, holds: impl Fn(Interruption) -> bool) -> Verdict {
    v.require(v.event().is_none_or(holds), ENTRY_INTERRUPTION_INFO)
}

/// There is such a kind of event; "other event" is there with "monitor trap flag".
fn event_kind_is_defined(v: &View<'_>) -> Verdict {
    let has_others = v.processor.primary.allows(Primary::MONITOR_TRAP_FLAG);
    event(v, |event| match event.kind().get() {
        1 => false,
        kind::OTHER => has_others,
        _ => true,
    })
}

/// An NMI has vector 2, a hardware exception at most 31, "other event" 0.
fn event_vector_is_of_its_kind(v: &View<'_>) -> Verdict {
    event(v, |event| {
        let vector = event.vector().get();
        match event.kind().get() {
            kind::NMI => vector == 2,
            kind::HARDWARE_EXCEPTION => vector <= 31,
            kind::OTHER => vector == 0,
            _ => true,
        }
    })
}

/// There is an error code just for hardware exceptions that have one; without protected mode none
/// has. A CPU may leave it to software (bit 56 of IA32_VMX_BASIC) whether exceptions have one.
fn event_error_code_is_due(v: &View<'_>) -> Verdict {
    let chosen = v.processor.basic.any_error_code();
    let can = v.is_protected() || !v.is_unrestricted();
    event(v, |event| {
        let is_exception = event.kind().get() == kind::HARDWARE_EXCEPTION;
        let due = event.event().is_some_and(|event| event.has_error_code());
        match (can && is_exception, chosen) {
            (false, _) => !event.error_code(),
            (true, true) => true,
            (true, false) => event.error_code() == due,
        }
    })
}

/// Bits 30:12 of the information are 0.
fn event_has_no_reserved_bits(v: &View<'_>) -> Verdict {
    event(v, |event| event.reserved().get() == 0)
}

/// Bits 31:16 of an error code are 0.
fn event_error_code_has_16_bits(v: &View<'_>) -> Verdict {
    if !v.event().is_some_and(|event| event.error_code()) {
        return Ok(());
    }
    v.each(&[ENTRY_EXCEPTION_ERROR_CODE], |code| code <= 0xffff)
}

/// What an instruction raises is of 1 to 15 bytes; of none, if the CPU allows that (bit 30 of
/// IA32_VMX_MISC).
fn event_instruction_length_is_possible(v: &View<'_>) -> Verdict {
    let event = v.event().and_then(Interruption::event);
    if !event.is_some_and(|event| event.is_software()) {
        return Ok(());
    }
    let least = u32::from(!v.processor.misc.injects_without_bytes());
    v.each(&[ENTRY_INSTRUCTION_LENGTH], |length| {
        (least..=15).contains(&length)
    })
}

/// The VM-entry MSR-load area, if it is not empty, is in memory.
fn entry_msr_load_area_is_memory(v: &View<'_>) -> Verdict {
    v.msr_area(ENTRY_MSR_LOAD_COUNT, ENTRY_MSR_LOAD_ADDRESS)
}

/// Outside of SMM, "entry to SMM" and "deactivate dual-monitor treatment" are 0.
fn entry_is_not_to_smm(v: &View<'_>) -> Verdict {
    let smm = v.entry(Entry::ENTRY_TO_SMM) || v.entry(Entry::DEACTIVATE_DUAL_MONITOR);
    v.require(!smm, ENTRY_CONTROLS)
}
