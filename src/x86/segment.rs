// SPDX-License-Identifier: GPL-2.0

//! Segments (SDM Vol. 3A, "Segment Descriptors").

use kernel::bitfield;

bitfield! {
    /// Access rights of a segment, in the form that a VMCS has them
    /// (SDM Vol. 3C, "Guest Register State").
    pub(crate) struct AccessRights(u32) {
        /// L: 64-bit code, if IA-32e mode is active.
        13:13 long => bool;
        /// DPL: privilege level. In SS, the CPL.
        6:5 dpl;
    }
}

impl AccessRights {
    /// A segment of data after power-up.
    pub(crate) const DATA: Self = Self::from_raw(0x93);
    /// A segment of code after power-up.
    pub(crate) const CODE: Self = Self::from_raw(0x9b);
    /// A local descriptor table.
    pub(crate) const LDT: Self = Self::from_raw(0x82);
    /// The task-state segment of the current task.
    pub(crate) const BUSY_TSS: Self = Self::from_raw(0x8b);
}
