// SPDX-License-Identifier: GPL-2.0

//! The segment registers of a guest, by their fields in the VMCS
//! (SDM Vol. 3C, "Guest Register State").

use super::field::*;

/// The four fields of a segment register.
#[derive(Clone, Copy)]
pub(crate) struct Register {
    /// Selector.
    pub(crate) selector: Field<u16, Guest>,
    /// Base address.
    pub(crate) base: Field<Natural, Guest>,
    /// Limit, in bytes.
    pub(crate) limit: Field<u32, Guest>,
    /// Access rights, of [`crate::x86::segment::AccessRights`].
    pub(crate) rights: Field<u32, Guest>,
}

macro_rules! registers {
    ($($name:ident: $selector:ident, $base:ident, $limit:ident, $rights:ident;)*) => {
        $(
            #[doc = stringify!($name)]
            pub(crate) const $name: Register = Register {
                selector: $selector,
                base: $base,
                limit: $limit,
                rights: $rights,
            };
        )*

        /// All of them.
        pub(crate) const SEGMENTS: [Register; 8] = [$($name),*];
    };
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
