// SPDX-License-Identifier: GPL-2.0

//! CR4 (SDM Vol. 3A, "Control Registers").

/// DR4 and DR5 do not exist.
pub(crate) const DE: u64 = 1 << 3;
/// Pages of 4 MiB in 32-bit paging.
pub(crate) const PSE: u64 = 1 << 4;
/// Entries of 64 bits.
pub(crate) const PAE: u64 = 1 << 5;
/// Machine checks are exceptions.
pub(crate) const MCE: u64 = 1 << 6;
/// Global pages.
pub(crate) const PGE: u64 = 1 << 7;
/// VME PVI TSD DE PSE PAE PGE PCE OSFXSR OSXMMEXCPT: every processor with VMX has them.
pub(crate) const BASE: u64 = 0x7bf;
/// SGDT, SIDT, SLDT, SMSW and STR are the supervisor's.
pub(crate) const UMIP: u64 = 1 << 11;
/// RDFSBASE, WRFSBASE and the like.
pub(crate) const FSGSBASE: u64 = 1 << 16;
/// Process-context identifiers.
pub(crate) const PCIDE: u64 = 1 << 17;
/// XSAVE and XSETBV.
pub(crate) const OSXSAVE: u64 = 1 << 18;
/// The supervisor does not execute pages of users.
pub(crate) const SMEP: u64 = 1 << 20;
/// The supervisor does not touch data of users.
pub(crate) const SMAP: u64 = 1 << 21;

/// Control-flow enforcement.
pub(crate) const CET: u64 = 1 << 23;

/// Bits whose change loads the PDPTEs (SDM Vol. 3A, "PDPTE Registers"), and drops translations.
pub(crate) const LOADS_PDPTES: u64 = PAE | PGE | PSE | SMEP;
