// SPDX-License-Identifier: GPL-2.0

//! A VMCS while no CPU uses it, and how it becomes the current one.

use super::{
    capability::Capabilities,
    execution::Execution,
    host_area::HostArea,
    insn,
    region::Region,
    root::VmxRoot,
    vmcs::CurrentVmcs, //
};
use kernel::prelude::*;

/// A VMCS that is not active on any CPU.
///
/// # Invariants
///
/// The region starts with the CPU's VMCS revision identifier. Its launch state is clear, and no CPU
/// has it active.
pub(crate) struct Vmcs {
    region: Region,
    /// What the guest is let do.
    execution: Execution,
    /// Did VMCLEAR initialise the region, and does it hold what `execution` says?
    prepared: bool,
    /// What its host-state area holds.
    host: HostArea,
}

impl Vmcs {
    /// Allocates a region, for a guest that is let do this.
    pub(crate) fn new(revision: u32, execution: Execution) -> Result<Self> {
        // INVARIANT: A new region was never active.
        Ok(Self {
            region: Region::new(revision)?,
            execution,
            prepared: false,
            host: HostArea::default(),
        })
    }

    /// Makes this the current VMCS, until the returned guard is dropped.
    #[inline(always)]
    pub(crate) fn load<'a>(
        &'a mut self,
        root: &'a mut VmxRoot<'_>,
        capabilities: &Capabilities,
    ) -> Result<CurrentVmcs<'a>> {
        if !self.prepared {
            // SAFETY: By the type invariant no CPU uses this VMCS region.
            unsafe { insn::vmclear(self.region.address()) }?;
        }
        // SAFETY: It was cleared, now or by the last guard's drop. By the type invariant no CPU
        // uses it, and the exclusive reference keeps others away; controls and host-state area
        // follow right below.
        let current = unsafe { CurrentVmcs::new(&self.region, &self.execution, root) }?;
        if !self.prepared {
            self.execution.write(&current)?;
            self.prepared = true;
        }
        self.host.update(&current, capabilities)?;
        Ok(current)
    }
}
