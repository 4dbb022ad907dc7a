// SPDX-License-Identifier: GPL-2.0

//! Where on the PCI bus what is plugged in is, if it is: behind the bridge, whose slot is 0.

/// With the line of the interrupt controllers that its INTA# leads to.
#[derive(Clone, Copy)]
pub struct Slot {
    pub number: u8,
    pub line: u8,
}

pub const DISK: Slot = Slot {
    number: 1,
    line: 11,
};

pub const CONSOLE: Slot = Slot {
    number: 2,
    line: 10,
};

/// All but the bridge's.
pub const ALL: [Slot; 2] = [DISK, CONSOLE];
