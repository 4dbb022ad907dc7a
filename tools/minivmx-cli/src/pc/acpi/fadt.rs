// SPDX-License-Identifier: GPL-2.0

//! The fixed ACPI description table: where the registers are that ACPI itself has (ACPI
//! Specification 6.5, "Fixed ACPI Description Table (FADT)"; this is the form of ACPI 3.0, as there
//! is nothing above 4 GiB).

use super::{
    super::devices::{
        cmos::CENTURY,
        power,
        reset,
        ACPI_LINE, //
    },
    HEADER,
};

pub const REVISION: u8 = 4;
const SIZE: usize = 244;

/// There is a serial port where PCs have it, and no VGA. It has no keyboard controller, either.
const BOOT_ARCHITECTURE: u16 = LEGACY_DEVICES | NO_VGA;
const LEGACY_DEVICES: u16 = 1 << 0;
const NO_VGA: u16 = 1 << 2;

/// WBINVD works, HLT does, no button and no alarm is among the fixed registers, and one of them
/// resets.
const FLAGS: u32 = WBINVD | C1 | NO_FIXED_POWER_BUTTON | NO_FIXED_SLEEP_BUTTON | NO_ALARM | RESET;
const WBINVD: u32 = 1 << 0;
const C1: u32 = 1 << 2;
const NO_FIXED_POWER_BUTTON: u32 = 1 << 4;
const NO_FIXED_SLEEP_BUTTON: u32 = 1 << 5;
const NO_ALARM: u32 = 1 << 6;
const RESET: u32 = 1 << 10;

/// Longer than C2 and C3 may take, so they are not there.
const NO_LATENCY: u16 = 0xfff;

/// What is not zero, by its offset. That there is no SMI_CMD means that ACPI is always on.
pub fn body(facs: u32, dsdt: u32) -> Vec<u8> {
    let fields: [(usize, &[u8]); 14] = [
        (36, &facs.to_le_bytes()),
        (40, &dsdt.to_le_bytes()),
        (46, &[ACPI_LINE]),
        (56, &u32::from(power::EVENTS).to_le_bytes()),
        (64, &u32::from(power::CONTROL).to_le_bytes()),
        (88, &[4]), // bytes of the events' block, and of the control's
        (89, &[2]),
        (96, &NO_LATENCY.to_le_bytes()),
        (98, &NO_LATENCY.to_le_bytes()),
        (108, &[CENTURY as u8]),
        (109, &BOOT_ARCHITECTURE.to_le_bytes()),
        (112, &FLAGS.to_le_bytes()),
        (116, &port(reset::CHIPSET)),
        (128, &[reset::RESET_VALUE]),
    ];
    let mut body = vec![0; SIZE - HEADER];
    for (offset, bytes) in fields {
        let start = offset - HEADER;
        body[start..start + bytes.len()].copy_from_slice(bytes);
    }
    body
}

/// A generic address structure: a port of a byte.
fn port(port: u16) -> [u8; 12] {
    const PORT: u8 = 1;
    const BITS: u8 = 8;
    const BYTE_ACCESS: u8 = 1;
    let mut address = [0; 12];
    address[..4].copy_from_slice(&[PORT, BITS, 0, BYTE_ACCESS]);
    address[4..6].copy_from_slice(&port.to_le_bytes());
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_where_the_device_has_them() {
        let body = body(0x1_2340, 0x5_6780);
        assert_eq!(body.len() + HEADER, 244);
        let at = |offset: usize| &body[offset - HEADER..];
        assert_eq!(at(36)[..8], [0x40, 0x23, 1, 0, 0x80, 0x67, 5, 0]);
        assert_eq!(at(56)[..2], [0x00, 0x06]);
        assert_eq!(at(64)[..2], [0x04, 0x06]);
        assert_eq!(at(88)[..4], [4, 2, 0, 0]);
        assert_eq!(at(116)[..13], [1, 8, 0, 1, 0xf9, 0xc, 0, 0, 0, 0, 0, 0, 6]);
    }
}
