// SPDX-License-Identifier: GPL-2.0

//! SDM Vol. 3C, "Checks Related to Address-Space Size", as far as they concern a host in IA-32e
//! mode.

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
        controls::Exit,
        field::*, //
    },
    x86::cr4, //
};

pub(super) const SECTION: Section = Section {
    title: "Checks Related to Address-Space Size",
    failure: Failure::HOST,
    rules: rules! {
        host_stays_in_ia32e_mode,
        host_cr4_has_pae,
        host_rip_is_canonical,
    },
};

/// "Host address-space size" is 1 if the VM entry comes from IA-32e mode.
fn host_stays_in_ia32e_mode(v: &View<'_>) -> Verdict {
    v.require(v.exit(Exit::HOST_ADDRESS_SPACE_SIZE), EXIT_CONTROLS)
}

/// CR4.PAE is 1.
fn host_cr4_has_pae(v: &View<'_>) -> Verdict {
    v.each(&[HOST_CR4], |value| value & cr4::PAE != 0)
}

/// RIP is canonical.
fn host_rip_is_canonical(v: &View<'_>) -> Verdict {
    v.canonical(&[HOST_RIP])
}
