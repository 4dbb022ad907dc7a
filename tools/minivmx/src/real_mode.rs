// SPDX-License-Identifier: GPL-2.0

//! A first environment for guests in real mode.

use crate::uapi::{
    minivmx_regs,
    minivmx_segment,
    minivmx_sregs,
    minivmx_table, //
};

/// Real mode as a program finds it that is in one segment, as DOS had it for .COM files: code, data
/// and stack in the same 64 KiB.
///
/// It needs a VM under [EPT](crate::Mmu::Ept).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RealMode;

// Access rights as they are in a VMCS: accessed, present; SDM Vol. 3C, "Guest Register State".
const CODE_RIGHTS: u32 = 0x9b;
const DATA_RIGHTS: u32 = 0x93;
const LDT_RIGHTS: u32 = 0x82;
const BUSY_TSS_RIGHTS: u32 = 0x8b;

const CR0_ET: u64 = 1 << 4;
/// Bit 1 of RFLAGS is always set.
const RFLAGS: u64 = 1 << 1;
/// 256 vectors of 4 bytes.
const INTERRUPT_VECTORS: u32 = 0x3ff;

impl RealMode {
    /// System registers with all segments at `segment`, which is 16 `segment` in guest-physical
    /// memory; as of another guest than there may have been. What they do not set stays as in
    /// `before`.
    pub fn sregs(before: &minivmx_sregs, segment: u16) -> minivmx_sregs {
        let data = at(segment, DATA_RIGHTS);
        minivmx_sregs {
            cs: at(segment, CODE_RIGHTS),
            ds: data,
            es: data,
            fs: data,
            gs: data,
            ss: data,
            ldtr: at(0, LDT_RIGHTS),
            tr: at(0, BUSY_TSS_RIGHTS),
            gdtr: minivmx_table::default(),
            idtr: minivmx_table {
                limit: INTERRUPT_VECTORS,
                ..Default::default()
            },
            cr0: CR0_ET,
            cr3: 0,
            cr4: 0,
            efer: 0,
            interruptibility: 0,
            pending_debug: 0,
            activity: 0,
            flags: 0,
            ..*before
        }
    }

    /// General registers for a program that begins at `ip` of its segment, whose stack grows down
    /// from the end of that.
    pub fn regs(ip: u16) -> minivmx_regs {
        minivmx_regs {
            rip: ip.into(),
            rflags: RFLAGS,
            ..Default::default()
        }
    }
}

fn at(segment: u16, access_rights: u32) -> minivmx_segment {
    minivmx_segment {
        base: u64::from(segment) << 4,
        limit: 0xffff,
        selector: segment,
        access_rights,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_where_its_selector_says() {
        let sregs = RealMode::sregs(&minivmx_sregs::default(), 0x7c0);
        assert_eq!((sregs.cs.selector, sregs.cs.base), (0x7c0, 0x7c00));
        assert_eq!(sregs.ss.base, sregs.ds.base);
    }
}
