// SPDX-License-Identifier: GPL-2.0

//! SDM Vol. 3C, "Checks on Guest Descriptor-Table Registers".

use super::{
    rule::{
        rules,
        Failure,
        Section,
        Verdict, //
    },
    view::View, //
};
use crate::vmx::field::*;

pub(super) const SECTION: Section = Section {
    title: "Checks on Guest Descriptor-Table Registers",
    failure: Failure::GUEST,
    rules: rules! {
        gdtr_and_idtr_bases_are_canonical,
        gdtr_and_idtr_limits_have_16_bits,
    },
};

/// Bases are canonical.
fn gdtr_and_idtr_bases_are_canonical(v: &View<'_>) -> Verdict {
    v.canonical(&[GUEST_GDTR_BASE, GUEST_IDTR_BASE])
}

/// Bits 31:16 of limits are 0.
fn gdtr_and_idtr_limits_have_16_bits(v: &View<'_>) -> Verdict {
    v.each(&[GUEST_GDTR_LIMIT, GUEST_IDTR_LIMIT], |limit| {
        limit <= 0xffff
    })
}
