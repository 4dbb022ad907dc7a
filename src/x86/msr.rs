// SPDX-License-Identifier: GPL-2.0

//! Numbers of MSRs that guests use (SDM Vol. 4).

pub(crate) const TSC: u32 = 0x10;
pub(crate) const BIOS_SIGN_ID: u32 = 0x8b;
pub(crate) const SYSENTER_CS: u32 = 0x174;
pub(crate) const SYSENTER_ESP: u32 = 0x175;
pub(crate) const SYSENTER_EIP: u32 = 0x176;
pub(crate) const MISC_ENABLE: u32 = 0x1a0;
pub(crate) const DEBUGCTL: u32 = 0x1d9;
pub(crate) const PAT: u32 = 0x277;
pub(crate) const EFER: u32 = 0xc000_0080;
pub(crate) const STAR: u32 = 0xc000_0081;
pub(crate) const FMASK: u32 = 0xc000_0084;
pub(crate) const FS_BASE: u32 = 0xc000_0100;
pub(crate) const GS_BASE: u32 = 0xc000_0101;
pub(crate) const KERNEL_GS_BASE: u32 = 0xc000_0102;
