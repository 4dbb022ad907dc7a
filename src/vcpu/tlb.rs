// SPDX-License-Identifier: GPL-2.0

//! The TLB of the CPU that a vCPU is on.

use crate::{
    mmu::{
        ept::Eptp,
        tags::Invalidate, //
    },
    support::{
        irq::IrqsDisabled,
        trace, //
    },
    vm::Counters,
    vmx::{
        capability::Capabilities,
        insn::Extent,
        vmcs::CurrentVmcs, //
    }, //
};

/// Drops translations as narrowly as the CPU can, and counts it.
pub(crate) struct Tlb<'a> {
    /// Whose they are.
    pub(crate) vcpu: u32,
    /// Proof of VMX operation.
    pub(crate) vmcs: &'a CurrentVmcs<'a>,
    /// What the CPU can.
    pub(crate) capabilities: &'a Capabilities,
    /// What the vCPU did.
    pub(crate) counters: &'a Counters,
}

impl Tlb<'_> {
    #[inline(always)]
    fn trace(&self, by: u32, vpid: u16) {
        if trace::flush::is_on() {
            tell(self.vmcs.irqs(), self.vcpu, by, vpid);
        }
    }
}

#[cold]
#[inline(never)]
fn tell(irqs: &IrqsDisabled, vcpu: u32, by: u32, vpid: u16) {
    trace::keep_cr2(irqs, || trace::flush::tell(vcpu, by, vpid.into()));
}

impl Invalidate for Tlb<'_> {
    fn invept(&self, eptp: Eptp) {
        self.trace(trace::FLUSH_INVEPT, 0);
        let extent = self.capabilities.ept_extent().unwrap_or(Extent::All);
        self.vmcs.invept(extent, eptp.into_raw());
        self.counters.flushes.count();
    }

    fn invvpid(&self, vpid: u16) {
        self.trace(trace::FLUSH_INVVPID, vpid);
        let extent = self.capabilities.vpid_extent().unwrap_or(Extent::All);
        self.vmcs.invvpid(extent, vpid);
        self.counters.flushes.count();
    }
}
