// SPDX-License-Identifier: GPL-2.0

//! Two 8259A interrupt controllers, as far as a guest sets them up.
//!
//! They keep what they are told, masks and vectors; nothing is pending in them
//! (Intel 8259A data sheet, "Programming the 8259A").

use super::Device;

const ICW1: u8 = 1 << 4;
const ICW1_NEEDS_ICW4: u8 = 1 << 0;
const ICW1_SINGLE: u8 = 1 << 1;

/// Master at 0x20 and slave at 0xa0.
#[derive(Default)]
pub struct Pic {
    master: Chip,
    slave: Chip,
}

impl Pic {
    /// The vector of an interrupt line of the master; `None` while it is masked.
    pub fn vector(&self, line: u8) -> Option<u8> {
        let unmasked = self.master.mask & (1 << line) == 0;
        let base = self.master.base?;
        unmasked.then_some(base | line)
    }

    fn chip(&mut self, port: u16) -> &mut Chip {
        match port & 0x80 {
            0 => &mut self.master,
            _ => &mut self.slave,
        }
    }
}

impl Device for Pic {
    fn read(&mut self, port: u16, _width: u8) -> u32 {
        match port & 1 {
            0 => 0,
            _ => self.chip(port).mask.into(),
        }
    }

    fn write(&mut self, port: u16, _width: u8, value: u32) {
        let chip = self.chip(port);
        match port & 1 {
            0 => chip.command(value as u8),
            _ => chip.data(value as u8),
        }
    }
}

/// What the next byte at the data port is.
#[derive(Clone, Copy, Default)]
enum Expects {
    #[default]
    Mask,
    Base,
    Cascade,
    Icw4,
}

#[derive(Default)]
struct Chip {
    expects: Expects,
    icw1: u8,
    mask: u8,
    /// Vector of line 0; `None` before the initialization.
    base: Option<u8>,
}

impl Chip {
    fn command(&mut self, value: u8) {
        if value & ICW1 != 0 {
            (self.icw1, self.mask) = (value, 0);
            self.expects = Expects::Base;
        }
    }

    fn data(&mut self, value: u8) {
        match self.expects {
            Expects::Mask => self.mask = value,
            Expects::Base => self.base = Some(value & 0xf8),
            Expects::Cascade | Expects::Icw4 => {}
        }
        self.expects = self.next();
    }

    fn next(&self) -> Expects {
        let single = self.icw1 & ICW1_SINGLE != 0;
        let icw4 = self.icw1 & ICW1_NEEDS_ICW4 != 0;
        match self.expects {
            Expects::Base if !single => Expects::Cascade,
            Expects::Base | Expects::Cascade if icw4 => Expects::Icw4,
            _ => Expects::Mask,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_vector_once_it_is_set_up_and_unmasked() {
        let mut pic = Pic::default();
        assert_eq!(pic.vector(0), None);
        for (port, value) in [(0x20, 0x11), (0x21, 0x08), (0x21, 0x04), (0x21, 0x01)] {
            pic.write(port, 1, value);
        }
        pic.write(0x21, 1, 0xfe);
        assert_eq!(pic.read(0x21, 1), 0xfe);
        assert_eq!(pic.vector(0), Some(8));
        assert_eq!(pic.vector(1), None);
    }

    #[test]
    fn the_slave_is_another_chip() {
        let mut pic = Pic::default();
        pic.write(0xa1, 1, 0x5a);
        assert_eq!((pic.read(0x21, 1), pic.read(0xa1, 1)), (0, 0x5a));
    }

    #[test]
    fn an_end_of_interrupt_changes_no_mask() {
        let mut pic = Pic::default();
        pic.write(0x21, 1, 0xb8);
        pic.write(0x20, 1, 0x20);
        assert_eq!(pic.read(0x21, 1), 0xb8);
    }
}
