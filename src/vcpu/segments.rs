// SPDX-License-Identifier: GPL-2.0

//! The segment registers of the guest, by their fields in the VMCS.

use crate::{
    vmx::{
        field::*,
        vmcs::CurrentVmcs, //
    },
    x86::segment::{
        AccessRights,
        Segment, //
    }, //
};

/// Selector, base, limit and access rights of a segment register.
type SegmentFields = (
    Field<u16, crate::vmx::field::Guest>,
    Field<Natural, crate::vmx::field::Guest>,
    Field<u32, crate::vmx::field::Guest>,
    Field<u32, crate::vmx::field::Guest>,
);

/// ES, CS, SS, DS, FS, GS, LDTR, TR.
pub(crate) const SEGMENTS: [SegmentFields; 8] = [
    (
        GUEST_ES_SELECTOR,
        GUEST_ES_BASE,
        GUEST_ES_LIMIT,
        GUEST_ES_ACCESS_RIGHTS,
    ),
    (
        GUEST_CS_SELECTOR,
        GUEST_CS_BASE,
        GUEST_CS_LIMIT,
        GUEST_CS_ACCESS_RIGHTS,
    ),
    (
        GUEST_SS_SELECTOR,
        GUEST_SS_BASE,
        GUEST_SS_LIMIT,
        GUEST_SS_ACCESS_RIGHTS,
    ),
    (
        GUEST_DS_SELECTOR,
        GUEST_DS_BASE,
        GUEST_DS_LIMIT,
        GUEST_DS_ACCESS_RIGHTS,
    ),
    (
        GUEST_FS_SELECTOR,
        GUEST_FS_BASE,
        GUEST_FS_LIMIT,
        GUEST_FS_ACCESS_RIGHTS,
    ),
    (
        GUEST_GS_SELECTOR,
        GUEST_GS_BASE,
        GUEST_GS_LIMIT,
        GUEST_GS_ACCESS_RIGHTS,
    ),
    (
        GUEST_LDTR_SELECTOR,
        GUEST_LDTR_BASE,
        GUEST_LDTR_LIMIT,
        GUEST_LDTR_ACCESS_RIGHTS,
    ),
    (
        GUEST_TR_SELECTOR,
        GUEST_TR_BASE,
        GUEST_TR_LIMIT,
        GUEST_TR_ACCESS_RIGHTS,
    ),
];

/// Reads a segment register, of [`crate::x86::segment::number`].
pub(crate) fn read(vmcs: &CurrentVmcs<'_>, number: u32) -> Segment {
    // CAST: 3 bits.
    let (_, base, limit, rights) = SEGMENTS[(number & 7) as usize];
    Segment {
        number,
        base: vmcs.read(base),
        limit: vmcs.read(limit),
        rights: AccessRights::from_raw(vmcs.read(rights)),
    }
}
