// SPDX-License-Identifier: GPL-2.0

//! The fields of the VMCS that a program can read, and the guest-state fields that it can write, and
//! what with.
//!
//! It reads all of them, but what tells of the host only with CAP_SYS_ADMIN. What is not listed here for
//! writing, the driver keeps itself, or guests do not have it. Of what is listed, most is between the
//! program and the CPU, which checks it at the VM entry. Some values would reach beyond the guest:
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
    segments::SEGMENTS,
    translation, //
};
use crate::{
    vm::Vm,
    vmx::{
        capability::Capabilities,
        exit::Interruptibility,
        field::{
            self,
            *, //
        }, //
    }, //
};
use kernel::prelude::*;

/// Does a field tell where something of the host is?
pub(crate) fn tells_of_host(vm: &Vm, encoding: u32) -> bool {
    let is_shadow = SHADOWED.contains(&encoding) && translation::replaces_registers(vm);
    is_shadow || field::is_host_state(encoding) || field::is_wide_control(encoding)
}

/// Fields in which the CPU has addresses of shadow tables, or may leave them: with EPT off the PDPTEs
/// are undefined after a VM exit.
const SHADOWED: [u32; 5] = [
    GUEST_CR3.encoding(),
    GUEST_PDPTE0.encoding(),
    GUEST_PDPTE1.encoding(),
    GUEST_PDPTE2.encoding(),
    GUEST_PDPTE3.encoding(),
];

/// What a program may write into a field.
#[derive(Clone, Copy, PartialEq, Eq)]
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

/// `EPERM` for a field that is not the program's, or a value that would reach beyond the guest; `EINVAL`
/// for one that does not fit.
pub(crate) fn check(vm: &Vm, encoding: u32, value: u64) -> Result {
    let rule = rule(encoding).ok_or(EPERM)?;
    if value > field::greatest(encoding) {
        return Err(EINVAL);
    }
    match rule {
        Rule::Any => Ok(()),
        Rule::Translation if translation::replaces_registers(vm) => Err(EPERM),
        Rule::Translation => Ok(()),
        // CAST: It fits.
        Rule::Interruptibility => check_interruptibility(&vm.machine.capabilities, value as u32),
        Rule::Activity if heeds_interrupts(value) => Ok(()),
        Rule::Activity => Err(EPERM),
    }
}

/// Must translations be dropped after a write to this field?
pub(crate) fn translates(encoding: u32) -> bool {
    rule(encoding) == Some(Rule::Translation)
}

/// Does the CPU heed the host's interrupts in this activity state? When active, and in HLT.
pub(crate) fn heeds_interrupts(activity: u64) -> bool {
    activity <= 1
}

/// `EINVAL` for blocking by NMI where that is not virtual.
pub(crate) fn check_interruptibility(capabilities: &Capabilities, value: u32) -> Result {
    if Interruptibility::from_raw(value).nmi() && !capabilities.has_virtual_nmis() {
        return Err(EINVAL);
    }
    Ok(())
}

fn rule(encoding: u32) -> Option<Rule> {
    let is = |fields: &[u32]| fields.contains(&encoding);
    if is(&TRANSLATION) {
        Some(Rule::Translation)
    } else if encoding == GUEST_INTERRUPTIBILITY.encoding() {
        Some(Rule::Interruptibility)
    } else if encoding == GUEST_ACTIVITY.encoding() {
        Some(Rule::Activity)
    } else if is(&OTHERS) || is_of_a_segment(encoding) {
        Some(Rule::Any)
    } else {
        None
    }
}

const TRANSLATION: [u32; 6] = [
    GUEST_CR3.encoding(),
    GUEST_PAT.encoding(),
    GUEST_PDPTE0.encoding(),
    GUEST_PDPTE1.encoding(),
    GUEST_PDPTE2.encoding(),
    GUEST_PDPTE3.encoding(),
];

const OTHERS: [u32; 12] = [
    GUEST_GDTR_LIMIT.encoding(),
    GUEST_IDTR_LIMIT.encoding(),
    GUEST_GDTR_BASE.encoding(),
    GUEST_IDTR_BASE.encoding(),
    GUEST_SYSENTER_CS.encoding(),
    GUEST_SYSENTER_ESP.encoding(),
    GUEST_SYSENTER_EIP.encoding(),
    GUEST_DR7.encoding(),
    GUEST_RSP.encoding(),
    GUEST_RIP.encoding(),
    GUEST_RFLAGS.encoding(),
    GUEST_PENDING_DEBUG_EXCEPTIONS.encoding(),
];

fn is_of_a_segment(encoding: u32) -> bool {
    SEGMENTS.iter().any(|(selector, base, limit, rights)| {
        let fields = [
            selector.encoding(),
            base.encoding(),
            limit.encoding(),
            rights.encoding(),
        ];
        fields.contains(&encoding)
    })
}
