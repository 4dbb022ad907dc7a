// SPDX-License-Identifier: GPL-2.0

//! The differentiated system description table: the PCI bus, and how the machine is switched off.
//! What every PC has, such as its serial port, guests find where it is.

use super::{
    super::devices::{
        pci::slot::{
            self,
            Slot, //
        },
        power::SLEEP_TYPE_OFF,
    },
    aml::{
        bus_numbers,
        device,
        eisa_id,
        empty_method,
        integer,
        interrupt,
        name,
        package,
        ports,
        ports_behind,
        resources,
        scope,
        Name, //
    },
};

pub fn body() -> Vec<u8> {
    let off = integer(SLEEP_TYPE_OFF.into());
    let off = package(&[off.clone(), off, integer(0), integer(0)]);
    let links = slot::ALL.map(interrupt_link);
    [
        name(b"_S5_", &off),
        scope(b"_SB_", &[links.concat(), pci_bus()]),
    ]
    .concat()
}

/// LNKA, and so on.
fn link(slot: Slot) -> Name {
    [b'L', b'N', b'K', b'A' - 1 + slot.number]
}

/// What a slot's INTA# leads to. A link can say that it is an edge, which here it is; without one
/// it would be a level.
fn interrupt_link(slot: Slot) -> Vec<u8> {
    let line = resources(&[interrupt(slot.line.into())]);
    device(
        &link(slot),
        &[
            name(b"_HID", &eisa_id(b"PNP0C0F")),
            name(b"_UID", &integer(slot.number.into())),
            name(b"_PRS", &line),
            name(b"_CRS", &line),
            empty_method(b"_SRS", 1),
        ],
    )
}

/// With the ports of its configuration space, and all others for what is behind it.
fn pci_bus() -> Vec<u8> {
    device(
        b"PCI0",
        &[
            name(b"_HID", &eisa_id(b"PNP0A03")),
            name(b"_UID", &integer(0)),
            name(
                b"_CRS",
                &resources(&[
                    bus_numbers(0, 0),
                    ports(0xcf8, 8),
                    ports_behind(0, 0xcf7),
                    ports_behind(0xd00, 0xffff),
                ]),
            ),
            name(b"_PRT", &package(&slot::ALL.map(interrupt_of))),
        ],
    )
}

/// INTA# of all functions of a slot is that of its link.
fn interrupt_of(slot: Slot) -> Vec<u8> {
    const EVERY_FUNCTION: u32 = 0xffff;
    let (link, inta) = (link(slot).to_vec(), 0);
    let functions = (u32::from(slot.number) << 16) | EVERY_FUNCTION;
    package(&[integer(functions), integer(inta), link, integer(0)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_has_its_slot_and_its_line() {
        let expected = [
            0x12, 0x0d, 4, 0x0c, 0xff, 0xff, 1, 0, 0, b'L', b'N', b'K', b'A', 0,
        ];
        assert_eq!(interrupt_of(slot::DISK), expected);
        let link = interrupt_link(slot::DISK);
        assert!(link.windows(5).any(|bytes| bytes == [1, 11, 0, 0, 0]));
    }

    #[test]
    fn each_slot_has_a_link() {
        let body = body();
        for letters in [b"LNKA", b"LNKB"] {
            let places = body.windows(4).filter(|bytes| bytes == letters);
            assert_eq!(places.count(), 2, "the link, and what leads to it");
        }
    }

    #[test]
    fn it_says_how_to_switch_off() {
        let expected = [
            0x08, b'_', b'S', b'5', b'_', 0x12, 0x08, 4, 0x0a, 5, 0x0a, 5, 0, 0,
        ];
        assert_eq!(body()[..expected.len()], expected);
    }
}
