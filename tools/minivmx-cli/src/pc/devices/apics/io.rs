// SPDX-License-Identifier: GPL-2.0

//! The I/O APIC (Intel 82093AA data sheet): which CPU hears of which interrupt line.
//!
//! By hand, as no crate has it. Lines are edge-triggered, as those of the 8259A.

use super::message::Message;

const PINS: usize = 24;
/// With 24 pins.
pub const VERSION_VALUE: u32 = ((PINS as u32 - 1) << 16) | 0x11;

// By their offsets.
const SELECT: u64 = 0x00;
const WINDOW: u64 = 0x10;

// By their numbers.
const ID: u8 = 0;
const VERSION: u8 = 1;
const TABLE: u8 = 0x10;

const MASKED: u32 = 1 << 16;
/// Delivery status and remote IRR cannot be written.
const WRITABLE: u32 = 0x1_afff;

/// Where ISA's line 0, the clock, leads, as on every PC; the others are at the pins of their
/// numbers.
pub const CLOCK_PIN: u8 = 2;

pub struct IoApic {
    id: u32,
    selected: u8,
    /// The two halves of each pin's entry.
    table: [[u32; 2]; PINS],
}

impl Default for IoApic {
    fn default() -> Self {
        Self {
            id: 0,
            selected: 0,
            table: [[MASKED, 0]; PINS],
        }
    }
}

impl IoApic {
    pub fn new(id: u8) -> Self {
        Self {
            id: u32::from(id) << 24,
            ..Self::default()
        }
    }

    pub fn read(&mut self, offset: u64) -> u32 {
        match offset {
            SELECT => self.selected.into(),
            WINDOW => self.register().map_or(0, |register| register.value()),
            _ => 0,
        }
    }

    pub fn write(&mut self, offset: u64, value: u32) {
        match (offset, self.register()) {
            (SELECT, _) => self.selected = value as u8,
            (WINDOW, Some(Register::Id(id))) => *id = value & 0x0f00_0000,
            (WINDOW, Some(Register::Low(low))) => *low = value & WRITABLE,
            (WINDOW, Some(Register::High(high))) => *high = value & 0xff00_0000,
            _ => {}
        }
    }

    /// A line rises: what is to be sent. Nothing is kept for one that is masked.
    pub fn raise(&self, line: u8) -> Option<Message> {
        let [low, high] = *self.entry(line).filter(|[low, _]| low & MASKED == 0)?;
        Message::new(low, high)
    }

    /// Whether somebody listens to a line.
    pub fn is_heard(&self, line: u8) -> bool {
        self.entry(line).is_some_and(|[low, _]| low & MASKED == 0)
    }

    fn entry(&self, line: u8) -> Option<&[u32; 2]> {
        self.table.get(usize::from(pin(line)))
    }

    fn register(&mut self) -> Option<Register<'_>> {
        match self.selected {
            ID => Some(Register::Id(&mut self.id)),
            VERSION => Some(Register::Version),
            number => {
                let number = number.checked_sub(TABLE)?;
                let [low, high] = self.table.get_mut(usize::from(number / 2))?;
                Some(match number % 2 {
                    0 => Register::Low(low),
                    _ => Register::High(high),
                })
            }
        }
    }
}

/// The register that is selected.
enum Register<'a> {
    Id(&'a mut u32),
    Version,
    Low(&'a mut u32),
    High(&'a mut u32),
}

impl Register<'_> {
    fn value(self) -> u32 {
        match self {
            Self::Version => VERSION_VALUE,
            Self::Id(value) | Self::Low(value) | Self::High(value) => *value,
        }
    }
}

/// The pin of one of ISA's lines.
pub fn pin(line: u8) -> u8 {
    match line {
        0 => CLOCK_PIN,
        line => line,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::message::{
            Kind,
            To, //
        },
        *,
    };

    fn write(apic: &mut IoApic, register: u32, value: u32) {
        apic.write(SELECT, register);
        apic.write(WINDOW, value);
    }

    fn read(apic: &mut IoApic, register: u32) -> u32 {
        apic.write(SELECT, register);
        apic.read(WINDOW)
    }

    #[test]
    fn it_has_24_pins_that_are_masked() {
        let mut apic = IoApic::default();
        assert_eq!(read(&mut apic, 1), 0x17_0011);
        write(&mut apic, 1, 0);
        assert_eq!(read(&mut apic, 1), 0x17_0011);
        for pin in 0..24 {
            assert_eq!(read(&mut apic, 0x10 + 2 * pin), MASKED);
        }
        assert_eq!(read(&mut apic, 0x40), 0, "there is no 25th");
    }

    #[test]
    fn a_line_leads_where_its_entry_says() {
        let mut apic = IoApic::default();
        assert_eq!(apic.raise(4), None);
        write(&mut apic, 0x19, 0x0100_0000);
        write(&mut apic, 0x18, 0x34);
        let to = To::Physical(1);
        let kind = Kind::Fixed(0x34);
        assert_eq!(apic.raise(4), Some(Message { kind, to }));
        assert!(apic.is_heard(4) && !apic.is_heard(3));
    }

    #[test]
    fn the_clock_is_at_pin_2() {
        let mut apic = IoApic::default();
        write(&mut apic, 0x14, 0x30);
        assert!(apic.is_heard(0));
    }

    #[test]
    fn any_sequence_of_accesses_is_taken() {
        let mut apic = IoApic::default();
        for register in 0..=0xff {
            for value in [0, u32::MAX] {
                write(&mut apic, register, value);
                read(&mut apic, register);
                apic.write(0x40, value);
                apic.raise(register as u8);
            }
        }
        assert_eq!(read(&mut apic, 1), 0x17_0011);
    }
}
