// SPDX-License-Identifier: GPL-2.0

//! How a device of virtio shows itself on PCI: who it is, and at which of its ports what is
//! (Virtual I/O Device (VIRTIO) Version 1.2, "PCI Device Layout").

use super::{
    super::pci::{
        function::Function,
        slot::Slot, //
    },
    COMMON,
    COMMON_SIZE,
    DEVICE,
    INTERRUPT_STATUS,
    NOTIFY,
    PORTS, //
};

const VENDOR: u16 = 0x1af4;
/// Of the first kind; the others come after it.
const DEVICE_ID: u16 = 0x1040;
const SUBSYSTEM: u16 = 0x1100;
/// Older forms have no revision.
const REVISION: u8 = 1;
/// As firmware leaves them: each slot has its ports behind that.
const FIRST_PORT: u16 = 0xc000;

const STATUS_HAS_CAPABILITIES: u8 = 1 << 4;
const COMMAND_PORTS: u8 = 1 << 0;
const COMMAND_MASTER: u8 = 1 << 2;
const ADDRESS_OF_PORTS: u8 = 1 << 0;
const INTA: u8 = 1;

/// Capabilities begin there.
const CAPABILITIES: u8 = 0x40;
const VENDOR_SPECIFIC: u8 = 0x09;

/// What a capability leads to, by its number there, with how many bytes.
const PARTS: [(u8, u16, u16); 4] = [
    (1, COMMON, COMMON_SIZE),
    (2, NOTIFY, 4),
    (3, INTERRUPT_STATUS, 1),
    (4, DEVICE, PORTS - DEVICE),
];
/// Bytes of a capability: the second has four more.
const CAPABILITY: u8 = 20;

/// Of a kind of virtio's devices, of a class of PCI's (class, subclass, interface), in its slot.
pub fn function(kind: u16, class: [u8; 3], slot: Slot) -> Function {
    let [vendor_0, vendor_1] = VENDOR.to_le_bytes();
    let [device_0, device_1] = DEVICE_ID.saturating_add(kind).to_le_bytes();
    let [subsystem_0, subsystem_1] = SUBSYSTEM.to_le_bytes();
    let ports = FIRST_PORT + PORTS * u16::from(slot.number);
    let [port_0, port_1] = (ports | u16::from(ADDRESS_OF_PORTS)).to_le_bytes();
    let [class, subclass, interface] = class;
    let base_address = (!(u32::from(PORTS) - 1)).to_le_bytes();
    Function::new(
        &[
            (0x00, &[vendor_0, vendor_1, device_0, device_1]),
            (0x06, &[STATUS_HAS_CAPABILITIES]),
            (0x08, &[REVISION, interface, subclass, class]),
            (0x10, &[port_0, port_1]),
            (0x2c, &[vendor_0, vendor_1, subsystem_0, subsystem_1]),
            (0x34, &[CAPABILITIES]),
            (0x3c, &[slot.line, INTA]),
            (CAPABILITIES.into(), &capabilities()),
        ],
        &[
            (0x04, &[COMMAND_PORTS | COMMAND_MASTER]),
            (0x0c, &[0xff, 0xff]), // cache line, latency
            (0x10, &base_address),
            (0x3c, &[0xff]),
        ],
    )
}

/// Each leads to the next; the last to none.
fn capabilities() -> Vec<u8> {
    let last = PARTS.len() - 1;
    let places = (CAPABILITIES..).step_by(CAPABILITY.into()).skip(1);
    let nexts = places
        .enumerate()
        .map(|(number, place)| if number < last { place } else { 0 });
    let capabilities = PARTS.iter().zip(nexts);
    capabilities
        .flat_map(|(part, next)| capability(next, *part))
        .collect()
}

/// The first base address is of all its ports. That all queues are at the first of the ports for
/// notifications is in four bytes more, which are zero.
fn capability(next: u8, (kind, offset, length): (u8, u16, u16)) -> [u8; CAPABILITY as usize] {
    let mut bytes = [0; CAPABILITY as usize];
    bytes[..4].copy_from_slice(&[VENDOR_SPECIFIC, next, CAPABILITY, kind]);
    bytes[8..12].copy_from_slice(&u32::from(offset).to_le_bytes());
    bytes[12..16].copy_from_slice(&u32::from(length).to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::{
        super::super::pci::slot,
        *, //
    };

    fn disk() -> Function {
        function(2, [1, 0, 0], slot::DISK)
    }

    #[test]
    fn it_says_what_it_is() {
        let disk = disk();
        assert_eq!(disk.read(0, 4), 0x1042_1af4);
        assert_eq!(disk.read(8, 4), 0x0100_0001);
        assert_eq!(disk.read(0x3c, 2), 0x010b);
    }

    #[test]
    fn its_capabilities_lead_to_all_parts() {
        let disk = disk();
        let (mut place, mut parts) = (disk.read(0x34, 1) as usize, Vec::new());
        while place != 0 {
            assert_eq!(disk.read(place, 1), 9);
            assert_eq!(disk.read(place + 4, 4), 0, "the first base address");
            let part = [3, 8, 12].map(|byte| disk.read(place + byte, 1));
            parts.push(part);
            place = disk.read(place + 1, 1) as usize;
        }
        let expected = [[1, 0, 0x38], [2, 0x40, 4], [3, 0x44, 1], [4, 0x50, 0x30]];
        assert_eq!(parts, expected);
    }

    #[test]
    fn it_asks_for_its_ports_and_answers_when_it_may() {
        let mut disk = disk();
        assert_eq!(disk.read(0x10, 4), 0xc081);
        disk.write(0x10, 4, u32::MAX);
        assert_eq!(disk.read(0x10, 4), 0xffff_ff81);
        disk.write(0x10, 4, 0x1080);
        assert_eq!(disk.ports(), None);
        disk.write(4, 2, 0xffff);
        assert_eq!((disk.read(4, 2), disk.ports()), (5, Some(0x1080)));
    }
}
