// SPDX-License-Identifier: GPL-2.0

//! SDM Vol. 3C, "Checks on Guest RIP, RFLAGS, and SSP".

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
        controls::Entry,
        field::*,
        segment::CS, //
    },
    x86::{
        event::kind,
        rflags, //
    }, //
};

pub(super) const SECTION: Section = Section {
    title: "Checks on Guest RIP, RFLAGS, and SSP",
    failure: Failure::GUEST,
    rules: rules! {
        rip_has_32_bits_outside_64_bit_mode,
        rip_is_in_range_in_64_bit_mode,
        rflags_has_its_fixed_bits,
        virtual_8086_mode_needs_protected_mode,
        virtual_8086_mode_is_not_in_ia32e_mode,
        external_interrupt_needs_if,
        ssp_is_aligned,
        ssp_is_in_range,
    },
};

/// Will the guest be in 64-bit mode?
fn is_64_bit(v: &View<'_>) -> bool {
    v.is_ia32e() && v.rights(CS).long()
}

/// Outside 64-bit mode bits 63:32 of RIP are 0.
fn rip_has_32_bits_outside_64_bit_mode(v: &View<'_>) -> Verdict {
    v.each(&[GUEST_RIP], |rip| is_64_bit(v) || rip >> 32 == 0)
}

/// In 64-bit mode the bits of RIP beyond linear addresses are all the same. It need not be
/// canonical.
fn rip_is_in_range_in_64_bit_mode(v: &View<'_>) -> Verdict {
    v.each(&[GUEST_RIP], |rip| !is_64_bit(v) || v.is_in_range(rip))
}

/// Bits 63:22, 15, 5 and 3 of RFLAGS are 0, bit 1 is 1.
fn rflags_has_its_fixed_bits(v: &View<'_>) -> Verdict {
    v.each(&[GUEST_RFLAGS], rflags::has_fixed_bits)
}

/// RFLAGS.VM needs CR0.PE.
fn virtual_8086_mode_needs_protected_mode(v: &View<'_>) -> Verdict {
    v.require(!v.is_virtual_8086() || v.is_protected(), GUEST_RFLAGS)
}

/// RFLAGS.VM is 0 in IA-32e mode.
fn virtual_8086_mode_is_not_in_ia32e_mode(v: &View<'_>) -> Verdict {
    v.require(!v.is_virtual_8086() || !v.is_ia32e(), GUEST_RFLAGS)
}

/// An external interrupt is delivered only with RFLAGS.IF.
fn external_interrupt_needs_if(v: &View<'_>) -> Verdict {
    let delivers = v.delivers(kind::EXTERNAL_INTERRUPT);
    v.each(&[GUEST_RFLAGS], |flags| {
        !delivers || flags & rflags::IF != 0
    })
}

/// "Load CET state": SSP is a multiple of 4.
fn ssp_is_aligned(v: &View<'_>) -> Verdict {
    v.if_entry(Entry::LOAD_CET_STATE, |v| v.ssp(GUEST_SSP))
}

/// "Load CET state": the bits of SSP beyond linear addresses are all the same.
fn ssp_is_in_range(v: &View<'_>) -> Verdict {
    v.if_entry(Entry::LOAD_CET_STATE, |v| {
        v.each(&[GUEST_SSP], |ssp| v.is_in_range(ssp))
    })
}
