// SPDX-License-Identifier: GPL-2.0

//! The control fields of a VMCS, written from an [`Execution`] and by nobody else, and the few of
//! them that change while a guest runs.

use super::{
    capability::{
        required,
        Stepper, //
    },
    controls::{
        Controls,
        Entry,
        PinBased,
        Primary,
        Secondary, //
    },
    execution::{
        Execution,
        TranslatedBy, //
    },
    field::*,
    vmcs::CurrentVmcs, //
};
use crate::{
    support::debug_register::InCpu,
    x86::event::vector, //
};
use kernel::prelude::*;

/// Exceptions that always exit: #DB and #AC, whose delivery can raise them again without end, and
/// #MC, which is the host's.
const EXCEPTIONS: u32 =
    1 << vector::DEBUG | 1 << vector::ALIGNMENT_CHECK | 1 << vector::MACHINE_CHECK;

impl Execution {
    /// Writes all of it into a VMCS that holds nothing yet.
    #[cold]
    pub(super) fn write(&self, vmcs: &CurrentVmcs<'_>) -> Result {
        self.write_controls(vmcs);
        self.write_constants(vmcs);
        vmcs.set_exceptions(0);
        vmcs.set_msr_bitmap(false);
        vmcs.check()
    }

    fn write_controls(&self, vmcs: &CurrentVmcs<'_>) {
        write_control(vmcs, PIN_BASED_CONTROLS, self.pin_based.raw());
        write_control(vmcs, PRIMARY_CONTROLS, self.primary.raw());
        if self.primary.contains(Primary::SECONDARY) {
            write_control(vmcs, SECONDARY_CONTROLS, self.secondary.raw());
        }
        if self.secondary.contains(Secondary::ENCLS_EXITING) {
            write_control(vmcs, ENCLS_EXITING_BITMAP, u64::MAX);
        }
        write_control(vmcs, EXIT_CONTROLS, self.exit.raw());
        write_control(vmcs, ENTRY_CONTROLS, self.entry.raw());
        write_control(vmcs, CR0_MASK, self.masks.cr0);
        write_control(vmcs, CR4_MASK, self.masks.cr4);
        if let TranslatedBy::Ept(eptp) = self.translation {
            write_control(vmcs, EPT_POINTER, eptp.into_raw());
        }
        if let Some(vpid) = self.vpid {
            write_control(vmcs, VIRTUAL_PROCESSOR_ID, vpid);
        }
    }

    fn write_constants(&self, vmcs: &CurrentVmcs<'_>) {
        for field in [
            EXIT_MSR_STORE_COUNT,
            EXIT_MSR_LOAD_COUNT,
            ENTRY_MSR_LOAD_COUNT,
            CR3_TARGET_COUNT,
            PAGE_FAULT_ERROR_MASK,
            PAGE_FAULT_ERROR_MATCH,
        ] {
            write_control(vmcs, field, 0);
        }
        vmcs.write(ENTRY_INTERRUPTION_INFO, 0);
        vmcs.write(VMCS_LINK_POINTER, u64::MAX);
        if self.pin_based.contains(PinBased::PREEMPTION_TIMER) {
            vmcs.set_preemption_timer();
        }
    }
}

/// Writes a field of this file.
fn write_control<W: Width>(vmcs: &CurrentVmcs<'_>, field: Field<W, Control>, value: W::Value) {
    // SAFETY: The values are those of an `Execution`, which `Execution::new` put together: the host
    // keeps its interrupts, the guest has no memory but by its tables, and no register of the
    // host's.
    unsafe { vmcs.write_unchecked(field, value) };
}

/// Controls that change while a guest runs.
impl CurrentVmcs<'_> {
    /// Lets these exceptions exit, besides those that always do.
    pub(crate) fn set_exceptions(&self, others: u32) {
        let page_fault = match self.execution().translation {
            TranslatedBy::Shadow { .. } => 1 << vector::PAGE_FAULT,
            TranslatedBy::Ept(_) => 0,
        };
        write_control(self, EXCEPTION_BITMAP, EXCEPTIONS | page_fault | others);
    }

    /// Lets all MSRs exit, or those that the VMCS does not hold. All do on a CPU without bitmaps,
    /// whose VMCS has no such field.
    pub(crate) fn set_msr_bitmap(&self, all: bool) {
        let execution = self.execution();
        if execution.primary.contains(Primary::USE_MSR_BITMAPS) {
            write_control(self, MSR_BITMAP, execution.bitmaps.phys(all));
        }
    }

    /// Lets the guest reach the debug registers without exits for the rest of the burst, now that
    /// they are its own.
    pub(crate) fn give_debug_registers(&self, _proof: &InCpu<'_>) {
        self.set_primary(Primary::MOV_DR_EXITING, false);
        self.has_debug_registers.set(true);
    }

    /// Ends that.
    #[cold]
    pub(super) fn take_debug_registers(&self) {
        self.set_primary(Primary::MOV_DR_EXITING, true);
        self.has_debug_registers.set(false);
    }

    /// Lets each access to CR3 exit, and each that changes CR0 or CR4; or only those that the host
    /// has to see.
    pub(crate) fn set_control_register_exiting(&self, all: bool) {
        const CR3: Primary = required::SHADOW;
        let execution = self.execution();
        let mask = |bits| if all { u64::MAX } else { bits };
        write_control(self, CR0_MASK, mask(execution.masks.cr0));
        write_control(self, CR4_MASK, mask(execution.masks.cr4));
        let cr3 = all || execution.primary.contains(CR3);
        self.set_primary(CR3, cr3);
    }

    /// Lets the guest exit after its next instruction, or not.
    pub(crate) fn set_stepping(&self, how: Stepper, on: bool) {
        let control = match how {
            Stepper::MonitorTrapFlag => Primary::MONITOR_TRAP_FLAG,
            Stepper::NmiWindow => Primary::NMI_WINDOW_EXITING,
        };
        self.set_primary(control, on);
    }

    /// Lets the guest exit as soon as it can take an external interrupt, or an NMI, or not.
    pub(crate) fn set_windows(&self, interrupt: bool, nmi: bool) {
        self.set_primary(Primary::INTERRUPT_WINDOW_EXITING, interrupt);
        self.set_primary(Primary::NMI_WINDOW_EXITING, nmi);
    }

    fn set_primary(&self, control: Primary, on: bool) {
        let controls = Primary::from_bits(self.read(PRIMARY_CONTROLS));
        write_control(self, PRIMARY_CONTROLS, controls.with_if(control, on).raw());
    }

    /// Lets the guest be in IA-32e mode, or not.
    pub(crate) fn set_ia32e_mode(&self, on: bool) {
        let controls = Entry::from_bits(self.read(ENTRY_CONTROLS));
        write_control(
            self,
            ENTRY_CONTROLS,
            controls.with_if(Entry::IA32E_MODE_GUEST, on).raw(),
        );
    }
}
