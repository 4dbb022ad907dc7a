// SPDX-License-Identifier: GPL-2.0

//! A whole VMCS by the names of its fields, for the kernel log.

use super::{
    field,
    vmcs::CurrentVmcs, //
};
use kernel::prelude::*;

/// Fields and their values. It is made before a burst, filled in it, and logged behind it: printing
/// takes long, and in a burst interrupts are off.
pub(crate) struct Dump(KVec<(&'static str, u64)>);

impl Dump {
    /// Makes room for every field.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(KVec::with_capacity(field::ALL.len(), GFP_KERNEL)?))
    }

    /// Reads every field that this CPU has.
    pub(crate) fn read(&mut self, vmcs: &CurrentVmcs<'_>) {
        self.0.clear();
        for &(name, encoding) in field::ALL {
            if let Ok(value) = vmcs.read_by_encoding(encoding) {
                // There is room for all.
                let _ = self.0.push_within_capacity((name, value));
            }
        }
    }

    /// Says in the kernel log what was read, under a title.
    pub(crate) fn log(&self, title: &CStr) {
        pr_info!("VMCS: {title}\n");
        for (name, value) in &self.0 {
            pr_info!("  {name:<40} {value:016x}\n");
        }
    }
}
