// SPDX-License-Identifier: GPL-2.0

//! SDM Vol. 3C, "Checks on Guest Page-Directory-Pointer-Table Entries", with EPT.

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
        controls::Secondary,
        field::*, //
    },
    x86::{
        cr0,
        cr4, //
    }, //
};

pub(super) const SECTION: Section = Section {
    title: "Checks on Guest Page-Directory-Pointer-Table Entries",
    failure: Failure::GuestState(2),
    rules: rules! {
        pdptes_have_no_reserved_bits,
    },
};

/// Will the guest use PAE paging, with PDPTEs that come from the VMCS?
fn has_pdptes(v: &View<'_>) -> bool {
    v.read(GUEST_CR0) & cr0::PG != 0
        && v.read(GUEST_CR4) & cr4::PAE != 0
        && !v.is_ia32e()
        && v.secondary(Secondary::ENABLE_EPT)
}

/// Bits 2:1, 8:5, and those beyond physical addresses, are 0 in PDPTEs that are present
/// (SDM Vol. 3A, "PDPTE Registers").
fn pdptes_have_no_reserved_bits(v: &View<'_>) -> Verdict {
    if !has_pdptes(v) {
        return Ok(());
    }
    let reserved = v.beyond_memory() | 0x1e6;
    v.each(&GUEST_PDPTES, |entry| {
        entry & 1 == 0 || entry & reserved == 0
    })
}
