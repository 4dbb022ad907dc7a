// SPDX-License-Identifier: GPL-2.0

//! SDM Vol. 3C, "Checks on Host Segment and Descriptor-Table Registers". SS may be null in a 64-bit
//! host.

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
    title: "Checks on Host Segment and Descriptor-Table Registers",
    failure: Failure::HOST,
    rules: rules! {
        host_selectors_are_global_and_of_ring_0,
        host_cs_and_tr_are_not_null,
        host_bases_are_canonical,
    },
};

/// RPL and TI of all selectors are 0.
fn host_selectors_are_global_and_of_ring_0(v: &View<'_>) -> Verdict {
    let fields = [
        HOST_CS_SELECTOR,
        HOST_SS_SELECTOR,
        HOST_DS_SELECTOR,
        HOST_ES_SELECTOR,
        HOST_FS_SELECTOR,
        HOST_GS_SELECTOR,
        HOST_TR_SELECTOR,
    ];
    v.each(&fields, |selector| selector & 7 == 0)
}

/// CS and TR are not null.
fn host_cs_and_tr_are_not_null(v: &View<'_>) -> Verdict {
    v.each(&[HOST_CS_SELECTOR, HOST_TR_SELECTOR], |selector| {
        selector != 0
    })
}

/// Bases of FS, GS, GDTR, IDTR and TR are canonical.
fn host_bases_are_canonical(v: &View<'_>) -> Verdict {
    let fields = [
        HOST_FS_BASE,
        HOST_GS_BASE,
        HOST_GDTR_BASE,
        HOST_IDTR_BASE,
        HOST_TR_BASE,
    ];
    v.canonical(&fields)
}
