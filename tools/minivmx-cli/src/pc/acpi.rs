// SPDX-License-Identifier: GPL-2.0

//! What tells a guest of its machine, and how it is switched off and reset (Advanced Configuration
//! and Power Interface (ACPI) Specification 6.5, "ACPI Software Programming Model").
//!
//! | table | what |
//! |---|---|
//! | RSDP, XSDT | where the others are |
//! | FADT | the ports of the power management, [`power`](super::devices::power), and that of the reset |
//! | FACS | memory that is common to guest and firmware, of which none is left |
//! | DSDT | the PCI bus, and how it is switched off |
//! | MADT | CPUs and their interrupt controllers, if there are several |
//!
//! A guest with one CPU has no APIC: its interrupts are those of the 8259A, which is what the lack
//! of a MADT says. By hand, as rust-vmm's `acpi_tables` needs a newer compiler than Debian 13's.

mod aml;
mod dsdt;
mod fadt;
mod madt;

pub use madt::Startup;

use super::checksum::checksum;

/// Where guests look for the first of them: the BIOS's read-only memory.
pub const ADDRESS: u32 = 0xe_0000;

const POINTER: usize = 36;
const HEADER: usize = 36;
/// More than any of them asks for.
const ALIGNMENT: usize = 64;

/// All tables, of which the first leads to the others, for so many CPUs and for [`ADDRESS`]; and
/// how the other CPUs are started.
pub fn image(cpus: u8, startup: Startup) -> Vec<u8> {
    let mut image = Image(vec![0; POINTER]);
    let facs = image.add(&facs());
    let dsdt = image.add(&table(b"DSDT", 2, &dsdt::body()));
    let mut others = vec![image.add(&table(b"FACP", fadt::REVISION, &fadt::body(facs, dsdt)))];
    if cpus > 1 {
        others.push(image.add(&table(b"APIC", madt::REVISION, &madt::body(cpus, startup))));
    }
    let xsdt = image.add(&table(b"XSDT", 1, &addresses(&others)));
    image.0[..POINTER].copy_from_slice(&pointer(xsdt));
    image.0
}

/// Tables one after the other.
struct Image(Vec<u8>);

impl Image {
    /// Adds one: its address.
    fn add(&mut self, table: &[u8]) -> u32 {
        let place = self.0.len().next_multiple_of(ALIGNMENT);
        self.0.resize(place, 0);
        self.0.extend(table);
        // CAST: It is a few KiB.
        ADDRESS + place as u32
    }
}

/// The root system description pointer.
fn pointer(xsdt: u32) -> [u8; POINTER] {
    const OF_ACPI_1: usize = 20;
    let mut pointer = [0; POINTER];
    pointer[..8].copy_from_slice(b"RSD PTR ");
    pointer[9..15].copy_from_slice(b"MINVMX");
    pointer[15] = 2;
    pointer[20] = POINTER as u8;
    pointer[24..28].copy_from_slice(&xsdt.to_le_bytes());
    pointer[8] = checksum(&pointer[..OF_ACPI_1]);
    pointer[32] = checksum(&pointer);
    pointer
}

/// The extended system description table's body.
fn addresses(tables: &[u32]) -> Vec<u8> {
    let addresses = tables.iter().map(|table| u64::from(*table).to_le_bytes());
    addresses.flatten().collect()
}

/// The firmware ACPI control structure. Guests write to its lock, but nobody else takes it.
fn facs() -> [u8; 64] {
    let mut facs = [0; 64];
    facs[..4].copy_from_slice(b"FACS");
    facs[4] = 64;
    facs[32] = 1;
    facs
}

/// One with the header that most have.
fn table(signature: &[u8; 4], revision: u8, body: &[u8]) -> Vec<u8> {
    let mut table = signature.to_vec();
    // CAST: It is a few hundred bytes.
    table.extend(((HEADER + body.len()) as u32).to_le_bytes());
    table.extend([revision, 0]);
    table.extend(b"MINVMXMINIVMX \x01\0\0\0MVMX\x01\0\0\0");
    table.extend(body);
    table[9] = checksum(&table);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(bytes: &[u8], place: usize) -> usize {
        let word = bytes[place..place + 4].try_into().expect("of 4 bytes");
        u32::from_le_bytes(word) as usize
    }

    /// The table at an address.
    fn at(image: &[u8], address: usize) -> &[u8] {
        let table = &image[address - ADDRESS as usize..];
        &table[..word(table, 4)]
    }

    /// Those that the pointer leads to.
    fn tables(image: &[u8]) -> Vec<&[u8]> {
        let xsdt = at(image, word(image, 24));
        assert_eq!((&xsdt[..4], checksum(xsdt)), (&b"XSDT"[..], 0));
        let addresses = xsdt[HEADER..].chunks(8);
        addresses
            .map(|address| at(image, word(address, 0)))
            .collect()
    }

    #[test]
    fn the_pointer_has_two_checksums() {
        let image = image(2, Startup::Ipi);
        assert_eq!(&image[..8], b"RSD PTR ");
        assert_eq!((checksum(&image[..20]), checksum(&image[..36])), (0, 0));
    }

    #[test]
    fn it_leads_to_all_tables() {
        let image = image(3, Startup::Ipi);
        let tables = tables(&image);
        let names = tables.iter().map(|table| &table[..4]);
        assert_eq!(names.collect::<Vec<_>>(), [b"FACP", b"APIC"]);
        assert!(tables.iter().all(|table| checksum(table) == 0));
        let dsdt = at(&image, word(tables[0], 40));
        assert_eq!((&dsdt[..4], checksum(dsdt)), (&b"DSDT"[..], 0));
        let facs = word(tables[0], 36);
        assert_eq!(&at(&image, facs)[..4], b"FACS");
        assert_eq!((facs % 64, at(&image, facs).len()), (0, 64));
    }

    #[test]
    fn a_cpu_that_is_alone_has_no_apic() {
        assert_eq!(tables(&image(1, Startup::Ipi)).len(), 1);
    }

    #[test]
    fn they_fit_below_1_mib() {
        assert!(ADDRESS as usize + image(u8::MAX, Startup::Mailbox).len() < 1 << 20);
    }
}
