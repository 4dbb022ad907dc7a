// SPDX-License-Identifier: GPL-2.0

//! What programs are not told of the VMCS: they read all of it, but what tells of the host only
//! with CAP_SYS_ADMIN. What they can write stands in `vmx/guest_state.rs`.

use super::translation;
use crate::{
    vm::Vm,
    vmx::field::{
        self,
        *, //
    }, //
};

/// Does a field tell where something of the host is?
pub(crate) fn tells_of_host(vm: &Vm, encoding: u32) -> bool {
    let is_shadow = SHADOWED.contains(&encoding) && translation::replaces_registers(vm);
    is_shadow || field::is_host_state(encoding) || field::is_wide_control(encoding)
}

/// Fields in which the CPU has addresses of shadow tables, or may leave them: with EPT off the
/// PDPTEs are undefined after a VM exit.
const SHADOWED: [u32; 5] = [
    GUEST_CR3.encoding(),
    GUEST_PDPTE0.encoding(),
    GUEST_PDPTE1.encoding(),
    GUEST_PDPTE2.encoding(),
    GUEST_PDPTE3.encoding(),
];
