// SPDX-License-Identifier: GPL-2.0

//! How VMX instructions fail.

use kernel::prelude::*;

/// Outcome of a VMX instruction that did not succeed (SDM Vol. 3D, "Conventions").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    /// The instruction raised an exception: the CPU is not in VMX operation.
    Fault,
    /// VMfailInvalid or VMfailValid. Where there is a current VMCS, its VM-instruction error field
    /// says why.
    Instruction,
}

impl From<Failure> for Error {
    fn from(_: Failure) -> Self {
        EIO
    }
}

/// Is this the VM-instruction error of a VM entry that does not like control or host-state fields?
pub(crate) fn is_for_fields(number: u32) -> bool {
    matches!(number, 7 | 8)
}

/// What the VM-instruction error field means (SDM Vol. 3D, "VM Instruction Error Numbers").
pub(crate) fn describe(number: u32) -> &'static str {
    match number {
        1 => "VMCALL executed in VMX root operation",
        2 => "VMCLEAR with invalid physical address",
        3 => "VMCLEAR with VMXON pointer",
        4 => "VMLAUNCH with non-clear VMCS",
        5 => "VMRESUME with non-launched VMCS",
        6 => "VMRESUME after VMXOFF",
        7 => "VM entry with invalid control fields",
        8 => "VM entry with invalid host-state fields",
        9 => "VMPTRLD with invalid physical address",
        10 => "VMPTRLD with VMXON pointer",
        11 => "VMPTRLD with incorrect VMCS revision identifier",
        12 => "VMREAD or VMWRITE of an unsupported VMCS component",
        13 => "VMWRITE to a read-only VMCS component",
        15 => "VMXON executed in VMX root operation",
        16 => "VM entry with invalid executive-VMCS pointer",
        17 => "VM entry with non-launched executive VMCS",
        18 => "VM entry with executive-VMCS pointer not VMXON pointer",
        19 => "VMCALL with non-clear VMCS",
        20 => "VMCALL with invalid VM-exit control fields",
        22 => "VMCALL with incorrect MSEG revision identifier",
        23 => "VMXOFF under dual-monitor treatment",
        24 => "VMCALL with invalid SMM-monitor features",
        25 => "VM entry with invalid VM-execution control fields in executive VMCS",
        26 => "VM entry with events blocked by MOV SS",
        28 => "invalid operand to INVEPT or INVVPID",
        _ => "unknown VM-instruction error",
    }
}
