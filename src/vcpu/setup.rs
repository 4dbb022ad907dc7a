// SPDX-License-Identifier: GPL-2.0

//! A VMCS at its first use: the controls, and a guest after power-up.
//!
//! | control | why |
//! |---|---|
//! | external-interrupt exiting, NMI exiting | the host's interrupts end a burst |
//! | VMX-preemption timer | some emulators do not let the host's interrupts through, see below |
//! | HLT, MWAIT, MONITOR exiting | waiting is the program's to decide |
//! | unconditional I/O exiting | all ports are the program's |
//! | MOV-DR exiting, CR8 exiting, RDPMC exiting | registers that are not switched |
//! | use TSC offsetting | the guest's time starts with it |
//! | use MSR bitmaps | bases of FS and GS, SYSENTER: in the VMCS, so without an exit |
//! | enable EPT, unrestricted guest | memory; real mode and no paging |
//! | CR3-load, CR3-store, INVLPG exiting | shadow paging: the guest's CR3 is not the CPU's |
//! | enable VPID | translations survive VM entries and exits |
//! | WBINVD exiting | a guest must not empty the host's caches |
//!
//! Bochs (3.0) leaves the host's interrupts masked for as long as a guest keeps its own off: they end
//! no burst then. So the VMX-preemption timer bounds a stay in the guest where the CPU has it. A real
//! CPU is interrupted long before.
//!
//! Exceptions exit for #PF with shadow paging, for #DB and #AC, whose delivery can raise them again
//! without end, for #MC, which is the host's, and for those that the program traps.

use super::{
    run_page::{
        Frame,
        RunPage, //
    },
    segments::SEGMENTS,
    state::{
        Guest,
        Traps, //
    },
    translation, //
};
use crate::{
    support::cpu,
    vm::Vm,
    vmx::{
        capability::{
            required,
            Capabilities, //
        },
        controls::{
            Allowed,
            Controls,
            Entry,
            Exit,
            PinBased,
            Primary,
            Secondary, //
        },
        entry::Registers,
        field::*,
        vmcs::CurrentVmcs, //
    },
    x86::{
        cr0,
        event::vector,
        pat,
        rflags,
        segment::AccessRights, //
    }, //
};
use kernel::prelude::*;

/// Longest stay in the guest, in ticks of the time-stamp counter: less than a millisecond.
const STAY: u32 = 1 << 21;

/// Writes controls and the state after power-up into a VMCS.
pub(crate) fn configure(vm: &Vm, vmcs: &CurrentVmcs<'_>, guest: &mut Guest) -> Result {
    let capabilities = &vm.machine.capabilities;
    write_controls(vm, capabilities, vmcs, guest)?;
    write_constants(vm, vmcs);
    write_traps(vm, vmcs, &guest.traps);
    reset(vm, vmcs)?;
    vmcs.check()
}

fn write_controls(
    vm: &Vm,
    capabilities: &Capabilities,
    vmcs: &CurrentVmcs<'_>,
    guest: &Guest,
) -> Result {
    let vpid = match guest.vpid {
        Some(vpid) => {
            vmcs.write(VIRTUAL_PROCESSOR_ID, vpid);
            Secondary::ENABLE_VPID
        }
        None => Secondary::NONE,
    };
    let pin_optional = PinBased::VIRTUAL_NMIS.with(PinBased::PREEMPTION_TIMER);
    let pin = adjust(capabilities.pin_based, required::PIN_BASED, pin_optional)?;
    if pin.contains(PinBased::PREEMPTION_TIMER) {
        vmcs.write(PREEMPTION_TIMER_VALUE, capabilities.preemption_timer(STAY));
    }
    let (primary, secondary) = translation::controls(vm);
    let primary = adjust_primary(capabilities.primary, primary)?;
    let secondary = secondary.with(vpid);
    let secondary = adjust(capabilities.secondary, secondary, Secondary::WBINVD_EXITING)?;
    let (exit_pat, entry_pat) = if capabilities.switches_pat() {
        (Exit::LOAD_PAT.with(Exit::SAVE_PAT), Entry::LOAD_PAT)
    } else {
        (Exit::NONE, Entry::NONE)
    };
    let (exit_efer, entry_efer) = if capabilities.switches_efer() {
        (Exit::LOAD_EFER.with(Exit::SAVE_EFER), Entry::LOAD_EFER)
    } else {
        (Exit::NONE, Entry::NONE)
    };
    let exit = required::EXIT.with(exit_efer);
    let exit = adjust(capabilities.exit, exit, exit_pat)?;
    let entry = required::ENTRY.with(entry_efer);
    let entry = adjust(capabilities.entry, entry, entry_pat)?;
    vmcs.write(PIN_BASED_CONTROLS, pin.bits());
    vmcs.write(PRIMARY_CONTROLS, primary.bits());
    if primary.contains(Primary::SECONDARY) {
        vmcs.write(SECONDARY_CONTROLS, secondary.bits());
    }
    vmcs.write(EXIT_CONTROLS, exit.bits());
    vmcs.write(ENTRY_CONTROLS, entry.bits());
    if let Some(eptp) = vm.eptp {
        vmcs.write(EPT_POINTER, eptp.into_raw());
    }
    Ok(())
}

/// The primary controls with those that translation needs. Secondary controls are for EPT; what
/// else there is of them, guests with shadow paging do without on a CPU that has none.
fn adjust_primary(allowed: Allowed, translation: Primary) -> Result<Primary> {
    let optional = Primary::USE_MSR_BITMAPS.with(Primary::SECONDARY);
    adjust(allowed, required::PRIMARY.with(translation), optional)
}

fn adjust<C: Controls>(allowed: Allowed, required: C, optional: C) -> Result<C> {
    allowed.adjust(required, optional).map_err(|missing| {
        pr_err!(
            "this CPU's VMX lacks the control \"{}\"\n",
            missing.first_name()
        );
        EOPNOTSUPP
    })
}

/// Writes what never changes.
fn write_constants(vm: &Vm, vmcs: &CurrentVmcs<'_>) {
    for field in [
        EXIT_MSR_STORE_COUNT,
        EXIT_MSR_LOAD_COUNT,
        ENTRY_MSR_LOAD_COUNT,
        ENTRY_INTERRUPTION_INFO,
        CR3_TARGET_COUNT,
        PAGE_FAULT_ERROR_MASK,
        PAGE_FAULT_ERROR_MATCH,
    ] {
        vmcs.write(field, 0);
    }
    vmcs.write(VMCS_LINK_POINTER, u64::MAX);
    vmcs.write(CR0_MASK, vm.control_registers.cr0.mask());
    vmcs.write(CR4_MASK, vm.control_registers.cr4.mask());
    vmcs.write(TSC_OFFSET, cpu::tsc().wrapping_neg());
}

/// Writes what depends on the traps.
pub(crate) fn write_traps(vm: &Vm, vmcs: &CurrentVmcs<'_>, traps: &Traps) {
    const ALWAYS: u32 =
        1 << vector::DEBUG | 1 << vector::ALIGNMENT_CHECK | 1 << vector::MACHINE_CHECK;
    let exceptions = traps.exceptions | ALWAYS | translation::exceptions(vm);
    vmcs.write(EXCEPTION_BITMAP, exceptions);
    let bitmap = vm.machine.msr_bitmaps.address(traps.all_msrs());
    vmcs.write(MSR_BITMAP, bitmap);
}

/// RIP after power-up; with the base of CS it is the reset vector.
const RESET_RIP: u64 = 0xfff0;

/// The state after power-up (SDM Vol. 3A, "Processor State After Reset").
fn reset(vm: &Vm, vmcs: &CurrentVmcs<'_>) -> Result {
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
    for ((selector, base, limit, rights), value) in SEGMENTS.into_iter().zip(RIGHTS) {
        vmcs.write(selector, 0);
        vmcs.write(base, 0);
        vmcs.write(limit, 0xffff);
        vmcs.write(rights, value.into_raw());
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
    vmcs.write(GUEST_DR7, cpu::DR7_OFF);
    vmcs.write(GUEST_DEBUGCTL, 0);
    vmcs.write(GUEST_SYSENTER_CS, 0);
    vmcs.write(GUEST_SYSENTER_ESP, 0);
    vmcs.write(GUEST_SYSENTER_EIP, 0);
    vmcs.write(GUEST_INTERRUPTIBILITY, 0);
    vmcs.write(GUEST_ACTIVITY, 0);
    vmcs.write(GUEST_PENDING_DEBUG_EXCEPTIONS, 0);
    vmcs.write(GUEST_RSP, 0);
    vmcs.write(GUEST_RIP, RESET_RIP);
    vmcs.write(GUEST_RFLAGS, rflags::AFTER_RESET);
    Ok(())
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

#[kunit_tests(minivmx_setup)]
mod tests {
    use super::*;

    /// All controls but these.
    fn all_but(missing: Primary) -> Allowed {
        Allowed {
            must: 0,
            can: !missing.bits(),
        }
    }

    // A CPU without secondary controls runs guests with shadow paging, and no others.
    #[test]
    fn secondary_controls_are_for_ept() -> Result {
        let allowed = all_but(Primary::SECONDARY);
        let primary = adjust_primary(allowed, required::SHADOW)?;
        assert!(primary.contains(required::PRIMARY.with(required::SHADOW)));
        assert!(!primary.contains(Primary::SECONDARY));
        assert!(adjust_primary(allowed, Primary::SECONDARY).is_err());
        Ok(())
    }

    // Where there are secondary controls, they are used.
    #[test]
    fn secondary_controls_are_used() -> Result {
        let primary = adjust_primary(all_but(Primary::NONE), required::SHADOW)?;
        assert!(primary.contains(Primary::SECONDARY));
        Ok(())
    }
}
