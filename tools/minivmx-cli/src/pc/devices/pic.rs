// SPDX-License-Identifier: GPL-2.0

//! Two 8259A interrupt controllers, the second behind line 2 of the first (Intel
//! 8259A data sheet).
//!
//! By hand, as no crate has them. Lines are edge-triggered, and line 0 comes first: rotating
//! priorities, polling and the special modes are not offered, as no guest of ours asks for them.
//! What says of a line that it is a level is memory only (Intel 82371 data sheet, "Edge/Level
//! Control Registers"); firmware does so of ACPI's interrupt, which nothing here raises.

use serde::{
    Deserialize,
    Serialize, //
};

use super::{
    Device,
    ACPI_LINE, //
};

const ICW1: u8 = 1 << 4;
const ICW1_NEEDS_ICW4: u8 = 1 << 0;
const ICW1_SINGLE: u8 = 1 << 1;
const ICW4_AUTO_END: u8 = 1 << 1;
const OCW3: u8 = 1 << 3;
const OCW3_READS: u8 = 1 << 1;
const OCW3_IN_SERVICE: u8 = 1 << 0;
const END_OF_INTERRUPT: u8 = 1 << 5;
const END_OF_NAMED: u8 = 1 << 6;

/// The line of the master that the slave is behind.
const CASCADE: u8 = 2;
const LINES: u8 = 8;

/// Its registers, and of them the lines that may be a level: not those of clock, keyboard, slave,
/// RTC and FPU.
const LEVELS: u16 = 0x4d0;
const MAY_BE_LEVELS: [u8; 2] = [0xf8, 0xde];

/// Master at 0x20 and slave at 0xa0.
#[derive(Clone, Deserialize, Serialize)]
pub struct Pic {
    master: Chip,
    slave: Chip,
    levels: [u8; 2],
}

impl Default for Pic {
    fn default() -> Self {
        Self {
            master: Chip::default(),
            slave: Chip::default(),
            levels: [0, 1 << (ACPI_LINE % LINES)],
        }
    }
}

impl Pic {
    /// The vector of an interrupt line of the master; `None` while it is masked.
    pub fn vector(&self, line: u8) -> Option<u8> {
        let unmasked = self.master.mask & (1 << line) == 0;
        let base = self.master.base?;
        unmasked.then_some(base | line)
    }

    /// Whether an edge of that line changes anything: not while the CPU has to take the last one.
    pub fn hears(&self, line: u8) -> bool {
        self.vector(line).is_some() && self.master.requested & (1 << line) == 0
    }

    /// Raises one of the lines 0 to 15, for a moment.
    pub fn pulse(&mut self, line: u8) {
        match line {
            0..LINES => self.master.requested |= 1 << line,
            _ => self.slave.requested |= 1 << (line % LINES),
        }
    }

    /// Whether the CPU is asked to take an interrupt.
    pub fn is_pending(&self) -> bool {
        self.master.first(self.cascade()).is_some()
    }

    /// The CPU takes the interrupt that comes first: its vector.
    pub fn acknowledge(&mut self) -> Option<u8> {
        let line = self.master.first(self.cascade())?;
        let vector = self.master.acknowledge(line);
        if line == CASCADE {
            let line = self.slave.first(0)?;
            return self.slave.acknowledge(line);
        }
        vector
    }

    /// What the slave asks of the master, as a bit of its lines.
    fn cascade(&self) -> u8 {
        u8::from(self.slave.first(0).is_some()) << CASCADE
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
        if port >= LEVELS {
            return self.levels[usize::from(port & 1)].into();
        }
        let chip = self.chip(port);
        let register = match port & 1 {
            0 if chip.reads_in_service => chip.in_service,
            0 => chip.requested,
            _ => chip.mask,
        };
        register.into()
    }

    fn write(&mut self, port: u16, _width: u8, value: u32) {
        if port >= LEVELS {
            let number = usize::from(port & 1);
            self.levels[number] = value as u8 & MAY_BE_LEVELS[number];
            return;
        }
        let chip = self.chip(port);
        match port & 1 {
            0 => chip.command(value as u8),
            _ => chip.data(value as u8),
        }
    }
}

/// What the next byte at the data port is.
#[derive(Clone, Copy, Default, Deserialize, Serialize)]
enum Expects {
    #[default]
    Mask,
    Base,
    Cascade,
    Icw4,
}

/// Registers have a bit for each line.
#[derive(Clone, Default, Deserialize, Serialize)]
struct Chip {
    expects: Expects,
    icw1: u8,
    mask: u8,
    requested: u8,
    in_service: u8,
    /// Interrupts end when they are taken.
    ends_by_itself: bool,
    reads_in_service: bool,
    /// Vector of line 0; `None` before the initialization.
    base: Option<u8>,
}

impl Chip {
    /// The line whose interrupt the CPU is to take: of those that are requested, here or by
    /// `others`, the first, if no interrupt in service comes before it.
    fn first(&self, others: u8) -> Option<u8> {
        self.base?;
        let line = first_of((self.requested | others) & !self.mask)?;
        let running = first_of(self.in_service).unwrap_or(LINES);
        (line < running).then_some(line)
    }

    fn acknowledge(&mut self, line: u8) -> Option<u8> {
        self.requested &= !(1 << line);
        if !self.ends_by_itself {
            self.in_service |= 1 << line;
        }
        Some(self.base? | line)
    }

    fn command(&mut self, value: u8) {
        match value {
            _ if value & ICW1 != 0 => self.initialize(value),
            _ if value & OCW3 != 0 => self.choose_register(value),
            _ if value & END_OF_INTERRUPT == 0 => {}
            _ if value & END_OF_NAMED != 0 => self.in_service &= !(1 << (value % LINES)),
            _ => self.in_service &= self.in_service.wrapping_sub(1),
        }
    }

    fn initialize(&mut self, icw1: u8) {
        *self = Self {
            expects: Expects::Base,
            icw1,
            ..Self::default()
        };
    }

    fn choose_register(&mut self, ocw3: u8) {
        if ocw3 & OCW3_READS != 0 {
            self.reads_in_service = ocw3 & OCW3_IN_SERVICE != 0;
        }
    }

    fn data(&mut self, value: u8) {
        match self.expects {
            Expects::Mask => self.mask = value,
            Expects::Base => self.base = Some(value & 0xf8),
            Expects::Cascade => {}
            Expects::Icw4 => self.ends_by_itself = value & ICW4_AUTO_END != 0,
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

/// The line that comes first of these.
fn first_of(lines: u8) -> Option<u8> {
    // CAST: At most 7.
    (lines != 0).then_some(lines.trailing_zeros() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Linux sets them up, with vectors from 0x30, and nothing masked.
    fn ready() -> Pic {
        let mut pic = Pic::default();
        for (chip, base, cascade) in [(0x20, 0x30, 0x04), (0xa0, 0x38, 0x02)] {
            pic.write(chip, 1, 0x11);
            for value in [base, cascade, 0x01] {
                pic.write(chip + 1, 1, value);
            }
        }
        pic
    }

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

    #[test]
    fn a_chip_without_vectors_asks_for_nothing() {
        let mut pic = Pic::default();
        pic.pulse(0);
        assert!(!pic.is_pending());
        assert_eq!(pic.acknowledge(), None);
    }

    #[test]
    fn an_interrupt_is_taken_once_and_the_next_waits_for_its_end() {
        let mut pic = ready();
        pic.pulse(4);
        assert!(pic.is_pending());
        assert_eq!(pic.acknowledge(), Some(0x34));
        assert!(!pic.is_pending());
        pic.pulse(4);
        pic.pulse(6);
        assert!(!pic.is_pending(), "4 is in service");
        pic.write(0x20, 1, 0x60 | 4);
        assert_eq!(pic.acknowledge(), Some(0x34), "an edge is not lost");
        pic.write(0x20, 1, 0x20);
        assert_eq!(pic.acknowledge(), Some(0x36));
    }

    #[test]
    fn what_comes_first_interrupts_what_is_in_service() {
        let mut pic = ready();
        pic.pulse(4);
        assert_eq!(pic.acknowledge(), Some(0x34));
        pic.pulse(0);
        assert_eq!(pic.acknowledge(), Some(0x30));
        // The end without a name is that of the first in service.
        pic.write(0x20, 1, 0x20);
        pic.write(0x20, 1, 0x0b);
        assert_eq!(pic.read(0x20, 1), 0x10);
    }

    #[test]
    fn a_masked_line_remembers_its_edge() {
        let mut pic = ready();
        pic.write(0x21, 1, 0xff);
        pic.pulse(0);
        assert!(!pic.is_pending());
        assert_eq!(pic.read(0x20, 1), 1, "it is requested");
        pic.write(0x21, 1, 0xfe);
        assert_eq!(pic.acknowledge(), Some(0x30));
    }

    #[test]
    fn the_slave_comes_through_line_2() {
        let mut pic = ready();
        pic.pulse(8);
        pic.pulse(3);
        assert_eq!(pic.acknowledge(), Some(0x38));
        assert!(!pic.is_pending(), "line 2 comes before line 3");
        pic.write(0xa0, 1, 0x60);
        pic.write(0x20, 1, 0x60 | 2);
        assert_eq!(pic.acknowledge(), Some(0x33));
    }

    #[test]
    fn an_interrupt_may_end_by_itself() {
        let mut pic = ready();
        for (port, value) in [(0x20, 0x11), (0x21, 0x30), (0x21, 0x04), (0x21, 0x03)] {
            pic.write(port, 1, value);
        }
        for _ in 0..2 {
            pic.pulse(5);
            assert_eq!(pic.acknowledge(), Some(0x35));
        }
    }

    #[test]
    fn the_line_of_acpi_is_said_to_be_a_level() {
        let mut pic = Pic::default();
        assert_eq!((pic.read(0x4d0, 1), pic.read(0x4d1, 1)), (0, 0x02));
        for port in [0x4d0, 0x4d1] {
            pic.write(port, 1, 0xff);
        }
        assert_eq!((pic.read(0x4d0, 1), pic.read(0x4d1, 1)), (0xf8, 0xde));
    }
}
