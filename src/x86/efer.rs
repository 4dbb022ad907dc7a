// SPDX-License-Identifier: GPL-2.0

//! IA32_EFER (SDM Vol. 3A, "Extended Feature Enable Register").

use super::{
    cr0,
    cr4,
    segment::AccessRights, //
};

/// SYSCALL and SYSRET.
pub(crate) const SCE: u64 = 1 << 0;
/// IA-32e mode begins with paging.
pub(crate) const LME: u64 = 1 << 8;
/// IA-32e mode is active.
pub(crate) const LMA: u64 = 1 << 10;
/// Bit 63 of a page-table entry forbids execution.
pub(crate) const NXE: u64 = 1 << 11;

/// All bits that are defined.
pub(crate) const DEFINED: u64 = SCE | LME | LMA | NXE;

/// Can a processor be in this mode? IA-32e mode is active just if it is enabled and there is
/// paging, which has 64-bit entries then (SDM Vol. 3A, "Initializing IA-32e Mode").
pub(crate) fn fits(efer: u64, cr0: u64, cr4: u64) -> bool {
    let active = efer & LMA != 0;
    let enabled = efer & LME != 0;
    let paging = cr0 & cr0::PG != 0;
    active == (paging && enabled) && (!active || cr4 & cr4::PAE != 0)
}

/// What IA32_EFER becomes when MOV to CR0 turns paging on or off, with the access rights of CS and
/// TR; [`None`] if that raises #GP. IA-32e mode begins and ends with paging, in code that is not
/// 64-bit code, and has no 16-bit tasks (SDM Vol. 2, "MOV - Move to/from Control Registers").
pub(crate) fn with_paging(
    efer: u64,
    on: bool,
    cr4: u64,
    code: AccessRights,
    task: AccessRights,
) -> Option<u64> {
    let begins = on && efer & LME != 0;
    let ends = !on && efer & LMA != 0;
    let possible = cr4 & cr4::PAE != 0 && !task.is_16_bit_task();
    if (begins || ends) && code.long() || begins && !possible {
        return None;
    }
    Some(if begins { efer | LMA } else { efer & !LMA })
}
