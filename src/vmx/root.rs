// SPDX-License-Identifier: GPL-2.0

//! VMX root operation for as long as a guard lives: our own, or KVM's.
//!
//! The kernel keeps CR4.VMXE and VMXON for KVM alone. With interrupts off nothing else runs on this
//! CPU, so there the driver can enter VMX operation by itself and leave it again, or, where KVM is
//! in it already, put its own VMCS in the place of KVM's and then put KVM's back. CR4 is written
//! behind the back of the kernel's copy of it, and is what it was when interrupts come back on.

use super::{
    capability::Capabilities,
    host::HostState,
    hyper_v,
    insn,
    region::Region, //
};
use crate::support::{
    cpu,
    msr::Msr,
    per_cpu::PerCpu, //
};
use kernel::{
    prelude::*,
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

/// IA32_RTIT_CTL.
const RTIT_CTL: Msr = Msr(0x570);
/// IA32_RTIT_CTL.TraceEn: Intel PT is tracing.
const TRACE_EN: u64 = 1;

/// The VMXON region of each CPU.
pub(crate) struct VmxonRegions {
    regions: PerCpu<Region>,
    /// Is the current VMCS of KVM, if it has one, what VMPTRST says that it is?
    can_borrow: bool,
    /// Does VMXON stop Intel PT, and VMX operation keep it from starting again?
    stops_trace: bool,
}

impl VmxonRegions {
    /// Allocates them.
    pub(crate) fn new(capabilities: &Capabilities) -> Result<Self> {
        Ok(Self {
            regions: PerCpu::new(|| Region::new(capabilities.revision()))?,
            can_borrow: !hyper_v::offers_enlightened_vmcs(),
            stops_trace: capabilities.vmxon_stops_trace,
        })
    }

    /// Is Intel PT tracing on this CPU, where VMXON would stop it? What starts again behind VMXOFF
    /// could be what a handler of NMIs has ended meanwhile.
    #[inline]
    fn traced(&self) -> bool {
        self.stops_trace && RTIT_CTL.read() & TRACE_EN != 0
    }

    /// Why VMX cannot be had where [`VmxRoot::enter`] says `EBUSY`.
    pub(crate) fn why_busy(&self) -> &'static str {
        if self.traced() {
            "Intel PT traces, which VMX operation stops on this CPU"
        } else if self.can_borrow {
            "VMX is held by somebody that is not KVM"
        } else {
            "VMX is held where Hyper-V offers enlightened VMCSs, and cannot be borrowed from KVM then"
        }
    }
}

/// Tries something that ends with `EBUSY` while somebody holds VMX. May sleep.
///
/// The kernel sets CR4.VMXE for KVM some instructions before VMXON, and clears it some instructions
/// after VMXOFF, and can be preempted in between. So a CPU that looks as if somebody else had VMX
/// may look otherwise as soon as this task has stood back.
#[inline]
pub(crate) fn insist<R>(mut attempt: impl FnMut() -> Result<R>) -> Result<R> {
    let mut patience = PATIENCE;
    loop {
        match attempt() {
            Err(error) if error == EBUSY && patience > 0 => stand_back(&mut patience),
            result => return result,
        }
    }
}

/// How often [`insist`] stands back before it gives up.
const PATIENCE: usize = 10;

#[cold]
fn stand_back(patience: &mut usize) {
    *patience -= 1;
    fsleep(Delta::from_millis(1));
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
/// From construction to drop the CPU is in VMX root operation, and the current VMCS is not in use
/// by anyone else.
#[must_use = "VMX operation is left when the guard is dropped"]
pub(crate) struct VmxRoot<'a> {
    host: &'a HostState<'a>,
    form: Form,
}

impl<'a> VmxRoot<'a> {
    /// Enters VMX operation, or borrows it.
    ///
    /// # Errors
    ///
    /// `EBUSY` if somebody holds VMX from whom it cannot be borrowed: CR4.VMXE is set, but the CPU
    /// is not in VMX operation, or KVM may use enlightened VMCSs; or if Intel PT traces on a CPU
    /// whose VMX stops it. `EIO` if VMXON fails.
    #[inline]
    pub(crate) fn enter(host: &'a HostState<'a>, regions: &VmxonRegions) -> Result<Self> {
        let cr4 = cpu::cr4(host.irqs());
        if cr4 & cpu::CR4_VMXE != 0 {
            Self::borrow(host, regions)
        } else {
            Self::own(host, cr4, regions)
        }
    }

    #[inline]
    fn own(host: &'a HostState<'a>, cr4: u64, regions: &VmxonRegions) -> Result<Self> {
        if regions.traced() {
            return Err(EBUSY);
        }
        let irqs = host.irqs();
        let region = regions.regions.this(irqs).ok_or(EIO)?;
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
            host,
            form: Form::Own { cr4 },
        })
    }

    #[inline]
    fn borrow(host: &'a HostState<'a>, regions: &VmxonRegions) -> Result<Self> {
        if !regions.can_borrow {
            return Err(EBUSY);
        }
        let current = insn::vmptrst().map_err(|_| EBUSY)?;
        // INVARIANT: VMPTRST does not fault in VMX root operation only. With interrupts off, KVM
        // does not get to use its current VMCS before `drop` puts it back.
        Ok(Self {
            host,
            form: Form::Borrowed { current },
        })
    }

    /// The proof that this one stands on.
    #[inline]
    pub(super) fn host(&self) -> &'a HostState<'a> {
        self.host
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
                unsafe { cpu::set_cr4(self.host.irqs(), cr4) };
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

#[kunit_tests(minivmx_root)]
mod tests {
    use super::*;
    use crate::{
        support::{
            descriptor::Descriptors,
            irq::IrqsDisabled, //
        },
        vmx::capability::Capabilities, //
    };
    use core::cell::Cell;

    /// What [`VmxRoot::enter`] says while CR4.VMXE is set and the CPU is not in VMX operation;
    /// [`None`] if KVM is there, or no VMX.
    fn enter_with_vmxe() -> Result<Option<Result>> {
        if !cpu::has_vmx() {
            return Ok(None);
        }
        let capabilities = Capabilities::detect()?;
        let regions = VmxonRegions::new(&capabilities)?;
        let mut descriptors = Descriptors::default();
        IrqsDisabled::with(|irqs| {
            let cr4 = cpu::cr4(irqs);
            if cr4 & cpu::CR4_VMXE != 0 {
                return Ok(None);
            }
            let host = HostState::save(irqs, &mut descriptors, &capabilities);
            // SAFETY: The CPU has VMX; CR4 gets its value back below.
            unsafe { cpu::set_cr4(irqs, cr4 | cpu::CR4_VMXE) };
            let result = VmxRoot::enter(&host, &regions).map(drop);
            // SAFETY: This is the value that CR4 had.
            unsafe { cpu::set_cr4(irqs, cr4) };
            Ok(Some(result))
        })
    }

    #[test]
    fn nothing_is_borrowed_from_nobody() -> Result {
        if let Some(result) = enter_with_vmxe()? {
            assert_eq!(result, Err(EBUSY));
        }
        Ok(())
    }

    /// Calls of an attempt that finds VMX held so often, and what came of it.
    fn insist_while_held(times: usize, then: Result) -> (usize, Result) {
        let calls = Cell::new(0);
        let result = insist(|| {
            calls.set(calls.get() + 1);
            if calls.get() <= times {
                Err(EBUSY)
            } else {
                then
            }
        });
        (calls.get(), result)
    }

    #[test]
    fn a_moment_is_waited_for() {
        assert_eq!(insist_while_held(0, Ok(())), (1, Ok(())));
        assert_eq!(insist_while_held(3, Ok(())), (4, Ok(())));
        assert_eq!(insist_while_held(3, Err(EIO)), (4, Err(EIO)));
        let held = insist_while_held(usize::MAX, Ok(()));
        assert_eq!(held, (PATIENCE + 1, Err(EBUSY)));
    }
}
