// SPDX-License-Identifier: GPL-2.0

//! The serial port: `vm-superio`'s 16550A between the guest and the terminal.

use std::convert::Infallible;

use vm_superio::{
    serial::NoEvents,
    Serial,
    Trigger, //
};

use super::Device;
use crate::console::{
    input::Input,
    sink::Sink, //
};

const BASE: u16 = 0x3f8;
const DATA: u8 = 0;
const LINE_STATUS: u8 = 5;

/// COM1, without interrupts.
pub struct SerialPort {
    uart: Serial<NoInterrupt, NoEvents, Sink>,
    input: Box<dyn Input>,
}

/// The guest polls: the driver cannot inject interrupts yet.
struct NoInterrupt;

impl Trigger for NoInterrupt {
    type E = Infallible;

    fn trigger(&self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl SerialPort {
    pub fn new(input: Box<dyn Input>, output: Sink) -> Self {
        Self {
            uart: Serial::new(NoInterrupt, output),
            input,
        }
    }

    /// Where the guest's text goes.
    pub fn output_mut(&mut self) -> &mut Sink {
        self.uart.writer_mut()
    }

    /// What the guest wrote.
    pub fn output(&self) -> &Sink {
        self.uart.writer()
    }

    /// Takes what was typed as soon as the guest asks whether there is something.
    fn receive(&mut self) {
        let mut bytes = [0; 16];
        let room = self.uart.fifo_capacity().min(bytes.len());
        let count = self.input.read(&mut bytes[..room]);
        // A full FIFO loses bytes, as it does in hardware; `room` prevents it.
        let _ = self.uart.enqueue_raw_bytes(&bytes[..count]);
    }
}

impl Device for SerialPort {
    fn read(&mut self, port: u16, _width: u8) -> u32 {
        let register = (port - BASE) as u8;
        if matches!(register, DATA | LINE_STATUS) {
            self.receive();
        }
        self.uart.read(register).into()
    }

    fn write(&mut self, port: u16, _width: u8, value: u32) {
        // The sink keeps its own errors; there is no interrupt that could fail.
        let _ = self.uart.write((port - BASE) as u8, value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(bytes: &'static [u8]) -> Box<dyn Input> {
        Box::new(bytes)
    }

    #[test]
    fn bytes_go_out_and_come_in() {
        let mut serial = SerialPort::new(typed(b"k"), Sink::captured(None));
        serial.write(0x3f8, 1, u32::from(b'!'));
        assert_eq!(serial.output().text(), "!");
        assert_eq!(serial.read(0x3fd, 1) & 1, 1, "data is ready");
        assert_eq!(serial.read(0x3f8, 1), u32::from(b'k'));
        assert_eq!(serial.read(0x3fd, 1) & 1, 0);
    }

    #[test]
    fn the_transmitter_is_always_ready() {
        let mut serial = SerialPort::new(typed(b""), Sink::captured(None));
        assert_eq!(serial.read(0x3fd, 1) & 0x60, 0x60);
    }
}
