// SPDX-License-Identifier: GPL-2.0

//! CR0 (SDM Vol. 3A, "Control Registers").

/// Protected mode.
pub(crate) const PE: u64 = 1 << 0;
/// WAIT heeds TS.
const MP: u64 = 1 << 1;
/// There is no x87 FPU.
const EM: u64 = 1 << 2;
/// Task switched: the FPU is another task's.
pub(crate) const TS: u64 = 1 << 3;
/// There is an x87 FPU: always 1.
pub(crate) const ET: u64 = 1 << 4;
/// x87 errors are exceptions.
pub(crate) const NE: u64 = 1 << 5;
/// The supervisor heeds read-only pages, too.
pub(crate) const WP: u64 = 1 << 16;
/// Not write-through.
pub(crate) const NW: u64 = 1 << 29;
/// Cache disable.
pub(crate) const CD: u64 = 1 << 30;
/// Paging.
pub(crate) const PG: u64 = 1 << 31;

/// Alignment is checked at CPL 3, if RFLAGS.AC is 1.
pub(crate) const AM: u64 = 1 << 18;

/// MP EM TS AM: of no consequence for translation, caches and VMX.
pub(crate) const OTHERS: u64 = MP | EM | TS | AM;
/// What translation depends on.
pub(crate) const PAGING: u64 = PE | WP | PG;
/// All bits that are defined.
pub(crate) const DEFINED: u64 = OTHERS | PAGING | ET | NE | NW | CD;

/// Bits whose change loads the PDPTEs (SDM Vol. 3A, "PDPTE Registers").
pub(crate) const LOADS_PDPTES: u64 = CD | NW | PG;

/// CR0 after LMSW, which loads the lowest four bits, but cannot leave protected mode
/// (SDM Vol. 2, "LMSW - Load Machine Status Word").
pub(crate) fn with_machine_status(cr0: u64, source: u64) -> u64 {
    cr0 & !(MP | EM | TS) | source & (PE | MP | EM | TS)
}

/// Would MOV to CR0 take this value, other registers aside?
pub(crate) fn is_consistent(value: u64) -> bool {
    let paging_unprotected = value & (PG | PE) == PG;
    let not_write_through_cached = value & (CD | NW) == NW;
    value & !DEFINED == 0 && !paging_unprotected && !not_write_through_cached
}
