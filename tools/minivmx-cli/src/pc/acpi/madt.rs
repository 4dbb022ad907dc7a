// SPDX-License-Identifier: GPL-2.0

//! The multiple APIC description table: CPUs, and their interrupt controllers (ACPI Specification
//! 6.5, "Multiple APIC Description Table (MADT)"; the mailbox of 6.6 is in it if it is needed).

use super::super::{
    devices::{
        apics,
        ACPI_LINE,
        CLOCK_LINE, //
    },
    mailbox,
    mp_table::RISING_EDGE, //
};

pub const REVISION: u8 = 4;

// Types of entries.
const LOCAL_APIC: u8 = 0;
const IO_APIC: u8 = 1;
const SOURCE_OVERRIDE: u8 = 2;
const LOCAL_NMI: u8 = 4;
const WAKEUP: u8 = 16;

/// There are two 8259A besides.
const HAS_8259A: u32 = 1 << 0;
const AS_THE_BUS_HAS_IT: u8 = 0;

/// How a guest starts its other CPUs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Startup {
    /// By INIT and SIPI, in real mode.
    Ipi,
    /// By the [`mailbox`], in 64-bit mode.
    Mailbox,
}

pub fn body(cpus: u8, startup: Startup) -> Vec<u8> {
    let header = [apics::LOCAL as u32, HAS_8259A].map(u32::to_le_bytes);
    let header = header.concat();
    let entries = (0..cpus).map(local_apic).chain([
        io_apic(cpus),
        source_override(CLOCK_LINE, AS_THE_BUS_HAS_IT),
        source_override(ACPI_LINE, RISING_EDGE),
        local_nmi(),
    ]);
    let wakeup = (startup == Startup::Mailbox).then(wakeup);
    let entries = entries.chain(wakeup);
    [header].into_iter().chain(entries).flatten().collect()
}

/// One that is enabled; its CPU's number is its ID.
fn local_apic(id: u8) -> Vec<u8> {
    const ENABLED: u8 = 1 << 0;
    vec![LOCAL_APIC, 8, id, id, ENABLED, 0, 0, 0]
}

/// The only one, so its first pin is interrupt 0. Its ID comes after those of the CPUs.
fn io_apic(id: u8) -> Vec<u8> {
    let address = (apics::IO as u32).to_le_bytes();
    [&[IO_APIC, 12, id, 0], &address[..], &[0; 4]].concat()
}

/// One of ISA's lines that is not at the pin of its number, or not as ISA has it.
fn source_override(line: u8, flags: u8) -> Vec<u8> {
    const ISA: u8 = 0;
    let pin = apics::pin(line);
    vec![SOURCE_OVERRIDE, 10, ISA, line, pin, 0, 0, 0, flags, 0]
}

/// LINT1 of each.
fn local_nmi() -> Vec<u8> {
    const EVERY_CPU: u8 = 0xff;
    vec![LOCAL_NMI, 6, EVERY_CPU, AS_THE_BUS_HAS_IT, 0, 1]
}

/// The mailbox, and where a CPU comes back.
fn wakeup() -> Vec<u8> {
    const VERSION: u8 = 1;
    let addresses = [mailbox::ADDRESS, mailbox::RESET_VECTOR].map(u64::to_le_bytes);
    let header = [WAKEUP, 24, VERSION, 0, 0, 0, 0, 0];
    [&header[..], addresses.as_flattened()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_as_long_as_they_say() {
        let body = body(2, Startup::Mailbox);
        assert_eq!(body[..8], [0, 0, 0xe0, 0xfe, 1, 0, 0, 0]);
        let (mut rest, mut types) = (&body[8..], Vec::new());
        while let [kind, length, ..] = rest {
            types.push(*kind);
            rest = &rest[usize::from(*length)..];
        }
        assert!(rest.is_empty());
        assert_eq!(types, [0, 0, 1, 2, 2, 4, 16]);
    }

    #[test]
    fn the_clock_is_at_another_pin() {
        assert_eq!(source_override(0, 0), [2, 10, 0, 0, 2, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn the_io_apic_begins_with_interrupt_0() {
        assert_eq!(io_apic(2), [1, 12, 2, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0]);
    }
}
