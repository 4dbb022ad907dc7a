// SPDX-License-Identifier: GPL-2.0

//! PCI configuration space with one device, the host bridge of the i440FX.
//!
//! Firmware recognizes the machine by it and asks it to make the memory below
//! 1 MiB writable, which it is here from the beginning (Intel 440FX data sheet,
//! "PAM: Programmable Attribute Map Registers").

use anyhow::Result;
use serde::{
    Deserialize,
    Serialize, //
};

use super::{
    exactly,
    Device, //
};

const ADDRESS: u16 = 0xcf8;
const DATA: u16 = 0xcfc;
const ENABLE: u32 = 1 << 31;

/// Ports 0xcf8 to 0xcff.
pub struct Pci {
    address: u32,
    bridge: [u8; 256],
}

/// What it is.
#[derive(Deserialize, Serialize)]
pub struct State {
    address: u32,
    bridge: Vec<u8>,
}

impl Default for Pci {
    fn default() -> Self {
        let mut bridge = [0; 256];
        for (register, bytes) in BRIDGE {
            bridge[*register..*register + bytes.len()].copy_from_slice(bytes);
        }
        Self { address: 0, bridge }
    }
}

/// Configuration registers that are not zero at power-up.
const BRIDGE: &[(usize, &[u8])] = &[
    (0x00, &[0x86, 0x80, 0x37, 0x12]), // vendor, device: Intel 82441FX
    (0x08, &[0x02, 0x00, 0x00, 0x06]), // revision, class: host bridge
    (0x2c, &[0xf4, 0x1a, 0x00, 0x11]), // subsystem: a virtual machine of QEMU's kind
];

impl Pci {
    pub fn state(&self) -> State {
        State {
            address: self.address,
            bridge: self.bridge.into(),
        }
    }

    pub fn restore(&mut self, state: &State) -> Result<()> {
        self.bridge = exactly(&state.bridge)?;
        self.address = state.address;
        Ok(())
    }

    /// The place in the bridge's space that a data port leads to; `None` for
    /// devices that are not there.
    fn register(&self, port: u16) -> Option<usize> {
        let device_is_bridge = self.address & 0x00ff_ff00 == 0;
        let offset = (self.address & 0xfc) as usize | usize::from(port - DATA);
        (self.address & ENABLE != 0 && device_is_bridge).then_some(offset)
    }

    /// Identities, and base addresses: the bridge decodes no range of its own.
    fn is_read_only(register: usize) -> bool {
        matches!(register, 0x00..=0x03 | 0x08..=0x0b | 0x0e | 0x10..=0x33)
    }
}

impl Device for Pci {
    fn read(&mut self, port: u16, width: u8) -> u32 {
        match port {
            ADDRESS if width == 4 => self.address,
            DATA.. => self.register(port).map_or(u32::MAX, |register| {
                let bytes = self.bridge.iter().skip(register).take(width.into());
                bytes
                    .rev()
                    .fold(0, |value, byte| (value << 8) | u32::from(*byte))
            }),
            _ => u32::MAX,
        }
    }

    fn write(&mut self, port: u16, width: u8, value: u32) {
        match port {
            ADDRESS if width == 4 => self.address = value,
            DATA.. => {
                let Some(first) = self.register(port) else {
                    return;
                };
                let bytes = value.to_le_bytes().into_iter().take(width.into());
                for (register, byte) in (first..self.bridge.len()).zip(bytes) {
                    if !Self::is_read_only(register) {
                        self.bridge[register] = byte;
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(device: u32, register: u32) -> Pci {
        let mut pci = Pci::default();
        pci.write(0xcf8, 4, ENABLE | (device << 11) | register);
        pci
    }

    #[test]
    fn the_bridge_is_found_in_every_width() {
        let mut pci = select(0, 0);
        assert_eq!(pci.read(0xcfc, 4), 0x1237_8086);
        assert_eq!(pci.read(0xcfe, 2), 0x1237);
        assert_eq!(pci.read(0xcfd, 1), 0x80);
    }

    #[test]
    fn other_devices_are_absent() {
        for device in 1..32 {
            assert_eq!(select(device, 0).read(0xcfc, 4), u32::MAX);
        }
        assert_eq!(Pci::default().read(0xcfc, 4), u32::MAX);
    }

    #[test]
    fn attribute_maps_can_be_written_and_identities_cannot() {
        let mut pci = select(0, 0x58);
        pci.write(0xcfd, 1, 0x30);
        assert_eq!(pci.read(0xcfd, 1), 0x30);
        let mut pci = select(0, 0);
        pci.write(0xcfc, 4, 0);
        assert_eq!(pci.read(0xcfc, 4), 0x1237_8086);
    }

    #[test]
    fn the_bridge_asks_for_no_addresses() {
        for register in [0x10, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x30] {
            let mut pci = select(0, register);
            pci.write(0xcfc, 4, u32::MAX);
            assert_eq!(pci.read(0xcfc, 4), 0);
        }
    }

    #[test]
    fn an_access_over_the_end_is_cut() {
        let mut pci = select(0, 0xfc);
        pci.write(0xcff, 4, u32::MAX);
        assert_eq!(pci.read(0xcff, 4), 0xff);
    }
}
