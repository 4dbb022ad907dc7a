// SPDX-License-Identifier: GPL-2.0

//! A CPU that another one starts: its registers after INIT and SIPI (SDM Vol. 3A,
//! "Typical AP Initialization Sequence"), or as the [`mailbox`] leaves it.

use minivmx::{
    LongMode,
    RealMode,
    Regs,
    Sregs, //
};

use crate::pc::{
    devices::apics::Beginning,
    mailbox, //
};

/// System registers of one that begins there; what they do not set stays as in `before`.
pub fn sregs(before: &Sregs, beginning: Beginning) -> Sregs {
    match beginning {
        Beginning::Page(page) => Sregs {
            cs: RealMode::sregs(before, u16::from(page) << 8).cs,
            ..RealMode::sregs(before, 0)
        },
        Beginning::LongMode(_) => after_mailbox(&LongMode::sregs(before)),
    }
}

/// Linux goes on from there with tables of its own in which pages are not executable, before it
/// loads IA32_EFER.
fn after_mailbox(sregs: &Sregs) -> Sregs {
    const EFER_NXE: u64 = 1 << 11;
    Sregs {
        cr3: mailbox::TABLES,
        efer: sregs.efer | EFER_NXE,
        ..*sregs
    }
}

/// General registers.
pub fn regs(beginning: Beginning) -> Regs {
    match beginning {
        Beginning::Page(_) => RealMode::regs(0),
        Beginning::LongMode(vector) => LongMode::regs(vector),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_in_that_page_and_data_at_zero() {
        let page = Beginning::Page(0x99);
        let sregs = sregs(&Sregs::default(), page);
        assert_eq!((sregs.cs.selector, sregs.cs.base), (0x9900, 0x9_9000));
        assert_eq!((sregs.ds.selector, sregs.ds.base), (0, 0));
        assert_eq!((sregs.cr0 & 1, sregs.flags, regs(page).rip), (0, 0, 0));
    }

    #[test]
    fn after_the_mailbox_paging_is_on() {
        let vector = Beginning::LongMode(0x9_9000);
        let sregs = sregs(&Sregs::default(), vector);
        assert_eq!(
            (sregs.cr0 >> 31, sregs.cr3, sregs.efer),
            (1, 0xd_1000, 0xd00)
        );
        assert_eq!((regs(vector).rip, regs(vector).rflags), (0x9_9000, 2));
    }
}
