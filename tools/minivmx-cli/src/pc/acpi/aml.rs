// SPDX-License-Identifier: GPL-2.0

//! As much of ACPI's machine language as describes devices (ACPI Specification 6.5, "ACPI Machine
//! Language (AML) Specification" and "Resource Data Types for ACPI").

/// Names have four letters, with underscores at the end.
pub type Name = [u8; 4];

const NAME: u8 = 0x08;
const BYTE: u8 = 0x0a;
const WORD: u8 = 0x0b;
const DOUBLE_WORD: u8 = 0x0c;
const SCOPE: u8 = 0x10;
const BUFFER: u8 = 0x11;
const PACKAGE: u8 = 0x12;
const METHOD: u8 = 0x14;
const DEVICE: [u8; 2] = [0x5b, 0x82];

const END: [u8; 2] = [0x79, 0];

pub fn name(name: &Name, value: &[u8]) -> Vec<u8> {
    [&[NAME], &name[..], value].concat()
}

pub fn integer(value: u32) -> Vec<u8> {
    match value.to_le_bytes() {
        [0 | 1, 0, 0, 0] => vec![value as u8],
        [byte, 0, 0, 0] => vec![BYTE, byte],
        [low, high, 0, 0] => vec![WORD, low, high],
        bytes => [&[DOUBLE_WORD], &bytes[..]].concat(),
    }
}

pub fn package(elements: &[Vec<u8>]) -> Vec<u8> {
    // CAST: There are a few.
    let number = elements.len() as u8;
    with_length(&[PACKAGE], &[&[number], &elements.concat()[..]].concat())
}

pub fn scope(name: &Name, body: &[Vec<u8>]) -> Vec<u8> {
    with_length(&[SCOPE], &[&name[..], &body.concat()].concat())
}

pub fn device(name: &Name, body: &[Vec<u8>]) -> Vec<u8> {
    with_length(&DEVICE, &[&name[..], &body.concat()].concat())
}

/// One that does nothing with so many arguments.
pub fn empty_method(name: &Name, arguments: u8) -> Vec<u8> {
    with_length(&[METHOD], &[&name[..], &[arguments]].concat())
}

/// Who made it, and which of his products it is: "PNP0A03".
pub fn eisa_id(id: &[u8; 7]) -> Vec<u8> {
    let [maker @ .., a, b, c, d] = id;
    let maker = maker
        .iter()
        .fold(0, |value, letter| (value << 5) | (letter & 0x1f) as u32);
    let product = [a, b, c, d]
        .into_iter()
        .filter_map(|digit| char::from(*digit).to_digit(16))
        .fold(0, |value, digit| (value << 4) | digit);
    integer(((maker << 16) | product).swap_bytes())
}

/// What a device has.
pub fn resources(descriptors: &[Vec<u8>]) -> Vec<u8> {
    let bytes = [&descriptors.concat()[..], &END].concat();
    // CAST: They are a few dozen.
    with_length(&[BUFFER], &[integer(bytes.len() as u32), bytes].concat())
}

/// Ports that it answers to itself.
pub fn ports(first: u16, number: u8) -> Vec<u8> {
    const DESCRIPTOR: u8 = 0x47;
    const DECODES_16_BITS: u8 = 1;
    let [low, high] = first.to_le_bytes();
    vec![DESCRIPTOR, DECODES_16_BITS, low, high, low, high, 1, number]
}

/// An interrupt by an edge that rises.
pub fn interrupt(number: u32) -> Vec<u8> {
    const CONSUMER: u8 = 1 << 0;
    const EDGE: u8 = 1 << 1;
    let descriptor = [0x89, 6, 0, CONSUMER | EDGE, 1];
    [&descriptor[..], &number.to_le_bytes()].concat()
}

/// Numbers of buses behind a bridge.
pub fn bus_numbers(first: u16, last: u16) -> Vec<u8> {
    range(2, 0, first, last)
}

/// Ports that a bridge passes on.
pub fn ports_behind(first: u16, last: u16) -> Vec<u8> {
    const ALL: u8 = 3;
    range(1, ALL, first, last)
}

/// That a bridge passes on: it produces it.
fn range(kind: u8, flags: u8, first: u16, last: u16) -> Vec<u8> {
    const FIXED: u8 = (1 << 2) | (1 << 3);
    let (granularity, translation, length) = (0, 0, last - first + 1);
    let words = [granularity, first, last, translation, length];
    let words = words.into_iter().flat_map(u16::to_le_bytes);
    let descriptor = [0x88, 13, 0, kind, FIXED, flags];
    descriptor.into_iter().chain(words).collect()
}

/// With the number of bytes behind the operation, its own among them (ACPI Specification, "Package
/// Length Encoding"): in the first of them are how many follow it, and the lowest bits.
fn with_length(operation: &[u8], body: &[u8]) -> Vec<u8> {
    let length = match body.len() + 1 {
        length @ ..0x40 => vec![length as u8],
        length => {
            // CAST: None is as long as 4 KiB.
            let length = length + 1;
            vec![0x40 | (length & 0xf) as u8, (length >> 4) as u8]
        }
    };
    [operation, &length, body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_as_short_as_can_be() {
        assert_eq!(integer(0), [0]);
        assert_eq!(integer(1), [1]);
        assert_eq!(integer(5), [0x0a, 5]);
        assert_eq!(integer(0x1234), [0x0b, 0x34, 0x12]);
        assert_eq!(integer(0x1_ffff), [0x0c, 0xff, 0xff, 1, 0]);
    }

    /// The specification's own example is a serial port; these are the bytes of Intel's compiler.
    #[test]
    fn a_device_is_as_a_compiler_has_it() {
        let resources = resources(&[interrupt(4), ports(0x3f8, 8)]);
        let device = device(
            b"COM1",
            &[
                name(b"_HID", &eisa_id(b"PNP0501")),
                name(b"_CRS", &resources),
            ],
        );
        let expected = [
            0x5b, 0x82, 0x2b, b'C', b'O', b'M', b'1', 0x08, b'_', b'H', b'I', b'D', 0x0c, 0x41,
            0xd0, 0x05, 0x01, 0x08, b'_', b'C', b'R', b'S', 0x11, 0x16, 0x0a, 0x13, 0x89, 0x06,
            0x00, 0x03, 0x01, 0x04, 0x00, 0x00, 0x00, 0x47, 0x01, 0xf8, 0x03, 0xf8, 0x03, 0x01,
            0x08, 0x79, 0x00,
        ];
        assert_eq!(device, expected);
    }

    #[test]
    fn lengths_count_themselves() {
        assert_eq!(with_length(&[SCOPE], &[7; 62])[..3], [SCOPE, 63, 7]);
        assert_eq!(with_length(&[SCOPE], &[7; 63])[..4], [SCOPE, 0x41, 4, 7]);
        assert_eq!(
            with_length(&[SCOPE], &[7; 0x200])[..4],
            [SCOPE, 0x42, 0x20, 7]
        );
    }

    #[test]
    fn a_range_says_how_long_it_is() {
        let range = ports_behind(0xd00, 0xffff);
        assert_eq!(range[..8], [0x88, 13, 0, 1, 0xc, 3, 0, 0]);
        assert_eq!(range[8..], [0, 0xd, 0xff, 0xff, 0, 0, 0, 0xf3]);
    }
}
