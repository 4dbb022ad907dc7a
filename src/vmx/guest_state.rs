// SPDX-License-Identifier: GPL-2.0

//! Writes guest state of the marker [`SharedGuest`], and what a program names by an encoding.
//!
//! A program can write what is in [`WRITABLE`]: most of it is between the program and the CPU,
//! which checks it at the VM entry. The rest the driver keeps itself, or guests do not have it.
//! Some values would reach beyond the guest:
//!
//! | field | what would come of it |
//! |---|---|
//! | CR0, CR4, IA32_EFER | bits that VMX fixes, or that the host keeps |
//! | CR3, PDPTEs, IA32_PAT with shadow paging | host-physical addresses; the shadow's memory type |
//! | IA32_DEBUGCTL, IA32_PERF_GLOBAL_CTRL, IA32_RTIT_CTL, IA32_LBR_CTL | the host's tracing, into the guest's memory |
//! | activity state | shutdown and wait-for-SIPI do not heed the host's interrupts |
//! | interruptibility state | without virtual NMIs, blocking by NMI keeps out the host's |
//! | VMCS link pointer, SMBASE, PML index, IA32_PKRS, CET, UINV | features that guests do not have |
//! | VMX-preemption timer | how long the guest may stay |

use super::{
    exit::{
        activity,
        Interruptibility, //
    },
    field::{
        self,
        *, //
    },
    segment::SEGMENTS,
    vmcs::CurrentVmcs, //
};
use kernel::prelude::*;

/// An activity state in which the CPU heeds the host's interrupts.
#[derive(Clone, Copy)]
pub(crate) enum Activity {
    /// The guest executes instructions.
    Active,
    /// It has executed HLT.
    Halted,
}

impl Activity {
    /// By the number that the VMCS has for it; [`None`] for another.
    pub(crate) fn new(number: u64) -> Option<Self> {
        let all = [Self::Active, Self::Halted];
        all.into_iter()
            .find(|activity| u64::from(activity.number()) == number)
    }

    fn number(self) -> u32 {
        match self {
            Self::Active => activity::ACTIVE,
            Self::Halted => activity::HLT,
        }
    }
}

/// What of a field a program can write.
#[derive(Clone, Copy)]
enum Rule {
    /// What fits into it.
    Any,
    /// The same; translations go with it.
    Translation,
    /// The same, unless it blocks NMIs of the host.
    Interruptibility,
    /// What heeds interrupts: active, and HLT.
    Activity,
}

/// What comes of a field that was written.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing else.
    Nothing,
    /// Translations that the CPU keeps are no longer right.
    StaleTranslations,
}

impl CurrentVmcs<'_> {
    /// Writes the activity state.
    pub(crate) fn set_activity(&self, activity: Activity) {
        write_shared(self, GUEST_ACTIVITY, activity.number());
    }

    /// Writes the interruptibility state, but for blocking by NMI where that is not virtual: it
    /// would keep out the host's.
    pub(crate) fn set_interruptibility(&self, state: Interruptibility) {
        let state = match self.execution().has_virtual_nmis() {
            true => state,
            false => state.with_nmi(false),
        };
        write_shared(self, GUEST_INTERRUPTIBILITY, state.into_raw());
    }

    /// Sees to it that the guest records nothing: its records would go where the host's are.
    pub(crate) fn reset_debugctl(&self) {
        write_shared(self, GUEST_DEBUGCTL, 0);
    }

    /// Writes how long the guest may stay at a time.
    pub(super) fn set_preemption_timer(&self) {
        write_shared(self, PREEMPTION_TIMER_VALUE, self.execution().timer);
    }

    /// Writes a field for a program, by its encoding.
    ///
    /// # Errors
    ///
    /// `EPERM` for a field that is not the program's, or a value that would reach beyond the guest;
    /// `EINVAL` for one that does not fit; `ENOENT` if this CPU has none of it.
    pub(crate) fn write_by_encoding(&self, encoding: u32, value: u64) -> Result<Effect> {
        let rule = rule(encoding).ok_or(EPERM)?;
        if value > field::greatest(encoding) {
            return Err(EINVAL);
        }
        self.check_value(rule, value)?;
        // SAFETY: The list has fields that concern the guest alone, if their values are as
        // `check_value` wants them.
        unsafe { self.write_unchecked_by_encoding(encoding, value) }?;
        Ok(match rule {
            Rule::Translation => Effect::StaleTranslations,
            Rule::Any | Rule::Interruptibility | Rule::Activity => Effect::Nothing,
        })
    }

    fn check_value(&self, rule: Rule, value: u64) -> Result {
        match rule {
            Rule::Any => Ok(()),
            Rule::Translation if self.execution().is_shadowed() => Err(EPERM),
            Rule::Translation => Ok(()),
            // CAST: It fits.
            Rule::Interruptibility => self.check_interruptibility(value as u32),
            Rule::Activity => Activity::new(value).map(drop).ok_or(EPERM),
        }
    }

    /// `EINVAL` for blocking by NMI where that is not virtual.
    pub(crate) fn check_interruptibility(&self, value: u32) -> Result {
        if Interruptibility::from_raw(value).nmi() && !self.execution().has_virtual_nmis() {
            return Err(EINVAL);
        }
        Ok(())
    }
}

/// Writes a field of this file.
fn write_shared<W: Width>(vmcs: &CurrentVmcs<'_>, field: Field<W, SharedGuest>, value: W::Value) {
    // SAFETY: The callers leave out what keeps out the host's interrupts and NMIs, or traces.
    unsafe { vmcs.write_unchecked(field, value) };
}

fn rule(encoding: u32) -> Option<Rule> {
    let listed = WRITABLE.iter().find(|(field, _)| *field == encoding);
    let listed = listed.map(|(_, rule)| *rule);
    listed.or_else(|| is_of_a_segment(encoding).then_some(Rule::Any))
}

/// What a program can write, beside segment registers.
const WRITABLE: [(u32, Rule); 20] = [
    (GUEST_CR3.encoding(), Rule::Translation),
    (GUEST_PAT.encoding(), Rule::Translation),
    (GUEST_PDPTE0.encoding(), Rule::Translation),
    (GUEST_PDPTE1.encoding(), Rule::Translation),
    (GUEST_PDPTE2.encoding(), Rule::Translation),
    (GUEST_PDPTE3.encoding(), Rule::Translation),
    (GUEST_INTERRUPTIBILITY.encoding(), Rule::Interruptibility),
    (GUEST_ACTIVITY.encoding(), Rule::Activity),
    (GUEST_GDTR_LIMIT.encoding(), Rule::Any),
    (GUEST_IDTR_LIMIT.encoding(), Rule::Any),
    (GUEST_GDTR_BASE.encoding(), Rule::Any),
    (GUEST_IDTR_BASE.encoding(), Rule::Any),
    (GUEST_SYSENTER_CS.encoding(), Rule::Any),
    (GUEST_SYSENTER_ESP.encoding(), Rule::Any),
    (GUEST_SYSENTER_EIP.encoding(), Rule::Any),
    (GUEST_DR7.encoding(), Rule::Any),
    (GUEST_RSP.encoding(), Rule::Any),
    (GUEST_RIP.encoding(), Rule::Any),
    (GUEST_RFLAGS.encoding(), Rule::Any),
    (GUEST_PENDING_DEBUG_EXCEPTIONS.encoding(), Rule::Any),
];

fn is_of_a_segment(encoding: u32) -> bool {
    SEGMENTS.iter().any(|register| {
        let fields = [
            register.selector.encoding(),
            register.base.encoding(),
            register.limit.encoding(),
            register.rights.encoding(),
        ];
        fields.contains(&encoding)
    })
}
