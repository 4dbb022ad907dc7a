// SPDX-License-Identifier: GPL-2.0

//! A CPU that another one starts: its registers after INIT and SIPI (SDM Vol. 3A,
//! "Typical AP Initialization Sequence").

use minivmx::{
    RealMode,
    Regs,
    Sregs, //
};

/// System registers of one that begins at that page; what they do not set stays as in `before`.
pub fn sregs(before: &Sregs, page: u8) -> Sregs {
    Sregs {
        cs: RealMode::sregs(before, u16::from(page) << 8).cs,
        ..RealMode::sregs(before, 0)
    }
}

pub fn regs() -> Regs {
    RealMode::regs(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_in_that_page_and_data_at_zero() {
        let sregs = sregs(&Sregs::default(), 0x99);
        assert_eq!((sregs.cs.selector, sregs.cs.base), (0x9900, 0x9_9000));
        assert_eq!((sregs.ds.selector, sregs.ds.base), (0, 0));
        assert_eq!((sregs.cr0 & 1, sregs.flags, regs().rip), (0, 0, 0));
    }
}
