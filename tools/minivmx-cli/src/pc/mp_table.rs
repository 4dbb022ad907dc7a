// SPDX-License-Identifier: GPL-2.0

//! What tells a guest that uses no ACPI (`acpi=off`, or a kernel without it) of its CPUs and
//! interrupt controllers; one that does does not look at it (Intel MultiProcessor Specification
//! 1.4, "MP Configuration Table").

use super::{
    checksum::checksum,
    devices::{
        apics::{
            self,
            IO_VERSION,
            LOCAL_VERSION, //
        },
        pci::slot::{
            self,
            Slot, //
        },
    },
};

/// One ID of an I/O APIC's four bits has to be left for that.
pub const MOST_CPUS: u8 = 15;

const REVISION: u8 = 4;
const HEADER: usize = 44;
const POINTER: usize = 16;
/// Buses by their numbers, of which PCI's are its own.
const PCI: u8 = 0;
const ISA: u8 = 1;
const ISA_LINES: u8 = 16;
/// The line that the second 8259A is behind.
const CASCADE: u8 = 2;
const EVERY_APIC: u8 = 0xff;

// Types of entries, and kinds of interrupts.
const PROCESSOR: u8 = 0;
const BUS: u8 = 1;
const IO_APIC: u8 = 2;
const INTERRUPT: u8 = 3;
const LOCAL_INTERRUPT: u8 = 4;
/// Flags of an interrupt, also in ACPI's tables: active high, and an edge.
pub const RISING_EDGE: u8 = (1 << 0) | (1 << 2);
const VECTORED: u8 = 0;
const NMI: u8 = 1;
const EXTERNAL: u8 = 3;

/// The pointer that guests look for, and the table behind it, for so many CPUs and that place.
pub fn image(cpus: u8, address: u32) -> Vec<u8> {
    let table = table(cpus);
    let mut pointer = *b"_MP_\0\0\0\0\x01\x04\0\0\0\0\0\0";
    pointer[4..8].copy_from_slice(&(address + POINTER as u32).to_le_bytes());
    pointer[10] = checksum(&pointer);
    [&pointer[..], &table].concat()
}

fn table(cpus: u8) -> Vec<u8> {
    let entries = entries(cpus);
    let bytes = entries.concat();
    let mut table = b"PCMP".to_vec();
    // CAST: MOST_CPUS makes both small.
    table.extend(((HEADER + bytes.len()) as u16).to_le_bytes());
    table.extend([REVISION, 0]);
    table.extend(b"MINIVMX PC          ");
    table.extend([0; 6]);
    table.extend((entries.len() as u16).to_le_bytes());
    table.extend((apics::LOCAL as u32).to_le_bytes());
    table.extend([0; 4]);
    table.extend(bytes);
    table[7] = checksum(&table);
    table
}

fn entries(cpus: u8) -> Vec<Vec<u8>> {
    let processors = (0..cpus).map(processor);
    let of_pci = slot::ALL.map(|slot| slot.line);
    let lines = (0..ISA_LINES).filter(|line| *line != CASCADE && !of_pci.contains(line));
    let interrupts = lines.map(|line| interrupt(line, cpus));
    processors
        .chain([bus(PCI, b"PCI   "), bus(ISA, b"ISA   "), io_apic(cpus)])
        .chain(slot::ALL.map(|slot| pci_interrupt(slot, cpus)))
        .chain(interrupts)
        .chain([
            local_interrupt(EXTERNAL, 0, 0),
            local_interrupt(NMI, EVERY_APIC, 1),
        ])
        .collect()
}

/// Its signature and features are CPUID's to say.
fn processor(id: u8) -> Vec<u8> {
    const ENABLED: u8 = 1 << 0;
    const FIRST: u8 = 1 << 1;
    let flags = if id == 0 { ENABLED | FIRST } else { ENABLED };
    let mut entry = vec![PROCESSOR, id, LOCAL_VERSION as u8, flags];
    entry.resize(20, 0);
    entry
}

fn bus(number: u8, name: &[u8; 6]) -> Vec<u8> {
    [&[BUS, number], &name[..]].concat()
}

/// Its ID comes after those of the CPUs.
fn io_apic(id: u8) -> Vec<u8> {
    const ENABLED: u8 = 1 << 0;
    let address = (apics::IO as u32).to_le_bytes();
    [&[IO_APIC, id, IO_VERSION as u8, ENABLED], &address[..]].concat()
}

/// Edges of the bus's own polarity.
fn interrupt(line: u8, io_apic: u8) -> Vec<u8> {
    vec![
        INTERRUPT,
        VECTORED,
        0,
        0,
        ISA,
        line,
        io_apic,
        apics::pin(line),
    ]
}

/// INTA# of a slot, which here is an edge, too.
fn pci_interrupt(slot: Slot, io_apic: u8) -> Vec<u8> {
    vec![
        INTERRUPT,
        VECTORED,
        RISING_EDGE,
        0,
        PCI,
        slot.number << 2,
        io_apic,
        apics::pin(slot.line),
    ]
}

fn local_interrupt(kind: u8, apic: u8, input: u8) -> Vec<u8> {
    vec![LOCAL_INTERRUPT, kind, 0, 0, ISA, 0, apic, input]
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: u32 = 0x9_fc00;

    #[test]
    fn the_pointer_leads_to_the_table() {
        let image = image(2, ADDRESS);
        let (pointer, table) = image.split_at(POINTER);
        assert_eq!(&pointer[..8], b"_MP_\x10\xfc\x09\x00");
        assert_eq!(&table[..4], b"PCMP");
        assert_eq!((checksum(pointer), checksum(table)), (0, 0));
        let length = u16::from_le_bytes([table[4], table[5]]);
        assert_eq!(usize::from(length), table.len());
    }

    #[test]
    fn entries_are_as_long_as_their_type_says_and_as_many_as_the_header_says() {
        let table = table(3);
        let (mut rest, mut types) = (&table[HEADER..], Vec::new());
        while let Some(kind) = rest.first() {
            types.push(*kind);
            rest = &rest[if *kind == PROCESSOR { 20 } else { 8 }..];
        }
        assert_eq!(types.len(), usize::from(table[34]));
        assert_eq!(
            &types[..7],
            [PROCESSOR, PROCESSOR, PROCESSOR, BUS, BUS, IO_APIC, INTERRUPT]
        );
        assert!(types.is_sorted());
    }

    #[test]
    fn the_first_cpu_is_the_one_that_boots() {
        assert_eq!(&processor(0)[..4], [0, 0, 0x14, 3]);
        assert_eq!(&processor(5)[..4], [0, 5, 0x14, 1]);
    }

    #[test]
    fn the_clock_is_at_another_pin() {
        assert_eq!(&interrupt(0, 2)[4..], [ISA, 0, 2, 2]);
        assert_eq!(&interrupt(4, 2)[4..], [ISA, 4, 2, 4]);
    }

    #[test]
    fn the_lines_of_the_pci_bus_are_its_own_alone() {
        let entries = entries(2);
        for (slot, device) in [(slot::DISK, 1 << 2), (slot::CONSOLE, 2 << 2)] {
            let Slot { line, .. } = slot;
            let of_line = entries
                .iter()
                .filter(|entry| entry[0] == INTERRUPT && entry[7] == line);
            let of_line: Vec<_> = of_line.collect();
            assert_eq!(
                of_line,
                [&[INTERRUPT, VECTORED, 5, 0, PCI, device, 2, line]]
            );
        }
    }

    #[test]
    fn it_fits_into_a_kib() {
        assert!(image(MOST_CPUS, ADDRESS).len() <= 1024);
    }
}
