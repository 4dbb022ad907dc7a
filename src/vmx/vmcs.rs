// SPDX-License-Identifier: GPL-2.0

//! Virtual-machine control structures.
//!
//! Which type you hold says what state the VMCS is in: a [`Vmcs`](super::inactive::Vmcs) is a
//! region in memory that no CPU uses; a [`CurrentVmcs`] is the current VMCS of this CPU, and the
//! only thing through which fields are read and written and the guest is entered. It goes back to a
//! `Vmcs` by its drop, so that the next CPU can have it.

use super::{
    execution::Execution,
    field::{
        Access,
        Field,
        Width,
        Writable, //
    },
    host::HostState,
    insn::{
        self,
        Extent, //
    },
    region::Region,
    root::VmxRoot, //
};
use crate::support::irq::IrqsDisabled;
use core::cell::Cell;
use kernel::prelude::*;

/// Guard and proof that a VMCS of this driver is the current one on this CPU, and that its guest
/// can be entered without harm to the host.
///
/// # Invariants
///
/// From construction to drop the VMCS in `region` is the current one, and `launched` says whether
/// its launch state is "launched". Its controls are those of its [`Execution`], but for those that
/// `control_fields.rs` changes, and its host-state area is this CPU's.
#[must_use = "the VMCS is given back when the guard is dropped"]
#[repr(C)] // `failed` first: it is the operand of every access to a field.
pub(crate) struct CurrentVmcs<'a> {
    /// Did an access to a field, or a flush, fail?
    failed: Cell<bool>,
    launched: Cell<bool>,
    /// Was there an exit whose event of the host nobody asked for?
    exited: Cell<bool>,
    /// Does MOV DR not exit in this burst?
    pub(super) has_debug_registers: Cell<bool>,
    region: &'a Region,
    execution: &'a Execution,
    host: &'a HostState<'a>,
}

impl<'a> CurrentVmcs<'a> {
    /// Makes the VMCS in this region the current one.
    ///
    /// # Safety
    ///
    /// VMCLEAR initialised the region, and no CPU uses it, nor will one during `'a`. Before the
    /// guest is entered, the caller sees to what the invariants say of controls and of the
    /// host-state area.
    #[inline(always)]
    pub(super) unsafe fn new(
        region: &'a Region,
        execution: &'a Execution,
        root: &'a mut VmxRoot<'_>,
    ) -> Result<Self> {
        // SAFETY: The caller says that no CPU uses the region; it lives as long as the guard.
        unsafe { insn::vmptrld(region.address()) }?;
        // INVARIANT: VMPTRLD succeeded; the caller keeps others away, and does the rest.
        Ok(Self {
            failed: Cell::new(false),
            launched: Cell::new(false),
            exited: Cell::new(false),
            has_debug_registers: Cell::new(false),
            region,
            execution,
            host: root.host(),
        })
    }

    /// What of the host is put back after the burst.
    #[inline]
    pub(super) fn host(&self) -> &'a HostState<'a> {
        self.host
    }

    /// The proof that this one stands on.
    #[inline]
    pub(crate) fn irqs(&self) -> &'a IrqsDisabled {
        self.host.irqs()
    }

    /// What the guest is let do.
    pub(super) fn execution(&self) -> &Execution {
        self.execution
    }

    /// Reads a field that every CPU has, or one that the capabilities promise.
    ///
    /// Should it fail all the same, [`Self::check`] says so at the end of the burst.
    #[inline(always)]
    pub(crate) fn read<W: Width, A: Access>(&self, field: Field<W, A>) -> W::Value {
        W::from_u64(insn::vmread(field.encoding(), &self.failed))
    }

    /// Writes a field that every CPU has, or one that the capabilities promise, and that concerns
    /// the guest alone.
    ///
    /// Should it fail all the same, [`Self::check`] says so at the end of the burst.
    #[inline(always)]
    pub(crate) fn write<W: Width, A: Writable>(&self, field: Field<W, A>, value: W::Value) {
        // SAFETY: By the type invariant the current VMCS is this driver's; what the field holds is
        // for the guest to suffer.
        unsafe { self.write_unchecked(field, value) };
    }

    /// Writes any field: as [`Self::write`], but a control or host-state field decides what a guest
    /// can reach, and what becomes of the host.
    ///
    /// # Safety
    ///
    /// With this value, and the other fields as they are before the next VM entry, the guest stays
    /// in its memory, and a VM exit leaves the host as it was.
    #[inline(always)]
    pub(super) unsafe fn write_unchecked<W: Width, A: Access>(
        &self,
        field: Field<W, A>,
        value: W::Value,
    ) {
        // SAFETY: By the type invariant the current VMCS is this driver's; the caller answers for
        // the value.
        unsafe { insn::vmwrite(field.encoding(), W::to_u64(value), &self.failed) };
    }

    /// Reads a field by its encoding; `ENOENT` if this CPU has none of it.
    pub(crate) fn read_by_encoding(&self, encoding: u32) -> Result<u64> {
        let failed = Cell::new(false);
        let value = insn::vmread(encoding, &failed);
        if failed.get() {
            return Err(ENOENT);
        }
        Ok(value)
    }

    /// Writes any field by its encoding; `ENOENT` if this CPU has none of it.
    ///
    /// # Safety
    ///
    /// As [`Self::write_unchecked`].
    pub(super) unsafe fn write_unchecked_by_encoding(&self, encoding: u32, value: u64) -> Result {
        let failed = Cell::new(false);
        // SAFETY: By the type invariant the current VMCS is this driver's; the caller answers for
        // the value.
        unsafe { insn::vmwrite(encoding, value, &failed) };
        if failed.get() {
            return Err(ENOENT);
        }
        Ok(())
    }

    /// `EIO` if an access to a field failed since the VMCS was loaded.
    #[inline]
    pub(crate) fn check(&self) -> Result {
        if self.failed.get() {
            return Err(EIO);
        }
        Ok(())
    }

    /// Is its launch state "launched", so that the next VM entry is VMRESUME?
    #[inline]
    pub(super) fn launched(&self) -> bool {
        self.launched.get()
    }

    /// To be called after a VM exit.
    #[inline]
    pub(super) fn set_exited(&self) {
        self.exited.set(true);
    }

    /// Was there an exit since this was asked last?
    pub(super) fn take_exited(&self) -> bool {
        self.exited.replace(false)
    }

    /// To be called when a VM entry succeeded.
    #[inline]
    pub(super) fn set_launched(&self) {
        // INVARIANT: A successful VMLAUNCH sets the launch state.
        self.launched.set(true);
    }

    /// Drops translations through EPT.
    #[inline]
    pub(crate) fn invept(&self, extent: Extent, eptp: u64) {
        if insn::invept(extent, eptp).is_err() {
            self.failed.set(true);
        }
    }

    /// Drops translations of a virtual processor.
    #[inline]
    pub(crate) fn invvpid(&self, extent: Extent, vpid: u16) {
        if insn::invvpid(extent, u64::from(vpid)).is_err() {
            self.failed.set(true);
        }
    }
}

impl Drop for CurrentVmcs<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.has_debug_registers.get() {
            self.take_debug_registers();
        }
        // SAFETY: By the type invariant this CPU has the VMCS active, and no other.
        // INVARIANT: (of `Vmcs`) It is active nowhere afterwards, and its launch state is clear.
        if unsafe { insn::vmclear(self.region.address()) }.is_err() {
            pr_err!("VMCLEAR failed\n");
        }
    }
}
