// SPDX-License-Identifier: GPL-2.0

//! SDM Vol. 3C, "Checks on Guest Non-Register State": the VMCS link pointer.

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
    title: "Checks on Guest Non-Register State",
    failure: Failure::GuestState(4),
    rules: rules! {
        vmcs_link_pointer_is_a_page_or_none,
    },
};

/// The VMCS link pointer is a page, or all its bits are 1.
fn vmcs_link_pointer_is_a_page_or_none(v: &View<'_>) -> Verdict {
    if v.read(VMCS_LINK_POINTER) == u64::MAX {
        return Ok(());
    }
    v.page(VMCS_LINK_POINTER)
}
