// SPDX-License-Identifier: GPL-2.0

//! The segment registers of the guest, as instructions name them.

use crate::{
    vmx::{
        segment::SEGMENTS,
        vmcs::CurrentVmcs, //
    },
    x86::segment::{
        AccessRights,
        Segment, //
    }, //
};

/// Reads a segment register, of [`crate::x86::segment::number`].
pub(crate) fn read(vmcs: &CurrentVmcs<'_>, number: u32) -> Segment {
    // CAST: 3 bits.
    let register = SEGMENTS[(number & 7) as usize];
    Segment {
        number,
        base: vmcs.read(register.base),
        limit: vmcs.read(register.limit),
        rights: AccessRights::from_raw(vmcs.read(register.rights)),
    }
}
