// SPDX-License-Identifier: GPL-2.0

//! The host-state area of a VMCS: where a VM exit finds what it loads
//! (SDM Vol. 3C, "Host-State Area").

use super::{
    capability::Capabilities,
    entry,
    field::*,
    host::HostState,
    vmcs::CurrentVmcs, //
};
use crate::support::{
    cpu,
    descriptor,
    msr::Msr, //
};
use core::cell::Cell;
use kernel::prelude::*;

mod msrs {
    use super::Msr;
    pub(super) const SYSENTER_CS: Msr = Msr(0x174);
    pub(super) const SYSENTER_ESP: Msr = Msr(0x175);
    pub(super) const SYSENTER_EIP: Msr = Msr(0x176);
    pub(super) const PAT: Msr = Msr(0x277);
    pub(super) const EFER: Msr = Msr(0xc000_0080);
    pub(super) const GS_BASE: Msr = Msr(0xc000_0101);
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
}

impl HostArea {
    /// Makes the host-state area that of this CPU and this program.
    #[inline(always)]
    pub(super) fn update(&self, vmcs: &CurrentVmcs<'_>, capabilities: &Capabilities) -> Result {
        let host = vmcs.host();
        let irqs = host.irqs();
        if self.cpu.get() != Some(irqs.cpu()) {
            self.write_all(vmcs, host, capabilities)?;
        }
        write_changed(vmcs, HOST_CR0, &self.cr0, cpu::cr0(irqs));
        write_changed(vmcs, HOST_CR3, &self.cr3, cpu::cr3(irqs));
        write_changed(vmcs, HOST_CR4, &self.cr4, cpu::cr4(irqs));
        let fs_base = host.descriptors().fs_base();
        write_changed(vmcs, HOST_FS_BASE, &self.fs_base, fs_base);
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
        write(vmcs, HOST_CR0, &self.cr0, cpu::cr0(host.irqs()));
        write(vmcs, HOST_CR3, &self.cr3, cpu::cr3(host.irqs()));
        write(vmcs, HOST_CR4, &self.cr4, cpu::cr4(host.irqs()));
        let fs_base = host.descriptors().fs_base();
        write(vmcs, HOST_FS_BASE, &self.fs_base, fs_base);
        vmcs.check()?;
        self.cpu.set(Some(host.irqs().cpu()));
        Ok(())
    }
}

/// Writes a field of this file.
#[inline]
fn write_host<W: Width>(vmcs: &CurrentVmcs<'_>, field: Field<W, Host>, value: W::Value) {
    // SAFETY: All callers write what the register holds on this CPU now; the selectors that a VM
    // exit loads 0 into are put back with the others of `SavedDescriptors`.
    unsafe { vmcs.write_unchecked(field, value) };
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
    write_host(vmcs, field, value);
    cached.set(value);
}

/// Writes the fields that are constant on a CPU.
fn write_cpu(vmcs: &CurrentVmcs<'_>, host: &HostState<'_>, capabilities: &Capabilities) {
    use kernel::bindings::{
        GDT_ENTRY_TSS,
        __KERNEL_CS,
        __KERNEL_DS, //
    };
    write_host(vmcs, HOST_CS_SELECTOR, __KERNEL_CS as u16);
    write_host(vmcs, HOST_SS_SELECTOR, __KERNEL_DS as u16);
    write_host(vmcs, HOST_TR_SELECTOR, (GDT_ENTRY_TSS * 8) as u16);
    for field in [
        HOST_DS_SELECTOR,
        HOST_ES_SELECTOR,
        HOST_FS_SELECTOR,
        HOST_GS_SELECTOR,
    ] {
        write_host(vmcs, field, 0);
    }
    write_host(vmcs, HOST_GS_BASE, msrs::GS_BASE.read());
    write_host(vmcs, HOST_TR_BASE, descriptor::tss_base(host.irqs()));
    write_host(vmcs, HOST_GDTR_BASE, host.descriptors().gdt_base());
    write_host(vmcs, HOST_IDTR_BASE, host.descriptors().idt_base());
    // CAST: The selector is in the low half.
    write_host(vmcs, HOST_SYSENTER_CS, msrs::SYSENTER_CS.read() as u32);
    write_host(vmcs, HOST_SYSENTER_ESP, msrs::SYSENTER_ESP.read());
    write_host(vmcs, HOST_SYSENTER_EIP, msrs::SYSENTER_EIP.read());
    if capabilities.switches_efer() {
        write_host(vmcs, HOST_EFER, msrs::EFER.read());
    }
    if capabilities.switches_pat() {
        write_host(vmcs, HOST_PAT, msrs::PAT.read());
    }
    entry::write_host_rip(vmcs);
}
