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
use core::cell::Cell;

/// A power of two.
const REMEMBERED: usize = 64;

/// The current VMCS, and what was read of it last: many rules look at the same fields, and where
/// the host is a guest itself a VMREAD may be a VM exit.
struct Remembering<'a> {
    vmcs: &'a CurrentVmcs<'a>,
    /// Encodings and values, each at the place that its encoding has.
    seen: [Cell<Option<(u32, u64)>>; REMEMBERED],
}

impl Fields for CurrentVmcs<'_> {
    fn value(&self, encoding: u32) -> u64 {
        self.read_by_encoding(encoding).unwrap_or(0)
    }
}

impl Fields for Remembering<'_> {
    fn value(&self, encoding: u32) -> u64 {
        let Some(seen) = self.seen.get(place(encoding)) else {
            return self.vmcs.value(encoding);
        };
        match seen.get() {
            Some((known, value)) if known == encoding => value,
            _ => {
                let value = self.vmcs.value(encoding);
                seen.set(Some((encoding, value)));
                value
            }
        }
    }
}

/// Mixes the index of the field with its type and width (SDM Vol. 3C, "VMREAD, VMWRITE, and
/// Encodings of VMCS Fields").
fn place(encoding: u32) -> usize {
    let (index, kind) = (encoding >> 1, (encoding >> 10) * 13);
    // CAST: It is below `REMEMBERED`.
    (index.wrapping_add(kind) as usize) % REMEMBERED
}

/// The first thing that the next VM entry would fail for, as far as we know. It takes some thousand
/// instructions; where VMREAD is no VM exit, to remember fields takes longer than to read them
/// again.
#[cold]
pub(crate) fn check(
    vmcs: &CurrentVmcs<'_>,
    processor: &Processor,
    remembers: bool,
) -> Result<(), Violation> {
    if remembers {
        check_remembering(vmcs, processor)
    } else {
        check::check(&View::new(vmcs, processor))
    }
}

#[inline(never)]
fn check_remembering(vmcs: &CurrentVmcs<'_>, processor: &Processor) -> Result<(), Violation> {
    let fields = Remembering {
        vmcs,
        seen: [const { Cell::new(None) }; REMEMBERED],
    };
    check::check(&View::new(&fields, processor))
}
