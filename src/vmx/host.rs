// SPDX-License-Identifier: GPL-2.0

//! The host's state around a burst: the list of what a guest, a VM exit, or VMX operation could leave
//! other than it was, and what becomes of each
//! (SDM Vol. 3C, "Loading Host State", and "Loading Guest State" for what is the guest's meanwhile).
//!
//! Put back, by the CPU or by guards; those of other files, and the order of all, are in
//! `vcpu/burst.rs`:
//!
//! | what | by |
//! |---|---|
//! | CR0, CR3 with its LAM bits, CR4, RSP, RIP | the host-state area: `host_area.rs` |
//! | bases of GDTR, IDTR, TR, FS, GS; selectors of the kernel; SYSENTER MSRs | the same |
//! | limits of GDTR, IDTR and TR (the I/O bitmap), LDTR, selectors of the program, the user's GS base | [`SavedDescriptors`] |
//! | DR7 | [`SavedDebugControl`] |
//! | DR0 to DR3, DR6, if the guest has breakpoints, or uses MOV DR | [`LentDebugRegisters`] |
//! | IA32_DEBUGCTL: branch records, block stepping | [`KeptMsr`] in [`Observers`] |
//! | PEBS, whose records would go to the guest's memory; IA32_PERF_GLOBAL_CTRL while it is on | [`SamplingOff`] in [`Observers`], and `host_area.rs` |
//! | Intel PT where VMX operation excludes it (IA32_VMX_MISC bit 14 is 0) | [`KeptMsr`] in [`Observers`] |
//! | IA32_EFER, IA32_PAT | VM-exit controls; without them, SYSCALL's bit by `vcpu/state/switched.rs`, and the guest has the host's PAT |
//! | IA32_KERNEL_GS_BASE; STAR, LSTAR, CSTAR, FMASK if the guest can use them | `vcpu/state/switched.rs` |
//! | x87, SSE, AVX, with the upper parts that AVX-512 adds; MXCSR; XCR0 | [`crate::support::fpu`] |
//! | CR4.VMXE, KVM's current VMCS | [`super::root`] |
//! | NMIs and machine checks that a VM exit took | [`super::entry`] |
//!
//! Out of a guest's reach, so that the host's value stays where it is:
//!
//! | what | why |
//! |---|---|
//! | every MSR not named here: IA32_SPEC_CTRL, TSC_AUX, XSS, XFD, UMWAIT_CONTROL, S_CET, U_CET, PKRS, LBR_CTL, performance counters, x2APIC, microcode … | RDMSR and WRMSR exit (but for what the VMCS holds), RDPMC exits, and no MSR is on a list of the VMCS |
//! | DR0 to DR3, DR6 of other guests | MOV DR exits, and so does #DB, which leaves DR6 alone |
//! | CR8 | MOV CR8 exits |
//! | PKRU | CR4.PKE is 0 in guests, and bit 9 of XCR0: no WRPKRU, no XRSTOR of it |
//! | CET: SSP and its MSRs | CR4.CET is 0 in guests; without "load CET state" VM entries and exits do not touch them |
//! | AMX tiles, APX registers, AVX-512 masks | their bits of XCR0 are 0 in guests: #UD; XFD counts for those bits only |
//! | XSAVES components | "enable XSAVES/XRSTORS" is 0: #UD |
//! | user interrupts, Key Locker, LAM for kernel addresses | CR4.UINTR, CR4.KL and CR4.LAM_SUP are 0 in guests |
//! | TSC_AUX by RDTSCP or RDPID; IA32_UMWAIT_CONTROL by TPAUSE | their controls are 0: #UD |
//! | CR2 | the kernel reads it only where the CPU has just written it |
//!
//! [`LentDebugRegisters`]: crate::support::debug_register::LentDebugRegisters
//!
//! Refused by name when the module is loaded: a kernel that uses FRED, whose MSRs only newer controls
//! switch.

use super::capability::Capabilities;
use crate::support::{
    debug_register::SavedDebugControl,
    descriptor::{
        Descriptors,
        SavedDescriptors, //
    },
    irq::IrqsDisabled,
    msr::{
        KeptMsr,
        Msr, //
    },
    sampling::{
        self,
        SamplingOff, //
    }, //
};

/// IA32_DEBUGCTL.
const DEBUGCTL: Msr = Msr(0x1d9);
/// IA32_RTIT_CTL.
const RTIT_CTL: Msr = Msr(0x570);
/// IA32_RTIT_CTL.TraceEn: Intel PT is tracing.
const TRACE_EN: u64 = 1;

/// Guard: what a VM exit or VMX operation does not leave as it was is remembered, and put back by the
/// drop, in the order of the fields. None of them needs another to be back.
#[must_use = "the host's state is put back when the guard is dropped"]
pub(crate) struct HostState<'a> {
    /// A VM exit turns DR7 off.
    debug: SavedDebugControl<'a>,
    /// A VM exit has its own idea of limits and selectors.
    descriptors: SavedDescriptors<'a>,
    /// Last: they need not see the driver put the rest back.
    observers: Option<Observers<'a>>,
    irqs: &'a IrqsDisabled,
}

/// What watches the host at work, if anything does.
struct Observers<'a> {
    /// A VM exit clears IA32_DEBUGCTL.
    _debugctl: Option<KeptMsr<'a>>,
    /// Records must not be made in the guest's memory.
    sampling: Option<SamplingOff<'a>>,
    /// VMXON stops Intel PT on some CPUs; behind VMXOFF it can go on.
    _trace: Option<KeptMsr<'a>>,
}

impl<'a> Observers<'a> {
    #[inline]
    fn save(irqs: &'a IrqsDisabled, capabilities: &Capabilities) -> Option<Self> {
        Self::are_there(capabilities).then(|| Self::save_all(irqs, capabilities))
    }

    /// Most of the time nobody watches, and this is all.
    #[inline]
    fn are_there(capabilities: &Capabilities) -> bool {
        DEBUGCTL.read() != 0
            || capabilities.has_sampling && sampling::is_on()
            || capabilities.vmxon_stops_trace && RTIT_CTL.read() & TRACE_EN != 0
    }

    #[cold]
    fn save_all(irqs: &'a IrqsDisabled, capabilities: &Capabilities) -> Self {
        let sampling = match capabilities.has_sampling {
            true => SamplingOff::new(irqs),
            false => None,
        };
        let trace = match capabilities.vmxon_stops_trace {
            true => KeptMsr::new(irqs, RTIT_CTL, TRACE_EN),
            false => None,
        };
        Self {
            _debugctl: KeptMsr::new(irqs, DEBUGCTL, u64::MAX),
            sampling,
            _trace: trace,
        }
    }
}

impl<'a> HostState<'a> {
    /// Reads it, before VMX operation is entered; `descriptors` is room for a part of it.
    #[inline]
    pub(crate) fn save(
        irqs: &'a IrqsDisabled,
        descriptors: &'a mut Descriptors,
        capabilities: &Capabilities,
    ) -> Self {
        Self {
            debug: SavedDebugControl::save(irqs),
            descriptors: descriptors.save(irqs),
            observers: Observers::save(irqs, capabilities),
            irqs,
        }
    }

    /// The proof that this one stands on.
    #[inline]
    pub(crate) fn irqs(&self) -> &'a IrqsDisabled {
        self.irqs
    }

    /// DR7.
    #[inline]
    pub(crate) fn debug_control(&self) -> &SavedDebugControl<'a> {
        &self.debug
    }

    /// Descriptor tables and segment registers.
    #[inline]
    pub(crate) fn descriptors(&self) -> &SavedDescriptors<'a> {
        &self.descriptors
    }

    /// PEBS, if it was on.
    pub(super) fn sampling(&self) -> Option<&SamplingOff<'a>> {
        self.observers.as_ref()?.sampling.as_ref()
    }

    /// Does anything watch the host at work?
    pub(super) fn is_observed(&self) -> bool {
        self.observers.is_some()
    }
}
