// SPDX-License-Identifier: GPL-2.0

//! IA-32e mode of the guest as VM entries know it: a control.

use crate::{
    vmx::{
        controls::Entry,
        field::*,
        vmcs::CurrentVmcs, //
    },
    x86::efer, //
};

/// Makes VM entries load the mode that this IA32_EFER tells of.
pub(super) fn write(vmcs: &CurrentVmcs<'_>, value: u64) {
    let others = vmcs.read(ENTRY_CONTROLS) & !Entry::IA32E_MODE_GUEST.raw();
    let mode = if value & efer::LMA != 0 {
        Entry::IA32E_MODE_GUEST.raw()
    } else {
        0
    };
    vmcs.write(ENTRY_CONTROLS, others | mode);
}
