// SPDX-License-Identifier: GPL-2.0

//! The debug port 0x402 of QEMU's PC: each byte that is written is text, and
//! reading answers 0xe9 to say that someone listens.

use std::io::Write;

use super::Device;
use crate::console::sink::Sink;

const SOMEONE_LISTENS: u32 = 0xe9;

/// Port 0x402.
pub struct DebugPort {
    output: Sink,
}

impl DebugPort {
    pub fn new(output: Sink) -> Self {
        Self { output }
    }

    /// Where the guest's text goes.
    pub fn output_mut(&mut self) -> &mut Sink {
        &mut self.output
    }

    /// What the guest wrote.
    pub fn output(&self) -> &Sink {
        &self.output
    }
}

impl Device for DebugPort {
    fn read(&mut self, _port: u16, _width: u8) -> u32 {
        SOMEONE_LISTENS
    }

    fn write(&mut self, _port: u16, _width: u8, value: u32) {
        // The sink keeps its own errors.
        let _ = self.output.write_all(&[value as u8]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_listens() {
        let mut port = DebugPort::new(Sink::captured(None));
        assert_eq!(port.read(0x402, 1), 0xe9);
        for byte in b"SeaBIOS\n" {
            port.write(0x402, 1, u32::from(*byte));
        }
        assert_eq!(port.output().text(), "SeaBIOS\n");
    }
}
