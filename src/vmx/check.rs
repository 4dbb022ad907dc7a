// SPDX-License-Identifier: GPL-2.0

//! What a VM entry checks, said once more: the rules of SDM Vol. 3C, "Checks on VMX Controls and
//! Host-State Area" and "Checks on the Guest State Area", each a function with a name.
//!
//! A CPU that refuses a VM entry says no more than which of a handful of classes the reason is of,
//! and an emulator may not check everything. So this names the rule that a VMCS breaks, the field
//! that is to blame, and its value.
//!
//! It is a plain view of a VMCS that is looked at, with no CPU in sight: the rules are tested in
//! userspace (`tools/pure`), where each is broken by itself, and on the CPU by
//! `selftests/check_test.c`, which breaks them through the interface and compares the verdicts.
//!
//! Left out is what this driver never is, or what no VMCS shows:
//!
//!  - hosts outside of IA-32e mode, and entries from or to SMM: that there is none is a rule;
//!  - what the fields point to: VTPR, the revision identifier of a linked VMCS, and the PDPTEs in
//!    memory (with EPT they are in the VMCS);
//!  - whether Intel PT is tracing at the time of the entry;
//!  - FRED, which this driver knows nothing of.

mod address_space;
mod entry_controls;
mod execution_controls;
mod exit_controls;
mod guest_activity;
mod guest_debug;
mod guest_interruptibility;
mod guest_link;
mod guest_pdptes;
mod guest_registers;
mod guest_rip;
mod guest_segments;
mod guest_tables;
mod host_registers;
mod host_segments;
mod register;
mod rule;
mod segment;
pub(crate) mod view;

pub(crate) use self::rule::{
    Failure,
    Section,
    Violation, //
};
use self::view::View;

/// Every section, in the order of the SDM. A CPU may check what comes of the same failure in any
/// order.
pub(crate) const SECTIONS: &[Section] = &[
    execution_controls::SECTION,
    exit_controls::SECTION,
    entry_controls::SECTION,
    host_registers::SECTION,
    host_segments::SECTION,
    address_space::SECTION,
    guest_registers::SECTION,
    guest_segments::SECTION,
    guest_tables::SECTION,
    guest_rip::SECTION,
    guest_activity::SECTION,
    guest_interruptibility::SECTION,
    guest_interruptibility::NMI_BEHIND_STI,
    guest_debug::SECTION,
    guest_link::SECTION,
    guest_pdptes::SECTION,
];

/// Everything that a VM entry of this VMCS would fail for.
pub(crate) fn violations<'a>(view: &'a View<'_>) -> impl Iterator<Item = Violation> + 'a {
    SECTIONS
        .iter()
        .flat_map(|section| section.rules.iter().map(move |rule| (section, rule)))
        .filter_map(|(section, rule)| section.violation(rule, view))
}

/// The first thing that a VM entry of this VMCS would fail for.
pub(crate) fn check(view: &View<'_>) -> Result<(), Violation> {
    violations(view).next().map_or(Ok(()), Err)
}
