// SPDX-License-Identifier: GPL-2.0

//! What blocks events of a guest, as bits of its interruptibility (SDM Vol. 3C, "Guest Non-Register
//! State").

pub const BY_STI: u32 = 1 << 0;
pub const BY_MOV_SS: u32 = 1 << 1;
pub const BY_NMI: u32 = 1 << 3;
