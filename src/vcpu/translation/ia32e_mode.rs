// SPDX-License-Identifier: GPL-2.0

//! IA-32e mode of the guest as VM entries know it: a control.

use crate::{
    vmx::vmcs::CurrentVmcs,
    x86::efer, //
};

/// Makes VM entries load the mode that this IA32_EFER tells of.
pub(super) fn write(vmcs: &CurrentVmcs<'_>, value: u64) {
    vmcs.set_ia32e_mode(value & efer::LMA != 0);
}
