// SPDX-License-Identifier: GPL-2.0

//! VMX root operation for as long as a guard lives: our own, or KVM's.
//!
//! The kernel keeps CR4.VMXE and VMXON for KVM alone. With interrupts off nothing else runs on this
//! CPU, so there the driver can enter VMX operation by itself and leave it again, or, where KVM is
//! in it already, put its own VMCS in the place of KVM's and then put KVM's back. CR4 is written
//! behind the back of the kernel's copy of it, and is what it was when interrupts come back on.

use super::{
    insn,
    region::Region, //
};
use crate::support::{
    cpu,
    irq::IrqsDisabled,
    per_cpu::PerCpu, //
};
use kernel::prelude::*;

/// The VMXON region of each CPU.
pub(crate) struct VmxonRegions(PerCpu<Region>);

impl VmxonRegions {
    /// Allocates them.
    pub(crate) fn new(revision: u32) -> Result<Self> {
        Ok(Self(PerCpu::new(|| Region::new(revision))?))
    }
}

/// Who put the CPU into VMX operation.
enum Form {
    /// This driver; the value is CR4 from before.
    Own { cr4: u64 },
    /// KVM; the value is the address of its current VMCS, [`insn::NO_VMCS`] if it has none.
    Borrowed { current: u64 },
}

/// Guard and proof that this CPU is in VMX root operation.
///
/// # Invariants
///
/// From construction to drop the CPU is in VMX root operation, and the current VMCS is not in use by
/// anyone else.
#[must_use = "VMX operation is left when the guard is dropped"]
pub(crate) struct VmxRoot<'a> {
    irqs: &'a IrqsDisabled,
    form: Form,
}

impl<'a> VmxRoot<'a> {
    /// Enters VMX operation, or borrows it.
    ///
    /// # Errors
    ///
    /// `EBUSY` if somebody holds VMX from whom it cannot be borrowed: CR4.VMXE is set, but the CPU is
    /// not in VMX operation. `EIO` if VMXON fails.
    #[inline]
    pub(crate) fn enter(irqs: &'a IrqsDisabled, regions: &VmxonRegions) -> Result<Self> {
        let cr4 = cpu::cr4(irqs);
        if cr4 & cpu::CR4_VMXE != 0 {
            Self::borrow(irqs)
        } else {
            Self::own(irqs, cr4, regions)
        }
    }

    #[inline]
    fn own(irqs: &'a IrqsDisabled, cr4: u64, regions: &VmxonRegions) -> Result<Self> {
        let region = regions.0.this(irqs).ok_or(ENODEV)?;
        // SAFETY: The bit matters to VMXON only; CR4 gets its value back in `drop`, or right below.
        unsafe { cpu::set_cr4(irqs, cr4 | cpu::CR4_VMXE) };
        // SAFETY: The region is this CPU's, and lives as long as the module.
        if unsafe { insn::vmxon(region.address()) }.is_err() {
            // SAFETY: This is the value that CR4 had.
            unsafe { cpu::set_cr4(irqs, cr4) };
            return Err(EIO);
        }
        // INVARIANT: VMXON succeeded; after it there is no current VMCS.
        Ok(Self {
            irqs,
            form: Form::Own { cr4 },
        })
    }

    #[inline]
    fn borrow(irqs: &'a IrqsDisabled) -> Result<Self> {
        let current = insn::vmptrst().map_err(|_| EBUSY)?;
        // INVARIANT: VMPTRST does not fault in VMX root operation only. With interrupts off, KVM
        // does not get to use its current VMCS before `drop` puts it back.
        Ok(Self {
            irqs,
            form: Form::Borrowed { current },
        })
    }

    /// The proof that this one stands on.
    #[inline]
    pub(crate) fn irqs(&self) -> &'a IrqsDisabled {
        self.irqs
    }

    /// Is VMX operation KVM's?
    pub(crate) fn is_borrowed(&self) -> bool {
        matches!(self.form, Form::Borrowed { .. })
    }
}

impl Drop for VmxRoot<'_> {
    #[inline]
    fn drop(&mut self) {
        match self.form {
            Form::Own { cr4 } => {
                // SAFETY: `own` entered VMX operation on this CPU.
                let left = unsafe { insn::vmxoff() };
                // SAFETY: This is the value that CR4 had.
                unsafe { cpu::set_cr4(self.irqs, cr4) };
                if left.is_err() {
                    pr_err!("VMXOFF failed; the CPU was not in VMX operation any more\n");
                }
            }
            Form::Borrowed {
                current: insn::NO_VMCS,
            } => {}
            Form::Borrowed { current } => {
                // SAFETY: This VMCS was the current one on this CPU when VMX was borrowed.
                if unsafe { insn::vmptrld(&current) }.is_err() {
                    pr_err!("VMPTRLD of KVM's VMCS failed\n");
                }
            }
        }
    }
}
