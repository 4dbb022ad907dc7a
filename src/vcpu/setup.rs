// SPDX-License-Identifier: GPL-2.0

//! A guest after power-up, and what it is let do.

use super::{
    run_page::{
        Frame,
        RunPage, //
    },
    translation, //
};
use crate::{
    support::{
        cpu,
        debug_register::DR7_OFF, //
    },
    vm::Vm,
    vmx::{
        entry::Registers,
        execution::{
            Execution,
            Masks, //
        },
        exit::Interruptibility,
        field::*,
        guest_state::Activity,
        segment::SEGMENTS,
        vmcs::CurrentVmcs, //
    },
    x86::{
        cr0,
        pat,
        rflags,
        segment::AccessRights, //
    }, //
};
use kernel::prelude::*;

/// What the guest of a vCPU is let do.
pub(crate) fn execution(vm: &Vm, vpid: Option<u16>) -> Result<Execution> {
    let machine = &vm.machine;
    let masks = Masks {
        cr0: vm.control_registers.cr0.mask(),
        cr4: vm.control_registers.cr4.mask(),
    };
    let bitmaps = machine.msr_bitmaps.clone();
    let translation = translation::kind(vm);
    Execution::new(&machine.capabilities, translation, vpid, masks, bitmaps)
}

/// RIP after power-up; with the base of CS it is the reset vector.
const RESET_RIP: u64 = 0xfff0;

/// The state after power-up (SDM Vol. 3A, "Processor State After Reset").
pub(crate) fn reset(vm: &Vm, vmcs: &CurrentVmcs<'_>) -> Result {
    const DATA: AccessRights = AccessRights::DATA;
    const RIGHTS: [AccessRights; 8] = [
        DATA,
        AccessRights::CODE,
        DATA,
        DATA,
        DATA,
        DATA,
        AccessRights::LDT,
        AccessRights::BUSY_TSS,
    ];
    for (register, rights) in SEGMENTS.into_iter().zip(RIGHTS) {
        vmcs.write(register.selector, 0);
        vmcs.write(register.base, 0);
        vmcs.write(register.limit, 0xffff);
        vmcs.write(register.rights, rights.into_raw());
    }
    vmcs.write(GUEST_CS_SELECTOR, 0xf000);
    vmcs.write(GUEST_CS_BASE, 0xffff_0000);
    vmcs.write(GUEST_GDTR_BASE, 0);
    vmcs.write(GUEST_GDTR_LIMIT, 0xffff);
    vmcs.write(GUEST_IDTR_BASE, 0);
    vmcs.write(GUEST_IDTR_LIMIT, 0xffff);
    let registers = &vm.control_registers;
    registers.cr0.set(vmcs, cr0::CD | cr0::NW | cr0::ET)?;
    vmcs.write(GUEST_CR3, 0);
    registers.cr4.set(vmcs, 0)?;
    if vm.machine.capabilities.switches_efer() {
        vmcs.write(GUEST_EFER, 0);
    }
    if vm.machine.capabilities.switches_pat() {
        vmcs.write(GUEST_PAT, pat::AFTER_RESET);
    }
    vmcs.write(GUEST_DR7, DR7_OFF);
    vmcs.reset_debugctl();
    vmcs.write(GUEST_SYSENTER_CS, 0);
    vmcs.write(GUEST_SYSENTER_ESP, 0);
    vmcs.write(GUEST_SYSENTER_EIP, 0);
    vmcs.set_interruptibility(Interruptibility::from_raw(0));
    vmcs.set_activity(Activity::Active);
    vmcs.write(GUEST_PENDING_DEBUG_EXCEPTIONS, 0);
    vmcs.write(GUEST_RSP, 0);
    vmcs.write(GUEST_RIP, RESET_RIP);
    vmcs.write(GUEST_RFLAGS, rflags::AFTER_RESET);
    vmcs.write(TSC_OFFSET, vm.tsc_zero.wrapping_neg());
    vmcs.check()
}

/// Writes the registers after power-up that travel through the run page.
pub(super) fn initial(page: &RunPage) {
    let mut frame = Frame {
        rip: RESET_RIP,
        rflags: rflags::AFTER_RESET,
        ..Default::default()
    };
    // EDX has the processor's signature after power-up.
    frame.general.set_low(Registers::RDX, cpu::cpuid(1, 0).eax);
    page.set_frame(&frame);
}
