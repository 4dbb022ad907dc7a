// SPDX-License-Identifier: GPL-2.0

//! SDM Vol. 3C, "Checks on Guest Non-Register State": the interruptibility state.

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
        controls::PinBased,
        exit::Interruptibility,
        field::*, //
    },
    x86::{
        event::kind,
        rflags, //
    }, //
};

const TITLE: &str = "Checks on Guest Non-Register State";

pub(super) const SECTION: Section = Section {
    title: TITLE,
    failure: Failure::GUEST,
    rules: rules! {
        interruptibility_has_no_reserved_bits,
        blocking_is_not_by_sti_and_mov_ss,
        blocking_by_sti_needs_if,
        external_interrupt_is_not_blocked,
        nmi_is_not_blocked_by_mov_ss,
        nmi_is_not_blocked_by_nmi,
        blocking_by_smi_is_for_smm,
        enclave_is_not_interrupted_behind_mov_ss,
        enclave_interruption_needs_sgx,
    },
};

/// The rule with an exit qualification of its own.
pub(super) const NMI_BEHIND_STI: Section = Section {
    title: TITLE,
    failure: Failure::GuestState(3),
    rules: rules! {
        nmi_is_not_blocked_by_sti,
    },
};

/// Something holds of the interruptibility state.
fn state(v: &View<'_>, holds: impl Fn(Interruptibility) -> bool) -> Verdict {
    v.each(&[GUEST_INTERRUPTIBILITY], |raw| {
        holds(Interruptibility::from_raw(raw))
    })
}

/// Bits 31:5 are 0.
fn interruptibility_has_no_reserved_bits(v: &View<'_>) -> Verdict {
    state(v, |state| state.reserved().get() == 0)
}

/// Blocking is not by both STI and MOV SS.
fn blocking_is_not_by_sti_and_mov_ss(v: &View<'_>) -> Verdict {
    state(v, |state| !(state.sti() && state.mov_ss()))
}

/// Blocking by STI needs RFLAGS.IF.
fn blocking_by_sti_needs_if(v: &View<'_>) -> Verdict {
    let enabled = v.read(GUEST_RFLAGS) & rflags::IF != 0;
    state(v, |state| enabled || !state.sti())
}

/// An external interrupt is not delivered while STI or MOV SS block it.
fn external_interrupt_is_not_blocked(v: &View<'_>) -> Verdict {
    let delivers = v.delivers(kind::EXTERNAL_INTERRUPT);
    state(v, |state| !delivers || !(state.sti() || state.mov_ss()))
}

/// An NMI is not delivered while MOV SS blocks it.
fn nmi_is_not_blocked_by_mov_ss(v: &View<'_>) -> Verdict {
    let delivers = v.delivers(kind::NMI);
    state(v, |state| !delivers || !state.mov_ss())
}

/// With "virtual NMIs", an NMI is not delivered while NMIs are blocked.
fn nmi_is_not_blocked_by_nmi(v: &View<'_>) -> Verdict {
    let delivers = v.delivers(kind::NMI) && v.pin_based(PinBased::VIRTUAL_NMIS);
    state(v, |state| !delivers || !state.nmi())
}

/// Outside of SMM there is no blocking by SMI.
fn blocking_by_smi_is_for_smm(v: &View<'_>) -> Verdict {
    state(v, |state| !state.smi())
}

/// With enclave interruption there is no blocking by MOV SS.
fn enclave_is_not_interrupted_behind_mov_ss(v: &View<'_>) -> Verdict {
    state(v, |state| !(state.enclave() && state.mov_ss()))
}

/// Enclave interruption is for processors with SGX.
fn enclave_interruption_needs_sgx(v: &View<'_>) -> Verdict {
    let has_sgx = v.processor.features.sgx;
    state(v, |state| has_sgx || !state.enclave())
}

/// An NMI is not delivered while STI blocks interrupts. Not all processors insist on it.
fn nmi_is_not_blocked_by_sti(v: &View<'_>) -> Verdict {
    let delivers = v.delivers(kind::NMI);
    state(v, |state| !delivers || !state.sti())
}
