// SPDX-License-Identifier: GPL-2.0

//! Power management as ACPI has it in fixed registers: how the guest switches its machine off (ACPI
//! Specification 6.5, "PM1 Event Grouping" and "PM1 Control Grouping").
//!
//! Whose ports they are, the south bridge says, where there is one, and also by which kind of
//! sleep.
//!
//! There are no buttons, no alarm, no timer, and no sleep but the one without end, so no event ever
//! comes: the status register stays 0. Of the events those can be enabled that guests look for in
//! any machine. ACPI is always on.

use anyhow::Result;

use super::{
    exactly,
    south_bridge::{
        self,
        POWER_PORTS, //
    },
    Device, //
};

/// Where the registers are without a south bridge: status and enable bits.
pub const EVENTS: u16 = 0x600;
/// The control register.
pub const CONTROL: u16 = 0x604;
/// The kind of sleep that is switching off.
pub const SLEEP_TYPE_OFF: u8 = 5;

const SIZE: usize = 6;
const CONTROL_LOW: usize = 4;
const CONTROL_HIGH: usize = 5;

// Of the enable bits, in the lower and the higher byte.
const GBL_EN: u8 = 1 << 5;
const RTC_EN: u8 = 1 << 2;

// Of the control register, in the lower byte.
const SCI_EN: u8 = 1 << 0;
const BM_RLD: u8 = 1 << 1;
// In the higher byte.
const SLP_TYP: u8 = 7 << 2;
const SLP_EN: u8 = 1 << 5;

const WRITABLE: [u8; SIZE] = [0, 0, GBL_EN, RTC_EN, BM_RLD, SLP_TYP];

/// The first six ports.
pub struct Power {
    registers: [u8; SIZE],
    sleep_type_off: u8,
    /// Whether the guest has switched its machine off.
    pub is_off: bool,
}

/// What it is: its registers.
pub type State = Vec<u8>;

impl Default for Power {
    fn default() -> Self {
        let mut registers = [0; SIZE];
        registers[CONTROL_LOW] = SCI_EN;
        Self {
            registers,
            sleep_type_off: SLEEP_TYPE_OFF,
            is_off: false,
        }
    }
}

impl Power {
    /// That of a south bridge.
    pub fn of_south_bridge() -> Self {
        Self {
            sleep_type_off: south_bridge::SLEEP_TYPE_OFF,
            ..Self::default()
        }
    }

    /// Whether what is written to the higher byte of the control register switches the machine off.
    fn is_end(&self, value: u8) -> bool {
        value & (SLP_TYP | SLP_EN) == (self.sleep_type_off << 2) | SLP_EN
    }

    pub fn state(&self) -> State {
        self.registers.into()
    }

    pub fn restore(&mut self, state: &State) -> Result<()> {
        self.registers = exactly(state)?;
        Ok(())
    }
}

impl Device for Power {
    fn read(&mut self, port: u16, _width: u8) -> u32 {
        self.registers[number(port)].into()
    }

    fn write(&mut self, port: u16, _width: u8, value: u32) {
        let (number, value) = (number(port), value as u8);
        let (register, writable) = (&mut self.registers[number], WRITABLE[number]);
        *register = *register & !writable | value & writable;
        self.is_off |= number == CONTROL_HIGH && self.is_end(value);
    }
}

/// A register's, wherever they begin: at a multiple.
fn number(port: u16) -> usize {
    usize::from(port % POWER_PORTS)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            tests::devices,
            Devices, //
        },
        *, //
    };

    const OFF: u8 = SLEEP_TYPE_OFF << 2;

    fn write_control(devices: &mut Devices, high: u8, low: u8) {
        devices.write(CONTROL, 2, u16::from_le_bytes([low, high]).into());
    }

    fn control(devices: &mut Devices) -> [u8; 2] {
        (devices.read(CONTROL, 2) as u16).to_be_bytes()
    }

    /// What Linux does.
    #[test]
    fn it_is_off_when_both_fields_say_so() {
        let mut devices = devices();
        write_control(&mut devices, OFF, SCI_EN);
        assert!(!devices.is_off());
        assert_eq!(control(&mut devices), [OFF, SCI_EN]);
        write_control(&mut devices, OFF | SLP_EN, SCI_EN);
        assert!(devices.is_off());
        assert_eq!(control(&mut devices), [OFF, SCI_EN]);
    }

    #[test]
    fn other_kinds_of_sleep_are_not_there() {
        let mut devices = devices();
        for kind in (0..8).filter(|kind| *kind != SLEEP_TYPE_OFF) {
            write_control(&mut devices, SLP_EN | (kind << 2), 0);
            assert!(!devices.is_off(), "{kind}");
        }
    }

    #[test]
    fn no_event_comes_and_acpi_stays_on() {
        let mut devices = devices();
        devices.write(EVENTS, 4, u32::MAX);
        write_control(&mut devices, 0, 0);
        assert_eq!(devices.read(EVENTS, 4), 0x0420_0000);
        assert_eq!(control(&mut devices), [0, SCI_EN]);
    }

    #[test]
    fn it_goes_on_from_its_state() -> Result<()> {
        let mut before = devices();
        before.write(EVENTS + 2, 2, u16::from(GBL_EN).into());
        write_control(&mut before, OFF, BM_RLD);
        let mut after = devices();
        after.restore(&before.state())?;
        assert_eq!(after.read(EVENTS, 4), 0x0020_0000);
        assert_eq!(control(&mut after), [OFF, SCI_EN | BM_RLD]);
        assert!(!after.is_off());
        Ok(())
    }
}
