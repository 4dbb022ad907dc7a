// SPDX-License-Identifier: GPL-2.0

//! What the rules ask of a segment register.

use super::view::View;
use crate::{
    vmx::segment::Register,
    x86::segment::AccessRights, //
};

/// Privilege level of a selector.
pub(super) fn rpl(selector: u16) -> u32 {
    u32::from(selector & 3)
}

/// Does a selector mean the LDT?
pub(super) fn is_local(selector: u16) -> bool {
    selector & 4 != 0
}

impl View<'_> {
    /// Access rights of a segment register.
    pub(super) fn rights(&self, register: Register) -> AccessRights {
        AccessRights::from_raw(self.read(register.rights))
    }

    /// Can the register be used?
    pub(super) fn is_usable(&self, register: Register) -> bool {
        !self.rights(register).unusable()
    }

    /// Privilege level of a segment; of SS, the CPL.
    pub(super) fn dpl(&self, register: Register) -> u32 {
        self.rights(register).dpl().get()
    }
}
