// SPDX-License-Identifier: GPL-2.0

//! PCI configuration space: a bus with the host bridge of the i440FX, and what is plugged in
//! behind it, each in a slot of its own.
//!
//! Firmware recognizes the machine by the bridge and asks it to make the memory below
//! 1 MiB writable, which it is here from the beginning (Intel 440FX data sheet,
//! "PAM: Programmable Attribute Map Registers").

pub mod function;
pub mod slot;

use std::collections::BTreeMap;

use anyhow::{
    ensure,
    Result, //
};
use serde::{
    Deserialize,
    Serialize, //
};

use super::{
    south_bridge::{
        self,
        SouthBridge, //
    },
    Device,
};
use function::{
    Bytes,
    Function, //
};
use slot::Slot;

const ADDRESS: u16 = 0xcf8;
const DATA: u16 = 0xcfc;
const ENABLE: u32 = 1 << 31;

/// Ports 0xcf8 to 0xcff.
pub struct Pci {
    address: u32,
    /// By their slots, of which each has one.
    functions: BTreeMap<u8, Function>,
    /// Where it is, what is plugged in is one slot further.
    pub south_bridge: Option<SouthBridge>,
}

/// What it is; without a south bridge.
#[derive(Deserialize, Serialize)]
pub struct State {
    address: u32,
    functions: BTreeMap<u8, Vec<u8>>,
}

impl Default for Pci {
    fn default() -> Self {
        Self {
            address: 0,
            functions: BTreeMap::from([(0, Function::new(BRIDGE, BRIDGE_WRITABLE))]),
            south_bridge: None,
        }
    }
}

/// Configuration registers that are not zero at power-up.
const BRIDGE: &[Bytes<'_>] = &[
    (0x00, &[0x86, 0x80, 0x37, 0x12]), // vendor, device: Intel 82441FX
    (0x08, &[0x02, 0x00, 0x00, 0x06]), // revision, class: host bridge
    (0x2c, &[0xf4, 0x1a, 0x00, 0x11]), // subsystem: a virtual machine of QEMU's kind
];

/// All but identities, and base addresses: the bridge decodes no range of its own.
const BRIDGE_WRITABLE: &[Bytes<'_>] = &[
    (0x04, &[0xff; 4]),
    (0x0c, &[0xff, 0xff, 0x00, 0xff]),
    (0x34, &[0xff; function::SIZE - 0x34]),
];

impl Pci {
    /// Adds a function in its slot.
    pub fn plug(&mut self, slot: Slot, function: Function) {
        self.functions.insert(slot.number, function);
    }

    /// The slot of the function that answers to ports from this one on, if one does.
    pub fn slot_of(&self, first_port: u16) -> Option<u8> {
        let mut functions = self.functions.iter();
        let (slot, _) = functions.find(|(_, function)| function.ports() == Some(first_port))?;
        Some(*slot)
    }

    /// The line of the interrupt controllers that INTA# of a slot leads to, if it does to one.
    pub fn line_of(&self, slot: Slot) -> Option<u8> {
        match &self.south_bridge {
            Some(bridge) => bridge.line_of(slot.number + 1),
            None => Some(slot.line),
        }
    }

    pub fn state(&self) -> State {
        let functions = self.functions.iter();
        let states = functions.map(|(slot, function)| (*slot, function.state()));
        State {
            address: self.address,
            functions: states.collect(),
        }
    }

    pub fn restore(&mut self, state: &State) -> Result<()> {
        let (here, there) = (self.functions.keys(), state.functions.keys());
        ensure!(
            here.clone().eq(there.clone()),
            "functions in the slots {there:?} of PCI are not in {here:?}"
        );
        for (function, state) in self.functions.values_mut().zip(state.functions.values()) {
            function.restore(state)?;
        }
        self.address = state.address;
        Ok(())
    }

    /// The function and its register that a data port leads to; `None` for one that is not there.
    fn selected(&mut self, port: u16) -> Option<(&mut Function, usize)> {
        let is_enabled = self.address & ENABLE != 0;
        let is_bus_0 = self.address & 0x00ff_0000 == 0;
        // CAST: They have five bits, and three.
        let slot = ((self.address >> 11) & 0x1f) as u8;
        let number = ((self.address >> 8) & 7) as u8;
        let register = (self.address & 0xfc) as usize | usize::from(port - DATA);
        let function = self.function(slot, number);
        function
            .filter(|_| is_enabled && is_bus_0)
            .map(|function| (function, register))
    }

    /// The one of a number in its slot, where but for the south bridge each has one.
    fn function(&mut self, slot: u8, number: u8) -> Option<&mut Function> {
        match (&mut self.south_bridge, slot, number) {
            (Some(bridge), south_bridge::SLOT, _) => bridge.function(number),
            (Some(_), south_bridge::SLOT.., 0) => self.functions.get_mut(&(slot - 1)),
            (_, _, 0) => self.functions.get_mut(&slot),
            _ => None,
        }
    }
}

impl Device for Pci {
    fn read(&mut self, port: u16, width: u8) -> u32 {
        match port {
            ADDRESS if width == 4 => self.address,
            DATA.. => match self.selected(port) {
                Some((function, register)) => function.read(register, width),
                None => u32::MAX,
            },
            _ => u32::MAX,
        }
    }

    fn write(&mut self, port: u16, width: u8, value: u32) {
        match port {
            ADDRESS if width == 4 => self.address = value,
            DATA.. => {
                if let Some((function, register)) = self.selected(port) {
                    function.write(register, width, value);
                }
            }
            _ => {}
        }
    }

    fn has_wide_registers(&self) -> bool {
        true
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
    fn what_is_plugged_in_has_a_slot_of_its_own() {
        let mut pci = select(1, 0);
        let function = Function::new(&[(0, &[0xf4, 0x1a, 0x42, 0x10])], &[]);
        pci.plug(slot::DISK, function);
        assert_eq!(pci.read(0xcfc, 4), 0x1042_1af4);
        pci.write(0xcf8, 4, ENABLE | (1 << 11) | (1 << 8));
        assert_eq!(pci.read(0xcfc, 4), u32::MAX, "a second function");
        pci.write(0xcf8, 4, ENABLE | (1 << 16) | (1 << 11));
        assert_eq!(pci.read(0xcfc, 4), u32::MAX, "another bus");
    }

    #[test]
    fn a_south_bridge_is_before_all_others() {
        let mut pci = Pci {
            south_bridge: Some(SouthBridge::default()),
            ..Pci::default()
        };
        let function = Function::new(&[(0, &[0xf4, 0x1a, 0x42, 0x10])], &[]);
        pci.plug(slot::DISK, function);
        let places = [(0, 0), (1, 0), (1, 1), (1, 3), (2, 0), (2, 1), (3, 0)];
        let identities = places.map(|(slot, number)| {
            pci.write(0xcf8, 4, ENABLE | (slot << 11) | (number << 8));
            pci.read(0xcfc, 4)
        });
        let none = u32::MAX;
        assert_eq!(
            identities,
            [
                0x1237_8086,
                0x7110_8086,
                none,
                0x7113_8086,
                0x1042_1af4,
                none,
                none
            ]
        );
    }
}
