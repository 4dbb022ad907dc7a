// SPDX-License-Identifier: GPL-2.0

//! The host's state around a burst: the list of what a guest, a VM exit, or VMX operation could
//! leave other than it was, and what becomes of each (SDM Vol. 3C, "Loading Host State", and
//! "Loading Guest State" for what is the guest's meanwhile).
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
//! | IA32_DEBUGCTL: branch records, block stepping | `look_away.rs`, at each VM entry |
//! | PEBS, whose records would go to the guest's memory; IA32_PERF_GLOBAL_CTRL while it is on | the same |
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
//! Without VMX while it goes on, see `root.rs`: Intel PT where VMXON would stop it (IA32_VMX_MISC
//! bit 14 is 0). Refused by name when the module is loaded: a kernel that uses FRED, whose MSRs
//! only newer controls switch.

use super::{
    capability::Capabilities,
    observers::Observers, //
};
use crate::support::{
    debug_register::SavedDebugControl,
    descriptor::{
        Descriptors,
        SavedDescriptors, //
    },
    irq::IrqsDisabled, //
};

/// Guard: what a VM exit or VMX operation does not leave as it was is remembered, and put back by
/// the drop, in the order of the fields. None of them needs another to be back.
#[must_use = "the host's state is put back when the guard is dropped"]
pub(crate) struct HostState<'a> {
    /// A VM exit turns DR7 off.
    debug: SavedDebugControl<'a>,
    /// A VM exit has its own idea of limits and selectors.
    descriptors: SavedDescriptors<'a>,
    /// What watched the host when the burst began.
    observers: Option<Observers>,
    irqs: &'a IrqsDisabled,
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
            observers: Observers::find(capabilities),
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

    /// What watches the host, if anything does.
    #[inline]
    pub(super) fn observers(&self) -> Option<Observers> {
        self.observers
    }
}
