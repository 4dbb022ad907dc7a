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
//! | CR0, CR3 with its LAM bits, CR4, RSP, RIP | the host-state area: [`HostArea`] |
//! | bases of GDTR, IDTR, TR, FS, GS; selectors of the kernel; SYSENTER MSRs | the same |
//! | limits of GDTR, IDTR and TR (the I/O bitmap), LDTR, selectors of the program, the user's GS base | [`SavedDescriptors`] |
//! | DR7, and DR0 to DR3 if the guest has breakpoints | [`SavedDebugRegisters`] |
//! | IA32_DEBUGCTL: branch records, block stepping | [`KeptMsr`] in [`Observers`] |
//! | PEBS, whose records would go to the guest's memory; IA32_PERF_GLOBAL_CTRL while it is on | [`SamplingOff`] in [`Observers`], and [`HostArea`] |
//! | Intel PT where VMX operation excludes it (IA32_VMX_MISC bit 14 is 0) | [`KeptMsr`] in [`Observers`] |
//! | IA32_EFER, IA32_PAT | VM-exit controls; without them, SYSCALL's bit by `vcpu/switched.rs`, and the guest has the host's PAT |
//! | IA32_KERNEL_GS_BASE, STAR, LSTAR, CSTAR, FMASK | `vcpu/switched.rs`, if the guest can use them |
//! | x87, SSE, AVX, with the upper parts that AVX-512 adds; MXCSR; XCR0 | [`crate::support::fpu`] |
//! | CR4.VMXE, KVM's current VMCS | [`super::root`] |
//! | NMIs and machine checks that a VM exit took | `vcpu/exits.rs` |
//!
//! Out of a guest's reach, so that the host's value stays where it is:
//!
//! | what | why |
//! |---|---|
//! | every MSR not named here: IA32_SPEC_CTRL, TSC_AUX, XSS, XFD, UMWAIT_CONTROL, S_CET, U_CET, PKRS, LBR_CTL, performance counters, x2APIC, microcode … | RDMSR and WRMSR exit (but for what the VMCS holds), RDPMC exits, and no MSR is on a list of the VMCS |
//! | DR6 | #DB exits, which leaves it alone, and so does MOV DR |
//! | CR8 | MOV CR8 exits |
//! | PKRU | CR4.PKE is 0 in guests, and bit 9 of XCR0: no WRPKRU, no XRSTOR of it |
//! | CET: SSP and its MSRs | CR4.CET is 0 in guests; without "load CET state" VM entries and exits do not touch them |
//! | AMX tiles, APX registers, AVX-512 masks | their bits of XCR0 are 0 in guests: #UD; XFD counts for those bits only |
//! | XSAVES components | "enable XSAVES/XRSTORS" is 0: #UD |
//! | user interrupts, Key Locker, LAM for kernel addresses | CR4.UINTR, CR4.KL and CR4.LAM_SUP are 0 in guests |
//! | TSC_AUX by RDTSCP or RDPID; IA32_UMWAIT_CONTROL by TPAUSE | their controls are 0: #UD |
//! | CR2 | the kernel reads it only where the CPU has just written it |
//!
//! Refused by name when the module is loaded: a kernel that uses FRED, whose MSRs only newer controls
//! switch.

use super::{
    capability::Capabilities,
    controls::{
        Controls,
        Entry,
        Exit, //
    },
    entry,
    field::*,
    vmcs::CurrentVmcs, //
};
use crate::support::{
    cpu,
    debug_register::SavedDebugRegisters,
    descriptor::{
        self,
        Descriptors,
        SavedDescriptors, //
    },
    irq::IrqsDisabled,
    msr::{
        KeptMsr,
        Msr, //
    },
    sampling::SamplingOff, //
};
use core::cell::Cell;
use kernel::prelude::*;

mod msrs {
    use super::Msr;
    pub(super) const SYSENTER_CS: Msr = Msr(0x174);
    pub(super) const SYSENTER_ESP: Msr = Msr(0x175);
    pub(super) const SYSENTER_EIP: Msr = Msr(0x176);
    pub(super) const DEBUGCTL: Msr = Msr(0x1d9);
    pub(super) const PAT: Msr = Msr(0x277);
    pub(super) const RTIT_CTL: Msr = Msr(0x570);
    pub(super) const EFER: Msr = Msr(0xc000_0080);
    pub(super) const GS_BASE: Msr = Msr(0xc000_0101);
}

/// IA32_RTIT_CTL.TraceEn: Intel PT is tracing.
const TRACE_EN: u64 = 1;

/// Guard: what a VM exit or VMX operation does not leave as it was is remembered, and put back by the
/// drop, in the order of the fields. None of them needs another to be back.
#[must_use = "the host's state is put back when the guard is dropped"]
pub(crate) struct HostState<'a> {
    /// A VM exit turns DR7 off; a guest that is being debugged has its own DR0 to DR3.
    debug: SavedDebugRegisters<'a>,
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
        let debugctl = KeptMsr::new(irqs, msrs::DEBUGCTL, u64::MAX);
        if debugctl.is_none() && !capabilities.has_sampling && !capabilities.vmxon_stops_trace {
            return None;
        }
        Self::save_all(irqs, capabilities, debugctl)
    }

    #[cold]
    fn save_all(
        irqs: &'a IrqsDisabled,
        capabilities: &Capabilities,
        debugctl: Option<KeptMsr<'a>>,
    ) -> Option<Self> {
        let sampling = match capabilities.has_sampling {
            true => SamplingOff::new(irqs),
            false => None,
        };
        let trace = match capabilities.vmxon_stops_trace {
            true => KeptMsr::new(irqs, msrs::RTIT_CTL, TRACE_EN),
            false => None,
        };
        (debugctl.is_some() || sampling.is_some() || trace.is_some()).then_some(Self {
            _debugctl: debugctl,
            sampling,
            _trace: trace,
        })
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
            debug: SavedDebugRegisters::save(irqs),
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

    /// Descriptor tables and segment registers.
    #[inline]
    pub(crate) fn descriptors(&self) -> &SavedDescriptors<'a> {
        &self.descriptors
    }

    fn sampling(&self) -> Option<&SamplingOff<'a>> {
        self.observers.as_ref()?.sampling.as_ref()
    }

    /// Lends DR0 to DR3 to a guest, too.
    pub(crate) fn lend_breakpoints(&self, guest: &[u64; 4]) {
        self.debug.lend(guest);
    }
}

/// What the host-state area of a VMCS holds at present, to write only what changed.
#[derive(Default)]
pub(super) struct HostArea {
    /// The CPU that it is for; without one, nothing is known of the rest.
    cpu: Cell<Option<usize>>,
    cr0: Cell<u64>,
    cr3: Cell<u64>,
    cr4: Cell<u64>,
    fs_base: Cell<u64>,
    /// Do VM entries and exits switch IA32_PERF_GLOBAL_CTRL?
    sampling: Cell<bool>,
}

impl HostArea {
    /// Makes the host-state area that of this CPU and this program.
    #[inline(always)]
    pub(super) fn update(
        &self,
        vmcs: &CurrentVmcs<'_>,
        host: &HostState<'_>,
        capabilities: &Capabilities,
    ) -> Result {
        let irqs = host.irqs;
        if self.cpu.get() != Some(irqs.cpu()) {
            self.write_all(vmcs, host, capabilities)?;
        }
        write_changed(vmcs, HOST_CR0, &self.cr0, cpu::cr0(irqs));
        write_changed(vmcs, HOST_CR3, &self.cr3, cpu::cr3(irqs));
        write_changed(vmcs, HOST_CR4, &self.cr4, cpu::cr4(irqs));
        let fs_base = host.descriptors.fs_base();
        write_changed(vmcs, HOST_FS_BASE, &self.fs_base, fs_base);
        if host.observers.is_some() || self.sampling.get() {
            self.write_sampling(vmcs, host.sampling(), capabilities);
        }
        Ok(())
    }

    /// Writes every field, whatever they hold.
    #[cold]
    fn write_all(
        &self,
        vmcs: &CurrentVmcs<'_>,
        host: &HostState<'_>,
        capabilities: &Capabilities,
    ) -> Result {
        self.cpu.set(None);
        write_cpu(vmcs, host, capabilities);
        write(vmcs, HOST_CR0, &self.cr0, cpu::cr0(host.irqs));
        write(vmcs, HOST_CR3, &self.cr3, cpu::cr3(host.irqs));
        write(vmcs, HOST_CR4, &self.cr4, cpu::cr4(host.irqs));
        let fs_base = host.descriptors.fs_base();
        write(vmcs, HOST_FS_BASE, &self.fs_base, fs_base);
        vmcs.check()?;
        self.cpu.set(Some(host.irqs.cpu()));
        Ok(())
    }

    /// Keeps the counters of samples from counting in the guest, if the CPU can switch them. The handler
    /// of an NMI, which may have them count again, comes too late: a VM entry stops them.
    #[cold]
    fn write_sampling(
        &self,
        vmcs: &CurrentVmcs<'_>,
        sampling: Option<&SamplingOff<'_>>,
        capabilities: &Capabilities,
    ) {
        let unchanged = sampling.is_none() && !self.sampling.get();
        if unchanged || !capabilities.switches_perf_global_ctrl() {
            return;
        }
        if let Some(sampling) = sampling {
            vital(vmcs, HOST_PERF_GLOBAL_CTRL, sampling.counting());
            vmcs.write(GUEST_PERF_GLOBAL_CTRL, sampling.counting_in_guest());
        }
        let on = sampling.is_some();
        let exit = Exit::from_bits(vmcs.read(EXIT_CONTROLS));
        let entry = Entry::from_bits(vmcs.read(ENTRY_CONTROLS));
        let exit = exit.with_if(Exit::LOAD_PERF_GLOBAL_CTRL, on);
        let entry = entry.with_if(Entry::LOAD_PERF_GLOBAL_CTRL, on);
        vital(vmcs, EXIT_CONTROLS, exit.raw());
        vital(vmcs, ENTRY_CONTROLS, entry.raw());
        self.sampling.set(on);
    }
}

/// Writes a field of this file.
#[inline]
fn vital<W: Width, A: Access>(vmcs: &CurrentVmcs<'_>, field: Field<W, A>, value: W::Value) {
    // SAFETY: All callers write what the register holds on this CPU now, or the control that has a VM
    // exit load it.
    unsafe { vmcs.write_vital(field, value) };
}

#[inline]
fn write_changed(
    vmcs: &CurrentVmcs<'_>,
    field: Field<Natural, Host>,
    cached: &Cell<u64>,
    value: u64,
) {
    if cached.get() != value {
        write(vmcs, field, cached, value);
    }
}

#[inline]
fn write(vmcs: &CurrentVmcs<'_>, field: Field<Natural, Host>, cached: &Cell<u64>, value: u64) {
    vital(vmcs, field, value);
    cached.set(value);
}

/// Writes the fields that are constant on a CPU.
fn write_cpu(vmcs: &CurrentVmcs<'_>, host: &HostState<'_>, capabilities: &Capabilities) {
    use kernel::bindings::{
        GDT_ENTRY_TSS,
        __KERNEL_CS,
        __KERNEL_DS, //
    };
    vital(vmcs, HOST_CS_SELECTOR, __KERNEL_CS as u16);
    vital(vmcs, HOST_SS_SELECTOR, __KERNEL_DS as u16);
    vital(vmcs, HOST_TR_SELECTOR, (GDT_ENTRY_TSS * 8) as u16);
    for field in [
        HOST_DS_SELECTOR,
        HOST_ES_SELECTOR,
        HOST_FS_SELECTOR,
        HOST_GS_SELECTOR,
    ] {
        vital(vmcs, field, 0);
    }
    vital(vmcs, HOST_GS_BASE, msrs::GS_BASE.read());
    vital(vmcs, HOST_TR_BASE, descriptor::tss_base(host.irqs));
    vital(vmcs, HOST_GDTR_BASE, host.descriptors.gdt_base());
    vital(vmcs, HOST_IDTR_BASE, host.descriptors.idt_base());
    // CAST: The selector is in the low half.
    vital(vmcs, HOST_SYSENTER_CS, msrs::SYSENTER_CS.read() as u32);
    vital(vmcs, HOST_SYSENTER_ESP, msrs::SYSENTER_ESP.read());
    vital(vmcs, HOST_SYSENTER_EIP, msrs::SYSENTER_EIP.read());
    if capabilities.switches_efer() {
        vital(vmcs, HOST_EFER, msrs::EFER.read());
    }
    if capabilities.switches_pat() {
        vital(vmcs, HOST_PAT, msrs::PAT.read());
    }
    entry::write_host_rip(vmcs);
}
