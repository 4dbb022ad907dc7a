// SPDX-License-Identifier: GPL-2.0

//! What a guest is let do: the controls of its VMCS.
//!
//! | control | why |
//! |---|---|
//! | external-interrupt exiting, NMI exiting | the host's interrupts end a burst |
//! | VMX-preemption timer | some emulators do not let the host's interrupts through, see below |
//! | HLT, MWAIT, MONITOR exiting | waiting is the program's to decide |
//! | unconditional I/O exiting | all ports are the program's |
//! | CR8 exiting, RDPMC exiting | registers that are not switched |
//! | MOV-DR exiting | registers that are switched for guests only that use them: off in a burst that has met one |
//! | use TSC offsetting | the guest's time starts with it |
//! | use MSR bitmaps | bases of FS and GS, SYSENTER, SWAPGS: the guest's own, so without an exit |
//! | enable EPT, unrestricted guest | memory; real mode and no paging |
//! | CR3-load, CR3-store, INVLPG exiting | shadow paging: the guest's CR3 is not the CPU's; that of CR3 for a program that traps it, too |
//! | interrupt-window exiting, NMI-window exiting | a program waits for them; without MTF, a step ends by the latter |
//! | enable VPID | translations survive VM entries and exits |
//! | WBINVD exiting | a guest must not empty the host's caches |
//! | ENCLS exiting | guests have no SGX, whatever the CPU has |
//!
//! Bochs (3.0) leaves the host's interrupts masked for as long as a guest keeps its own off: they
//! end no burst then. So the VMX-preemption timer bounds a stay in the guest where the CPU has it.
//! A real CPU is interrupted long before.

use super::{
    capability::{
        adjust,
        required,
        Capabilities, //
    },
    controls::{
        Allowed,
        Entry,
        Exit,
        PinBased,
        Primary,
        Secondary, //
    },
    msr_bitmap::MsrBitmaps, //
};
use crate::{
    mmu::ept::Eptp,
    support::cpu, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Longest stay in the guest, in microseconds.
const STAY: u32 = 500;

/// How guest memory is translated.
#[derive(Clone, Copy)]
pub(crate) enum TranslatedBy {
    /// By these extended page tables.
    Ept(Eptp),
    /// By shadow page tables.
    Shadow {
        /// Does INVLPG exit?
        invlpg: bool,
    },
}

/// Bits of CR0 and CR4 that the host keeps.
#[derive(Clone, Copy)]
pub(crate) struct Masks {
    /// Of CR0.
    pub(crate) cr0: u64,
    /// Of CR4.
    pub(crate) cr4: u64,
}

/// What a guest is let do.
pub(crate) struct Execution {
    pub(super) translation: TranslatedBy,
    pub(super) vpid: Option<u16>,
    pub(super) masks: Masks,
    pub(super) bitmaps: Arc<MsrBitmaps>,
    pub(super) pin_based: PinBased,
    pub(super) primary: Primary,
    pub(super) secondary: Secondary,
    pub(super) exit: Exit,
    pub(super) entry: Entry,
    pub(super) timer: u32,
}

impl Execution {
    /// Puts the controls together.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP`, after one sentence in the log, if this CPU lacks one that cannot be done
    /// without.
    pub(crate) fn new(
        capabilities: &Capabilities,
        translation: TranslatedBy,
        vpid: Option<u16>,
        masks: Masks,
        bitmaps: Arc<MsrBitmaps>,
    ) -> Result<Self> {
        let (primary, secondary) = needs(translation);
        let vpid_control = Secondary::NONE.with_if(Secondary::ENABLE_VPID, vpid.is_some());
        let (exit_pat, entry_pat) = pat(capabilities);
        let (exit_efer, entry_efer) = efer(capabilities);
        Ok(Self {
            translation,
            vpid,
            masks,
            bitmaps,
            pin_based: adjust(
                capabilities.processor.pin_based,
                required::PIN_BASED,
                PinBased::PREEMPTION_TIMER
                    .with_if(PinBased::VIRTUAL_NMIS, capabilities.has_virtual_nmis()),
            )?,
            primary: adjust_primary(capabilities.processor.primary, primary)?,
            secondary: adjust(
                capabilities.processor.secondary,
                secondary.with(vpid_control),
                Secondary::WBINVD_EXITING.with(Secondary::ENCLS_EXITING),
            )?,
            exit: adjust(
                capabilities.processor.exit,
                required::EXIT.with(exit_efer),
                exit_pat,
            )?,
            entry: adjust(
                capabilities.processor.entry,
                required::ENTRY.with(entry_efer),
                entry_pat,
            )?,
            timer: capabilities.preemption_timer(cpu::tsc_ticks(STAY)),
        })
    }

    /// Is the guest translated by shadow tables?
    pub(super) fn is_shadowed(&self) -> bool {
        matches!(self.translation, TranslatedBy::Shadow { .. })
    }

    /// Are NMIs of the guest apart from those of the host?
    pub(super) fn has_virtual_nmis(&self) -> bool {
        self.pin_based.contains(PinBased::VIRTUAL_NMIS)
    }
}

/// What translation by EPT, or by shadow tables, needs.
fn needs(translation: TranslatedBy) -> (Primary, Secondary) {
    match translation {
        TranslatedBy::Ept(_) => (
            Primary::SECONDARY,
            Secondary::ENABLE_EPT.with(Secondary::UNRESTRICTED_GUEST),
        ),
        TranslatedBy::Shadow { invlpg } => (
            required::SHADOW.with_if(Primary::INVLPG_EXITING, invlpg),
            Secondary::NONE,
        ),
    }
}

/// The primary controls with those that translation needs. Secondary controls are for EPT; what
/// else there is of them, guests with shadow paging do without on a CPU that has none.
fn adjust_primary(allowed: Allowed, translation: Primary) -> Result<Primary> {
    let optional = Primary::USE_MSR_BITMAPS.with(Primary::SECONDARY);
    adjust(allowed, required::PRIMARY.with(translation), optional)
}

fn pat(capabilities: &Capabilities) -> (Exit, Entry) {
    if capabilities.switches_pat() {
        (Exit::LOAD_PAT.with(Exit::SAVE_PAT), Entry::LOAD_PAT)
    } else {
        (Exit::NONE, Entry::NONE)
    }
}

fn efer(capabilities: &Capabilities) -> (Exit, Entry) {
    if capabilities.switches_efer() {
        (Exit::LOAD_EFER.with(Exit::SAVE_EFER), Entry::LOAD_EFER)
    } else {
        (Exit::NONE, Entry::NONE)
    }
}

#[kunit_tests(minivmx_execution)]
mod tests {
    use super::*;
    use crate::vmx::controls::Controls;

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
