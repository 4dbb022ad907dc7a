// SPDX-License-Identifier: GPL-2.0

//! The host's state around a burst: what the host-state area of the VMCS brings back, and what it
//! does not.
//!
//! | what a VM exit leaves wrong | who puts it right |
//! |---|---|
//! | limits of GDTR, IDTR, TR; LDTR; selectors of programs | [`SavedDescriptors`] |
//! | bases of FS and GS | the host-state area; with selectors, [`SavedDescriptors`] |
//! | DR7, IA32_DEBUGCTL | [`HostState`], from what it read before |
//! | IA32_EFER, IA32_PAT | VM-exit controls |
//! | FPU, XCR0 | [`crate::support::fpu`] |
//! | DR0 to DR3, IA32_KERNEL_GS_BASE, SYSCALL MSRs | `vcpu/switched.rs`, if the guest has its own |
//!
//! (SDM Vol. 3C, "Loading Host State").

use super::{
    capability::Capabilities,
    entry,
    field::*,
    vmcs::CurrentVmcs, //
};
use crate::support::{
    cpu::{
        self,
        SavedDr7, //
    },
    descriptor::{
        self,
        Descriptors,
        SavedDescriptors, //
    },
    irq::IrqsDisabled,
    msr::{
        Msr,
        SavedMsr, //
    }, //
};
use kernel::prelude::*;

mod msrs {
    use super::Msr;
    pub(super) const SYSENTER_CS: Msr = Msr(0x174);
    pub(super) const SYSENTER_ESP: Msr = Msr(0x175);
    pub(super) const SYSENTER_EIP: Msr = Msr(0x176);
    pub(super) const DEBUGCTL: Msr = Msr(0x1d9);
    pub(super) const PAT: Msr = Msr(0x277);
    pub(super) const EFER: Msr = Msr(0xc000_0080);
    pub(super) const GS_BASE: Msr = Msr(0xc000_0101);
}

/// What the host-state area of a VMCS holds at present, to write only what changed.
#[derive(Default)]
pub(crate) struct HostArea {
    cpu: Option<usize>,
    cr0: u64,
    cr3: u64,
    cr4: u64,
    fs_base: u64,
}

impl HostArea {
    /// Makes the host-state area that of this CPU and this program.
    #[inline]
    pub(crate) fn update(
        &mut self,
        vmcs: &CurrentVmcs<'_>,
        host: &HostState<'_>,
        capabilities: &Capabilities,
    ) -> Result {
        let irqs = host.irqs;
        let this = irqs.cpu();
        if self.cpu != Some(this) {
            self.cpu = None;
            write_cpu(vmcs, host, capabilities)?;
            self.cpu = Some(this);
        }
        write_changed(vmcs, HOST_CR0, &mut self.cr0, cpu::cr0(irqs));
        write_changed(vmcs, HOST_CR3, &mut self.cr3, cpu::cr3(irqs));
        write_changed(vmcs, HOST_CR4, &mut self.cr4, cpu::cr4(irqs));
        write_changed(
            vmcs,
            HOST_FS_BASE,
            &mut self.fs_base,
            host.descriptors.fs_base(),
        );
        Ok(())
    }
}

#[inline]
fn write_changed(
    vmcs: &CurrentVmcs<'_>,
    field: Field<Natural, Host>,
    cached: &mut u64,
    value: u64,
) {
    if *cached != value {
        vmcs.write(field, value);
        *cached = value;
    }
}

/// Writes the fields that are constant on a CPU.
#[cold]
fn write_cpu(vmcs: &CurrentVmcs<'_>, host: &HostState<'_>, capabilities: &Capabilities) -> Result {
    use kernel::bindings::{
        GDT_ENTRY_TSS,
        __KERNEL_CS,
        __KERNEL_DS, //
    };
    vmcs.write(HOST_CS_SELECTOR, __KERNEL_CS as u16);
    vmcs.write(HOST_SS_SELECTOR, __KERNEL_DS as u16);
    vmcs.write(HOST_TR_SELECTOR, (GDT_ENTRY_TSS * 8) as u16);
    for field in [
        HOST_DS_SELECTOR,
        HOST_ES_SELECTOR,
        HOST_FS_SELECTOR,
        HOST_GS_SELECTOR,
    ] {
        vmcs.write(field, 0);
    }
    vmcs.write(HOST_GS_BASE, msrs::GS_BASE.read());
    vmcs.write(HOST_TR_BASE, descriptor::tss_base(host.irqs));
    vmcs.write(HOST_GDTR_BASE, host.descriptors.gdt_base());
    vmcs.write(HOST_IDTR_BASE, host.descriptors.idt_base());
    // CAST: The selector is in the low half.
    vmcs.write(HOST_SYSENTER_CS, msrs::SYSENTER_CS.read() as u32);
    vmcs.write(HOST_SYSENTER_ESP, msrs::SYSENTER_ESP.read());
    vmcs.write(HOST_SYSENTER_EIP, msrs::SYSENTER_EIP.read());
    if capabilities.switches_efer() {
        vmcs.write(HOST_EFER, msrs::EFER.read());
    }
    if capabilities.switches_pat() {
        vmcs.write(HOST_PAT, msrs::PAT.read());
    }
    entry::write_host_rip(vmcs);
    vmcs.check()
}

/// Guard: what a VM exit does not bring back is remembered, and put back by the drop.
#[must_use = "the host's state is put back when the guard is dropped"]
pub(crate) struct HostState<'a> {
    irqs: &'a IrqsDisabled,
    descriptors: SavedDescriptors<'a>,
    dr7: SavedDr7,
    debugctl: SavedMsr,
}

impl<'a> HostState<'a> {
    /// Reads it; `descriptors` is room for a part of it.
    #[inline]
    pub(crate) fn save(irqs: &'a IrqsDisabled, descriptors: &'a mut Descriptors) -> Self {
        Self {
            irqs,
            descriptors: descriptors.save(irqs),
            dr7: SavedDr7::save(irqs),
            debugctl: SavedMsr::save(irqs, msrs::DEBUGCTL),
        }
    }

    /// The host's DR7, which comes back with the rest.
    pub(crate) fn dr7(&self) -> &SavedDr7 {
        &self.dr7
    }
}

impl Drop for HostState<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.dr7.value() != cpu::DR7_OFF {
            self.dr7.restore(self.irqs);
        }
        if self.debugctl.value() != 0 {
            self.debugctl.restore(self.irqs);
        }
    }
}
