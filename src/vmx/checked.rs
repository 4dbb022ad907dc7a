// SPDX-License-Identifier: GPL-2.0

//! The rules of VM entries, applied to the current VMCS.

use super::{
    check::{
        self,
        view::{
            Fields,
            View, //
        },
        Violation, //
    },
    processor::Processor,
    vmcs::CurrentVmcs, //
};

impl Fields for CurrentVmcs<'_> {
    fn value(&self, encoding: u32) -> u64 {
        self.read_by_encoding(encoding).unwrap_or(0)
    }
}

/// The first thing that the next VM entry would fail for, as far as we know. It takes some thousand
/// instructions.
#[cold]
pub(crate) fn check(vmcs: &CurrentVmcs<'_>, processor: &Processor) -> Result<(), Violation> {
    check::check(&View::new(vmcs, processor))
}
