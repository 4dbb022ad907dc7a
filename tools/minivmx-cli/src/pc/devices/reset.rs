// SPDX-License-Identifier: GPL-2.0

//! The ways in which a guest asks for a reset: the keyboard controller's
//! command port, the fast A20 port, and the chipset's reset register.
//!
//! There is no keyboard: reading its ports answers all ones.

use super::Device;

const FAST_A20: u16 = 0x92;
const KEYBOARD: u16 = 0x64;
/// The chipset's register, and what resets the machine there.
pub const CHIPSET: u16 = 0xcf9;
pub const RESET_VALUE: u8 = 0x06;

const A20_OPEN: u32 = 1 << 1;
const PULSE_RESET: u32 = 0xfe;
const RESET_CPU: u32 = 1 << 2;

/// Ports 0x64, 0x92 and 0xcf9.
#[derive(Default)]
pub struct Reset {
    /// Whether the guest has asked for it.
    pub requested: bool,
}

impl Device for Reset {
    fn read(&mut self, port: u16, _width: u8) -> u32 {
        match port {
            FAST_A20 => A20_OPEN,
            CHIPSET => 0,
            _ => u32::MAX,
        }
    }

    fn write(&mut self, port: u16, _width: u8, value: u32) {
        self.requested |= match port {
            KEYBOARD => value & 0xff == PULSE_RESET,
            CHIPSET => value & RESET_CPU != 0,
            FAST_A20 => value & 1 != 0,
            _ => false,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requested(port: u16, value: u32) -> bool {
        let mut reset = Reset::default();
        reset.write(port, 1, value);
        reset.requested
    }

    #[test]
    fn each_port_has_its_command() {
        assert!(requested(0x64, 0xfe));
        assert!(requested(0xcf9, 0x06));
        assert!(requested(0x92, 0x01));
    }

    #[test]
    fn other_values_are_no_reset() {
        assert!(!requested(0x64, 0xaa));
        assert!(!requested(0xcf9, 0x02));
        assert!(!requested(0x92, 0x02));
    }
}
