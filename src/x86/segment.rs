// SPDX-License-Identifier: GPL-2.0

//! Segments (SDM Vol. 3A, "Segment Descriptors").

use super::address::is_canonical;
use kernel::bitfield;

bitfield! {
    /// Access rights of a segment, in the form that a VMCS has them
    /// (SDM Vol. 3C, "Guest Register State").
    pub(crate) struct AccessRights(u32) {
        /// The register holds no segment, such as after a load of a null selector.
        16:16 unusable => bool;
        /// G: the limit is in units of 4 KiB in the descriptor.
        15:15 granularity => bool;
        /// D/B: 32-bit code; of data that expands down, the upper bound is 4 GiB, not 64 KiB.
        14:14 big => bool;
        /// L: 64-bit code, if IA-32e mode is active.
        13:13 long => bool;
        /// DPL: privilege level. In SS, the CPL.
        6:5 dpl;
        /// P: the segment is present.
        7:7 present => bool;
        /// S: code or data.
        4:4 segment => bool;
        /// Type, of which the next three are bits.
        3:0 kind;
        /// Type, bit 3: code.
        3:3 code => bool;
        /// Type, bit 2: of data, expand-down; of code, conforming.
        2:2 expand_down => bool;
        /// Type, bit 1: of data, writable; of code, readable.
        1:1 second_access => bool;
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

    /// Of a task-state segment: has it 16 bits?
    pub(crate) fn is_16_bit_task(self) -> bool {
        matches!(self.into_raw() & 0xf, 1 | 3)
    }

    /// May data be read, or written? (SDM Vol. 3A, "Type Checking"). Without protection code is
    /// data.
    fn allow(self, write: bool, protection: bool) -> bool {
        match (self.code(), write) {
            _ if self.unusable() => false,
            (true, true) => !protection && self.second_access(),
            (true, false) | (false, true) => self.second_access(),
            (false, false) => true,
        }
    }
}

/// Numbers of segment registers, as instructions have them.
pub(crate) mod number {
    pub(crate) const ES: u32 = 0;
    pub(crate) const SS: u32 = 2;
    pub(crate) const FS: u32 = 4;
    pub(crate) const GS: u32 = 5;
}

/// What the mode of the processor makes of segments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// Real mode: type means little. (Virtual-8086 mode is [`Self::Protected`] with segments of its
    /// own.)
    Real,
    /// Protected mode, compatibility mode included.
    Protected,
    /// 64-bit mode: only the bases of FS and GS count.
    Bits64,
}

/// A segment register, as far as accesses to memory depend on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    /// Of [`number`].
    pub(crate) number: u32,
    /// Base.
    pub(crate) base: u64,
    /// Limit in bytes, whatever the granularity.
    pub(crate) limit: u32,
    /// Access rights.
    pub(crate) rights: AccessRights,
}

impl Segment {
    /// The linear address of an operand whose bytes are `offset` to `offset + last`; [`None`] if
    /// the segment does not allow the access: #SS(0) if it is SS, else #GP(0).
    pub(crate) fn linear(self, mode: Mode, offset: u64, last: u32, write: bool) -> Option<u64> {
        if mode == Mode::Bits64 {
            return self.linear_in_64_bits(offset, last);
        }
        // CAST: Outside 64-bit mode offsets have 32 bits.
        let fits = self.contains(offset as u32, last);
        let allowed = self.rights.allow(write, mode == Mode::Protected);
        (fits && allowed).then_some(self.base.wrapping_add(offset) & 0xffff_ffff)
    }

    /// The same with neither limit nor type, but with addresses that do not exist
    /// (SDM Vol. 3A, "Limit Checking in 64-bit Mode").
    fn linear_in_64_bits(self, offset: u64, last: u32) -> Option<u64> {
        let based = matches!(self.number, number::FS | number::GS);
        let base = if based { self.base } else { 0 };
        let linear = base.wrapping_add(offset);
        let end = linear.wrapping_add(last.into());
        (is_canonical(linear) && is_canonical(end)).then_some(linear)
    }

    /// Are these bytes within the limit? (SDM Vol. 3A, "Limit Checking").
    fn contains(self, offset: u32, last: u32) -> bool {
        if self.rights.expand_down() && !self.rights.code() {
            let bound = if self.rights.big() { u32::MAX } else { 0xffff };
            let end = offset.checked_add(last);
            return offset > self.limit && end.is_some_and(|end| end <= bound);
        }
        match offset.checked_add(last) {
            Some(end) => end <= self.limit,
            // Beyond 4 GiB the operand goes on at 0. A processor may fault or not.
            None => self.limit == u32::MAX,
        }
    }
}
