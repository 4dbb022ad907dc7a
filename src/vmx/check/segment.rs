// SPDX-License-Identifier: GPL-2.0

//! A segment register of a guest, as the VMCS has it.

use super::view::View;
use crate::{
    vmx::field::*,
    x86::segment::AccessRights, //
};

/// The four fields of a segment register.
#[derive(Clone, Copy)]
pub(super) struct Register {
    pub(super) selector: Field<u16, Guest>,
    pub(super) base: Field<Natural, Guest>,
    pub(super) limit: Field<u32, Guest>,
    pub(super) rights: Field<u32, Guest>,
}

macro_rules! registers {
    ($($name:ident: $selector:ident, $base:ident, $limit:ident, $rights:ident;)*) => {$(
        pub(super) const $name: Register = Register {
            selector: $selector,
            base: $base,
            limit: $limit,
            rights: $rights,
        };
    )*};
}

registers! {
    ES: GUEST_ES_SELECTOR, GUEST_ES_BASE, GUEST_ES_LIMIT, GUEST_ES_ACCESS_RIGHTS;
    CS: GUEST_CS_SELECTOR, GUEST_CS_BASE, GUEST_CS_LIMIT, GUEST_CS_ACCESS_RIGHTS;
    SS: GUEST_SS_SELECTOR, GUEST_SS_BASE, GUEST_SS_LIMIT, GUEST_SS_ACCESS_RIGHTS;
    DS: GUEST_DS_SELECTOR, GUEST_DS_BASE, GUEST_DS_LIMIT, GUEST_DS_ACCESS_RIGHTS;
    FS: GUEST_FS_SELECTOR, GUEST_FS_BASE, GUEST_FS_LIMIT, GUEST_FS_ACCESS_RIGHTS;
    GS: GUEST_GS_SELECTOR, GUEST_GS_BASE, GUEST_GS_LIMIT, GUEST_GS_ACCESS_RIGHTS;
    LDTR: GUEST_LDTR_SELECTOR, GUEST_LDTR_BASE, GUEST_LDTR_LIMIT, GUEST_LDTR_ACCESS_RIGHTS;
    TR: GUEST_TR_SELECTOR, GUEST_TR_BASE, GUEST_TR_LIMIT, GUEST_TR_ACCESS_RIGHTS;
}

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
