// SPDX-License-Identifier: GPL-2.0

//! Numbers as command lines have them.

use std::num::ParseIntError;

/// A decimal number, or behind 0x a hexadecimal one.
pub fn number(text: &str) -> Result<u64, ParseIntError> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_decimal_or_hexadecimal() {
        assert_eq!(number("4096"), Ok(0x1000));
        assert_eq!(number("0x1000"), Ok(0x1000));
        for refused in ["", "0x", "1000h", "-1", "0x1_0000_0000_0000_0000"] {
            assert!(number(refused).is_err(), "{refused}");
        }
    }
}
