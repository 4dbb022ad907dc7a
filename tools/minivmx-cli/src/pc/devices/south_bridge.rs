// SPDX-License-Identifier: GPL-2.0

//! The south bridge that firmware looks for behind the i440FX: what of a PIIX4 leads to its serial
//! port, and to its power management (Intel 82371AB (PIIX4) data sheet, "Register Description").
//!
//! A kernel that is told of its machine by tables needs none.

use super::pci::function::{
    Bytes,
    Function, //
};

/// Next to the i440FX, where firmware takes it for granted.
pub const SLOT: u8 = 1;
/// Ports of the power management.
pub const POWER_PORTS: u16 = 64;
/// The kind of sleep that is switching off (ibidem, "PMCNTRL—Power Management Control Register").
pub const SLEEP_TYPE_OFF: u8 = 0;

/// The base address of these ports, and where they are turned on.
const PMBA: usize = 0x40;
const PMREGMISC: usize = 0x80;
const PMIOSE: u8 = 1 << 0;
/// Where each of the four interrupts of PCI leads to (ibidem, "PIRQRC[A:D]—PIRQx Route Control
/// Registers").
const PIRQRC: usize = 0x60;
const NOWHERE: u8 = 1 << 7;

const ISA: &[Bytes<'_>] = &[
    (0x00, &[0x86, 0x80, 0x10, 0x71]), // vendor, device: Intel 82371AB
    (0x04, &[0x07]),                   // ports, memory, bus master: always
    (0x08, &[0x01, 0x00, 0x01, 0x06]), // revision, class: ISA bridge
    (0x0e, &[0x80]),                   // there are other functions
    (PIRQRC, &[NOWHERE; 4]),
];

const ISA_WRITABLE: &[Bytes<'_>] = &[
    (0x04, &[0x08]), // special cycles
    (0x4c, &[0xff; 0x60 - 0x4c]),
    (PIRQRC, &[NOWHERE | 0x0f; 4]),
];

const POWER: &[Bytes<'_>] = &[
    (0x00, &[0x86, 0x80, 0x13, 0x71]),
    (0x08, &[0x03, 0x00, 0x80, 0x06]), // revision, class: another bridge
    (PMBA, &[0x01]),                   // it is one of ports
    (0x5b, &[0x02]),                   // what enables SMIs is done, as there are none
];

const POWER_WRITABLE: &[Bytes<'_>] = &[
    (0x04, &[0x01]), // ports of its system management bus, which is not there
    (0x3c, &[0xff]),
    (PMBA, &[0xc0, 0xff]),
    (PMREGMISC, &[PMIOSE]),
];

/// Its functions in PCI's configuration space: one of the ISA bus, and one of the power management.
pub struct SouthBridge {
    isa: Function,
    power: Function,
}

impl Default for SouthBridge {
    fn default() -> Self {
        Self {
            isa: Function::new(ISA, ISA_WRITABLE),
            power: Function::new(POWER, POWER_WRITABLE),
        }
    }
}

impl SouthBridge {
    /// Those between have a disk and USB, which are not there.
    pub fn function(&mut self, number: u8) -> Option<&mut Function> {
        match number {
            0 => Some(&mut self.isa),
            3 => Some(&mut self.power),
            _ => None,
        }
    }

    /// The line that INTA# of a slot leads to, if it does to one: that of the first slot behind the
    /// host bridge is the first interrupt of PCI, the next one's the next, as firmware takes it.
    pub fn line_of(&self, slot: u8) -> Option<u8> {
        let number = usize::from(slot.wrapping_sub(SLOT) % 4);
        // CAST: It is a byte.
        let route = self.isa.read(PIRQRC + number, 1) as u8;
        (route & NOWHERE == 0).then_some(route)
    }

    /// The first of the ports that the power management answers to, if it does.
    pub fn power_ports(&self) -> Option<u16> {
        // CAST: The registers have so many bits.
        let is_on = self.power.read(PMREGMISC, 1) as u8 & PMIOSE != 0;
        is_on.then(|| self.power.read(PMBA, 2) as u16 / POWER_PORTS * POWER_PORTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As SeaBIOS and OVMF write them.
    #[test]
    fn interrupts_of_slots_lead_where_firmware_says() {
        let mut bridge = SouthBridge::default();
        assert_eq!(bridge.line_of(2), None);
        let isa = bridge.function(0).expect("it is there");
        isa.write(0x60, 4, u32::from_le_bytes([10, 10, 11, 0x80 | 11]));
        let lines = [1, 2, 3, 4, 5].map(|slot| bridge.line_of(slot));
        assert_eq!(lines, [Some(10), Some(10), Some(11), None, Some(10)]);
    }

    #[test]
    fn ports_are_there_when_they_are_turned_on() {
        let mut bridge = SouthBridge::default();
        let mut write = |register, value| {
            let power = bridge.function(3).expect("it is there");
            power.write(register, 4, value);
            (power.read(register, 4), bridge.power_ports())
        };
        assert_eq!(write(0, 0), (0x7113_8086, None));
        assert_eq!(write(0x40, u32::MAX), (0xffc1, None), "it asks for 64");
        assert_eq!(write(0x40, 0xb000), (0xb001, None));
        assert_eq!(write(0x80, 0xff), (1, Some(0xb000)));
    }
}
