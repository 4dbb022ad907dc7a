// SPDX-License-Identifier: GPL-2.0

//! The serial port: `vm-superio`'s 16550A between the guest and the terminal.

use std::{
    convert::Infallible,
    mem,
    sync::{
        atomic::{
            AtomicBool,
            Ordering, //
        },
        Arc, //
    },
};

use anyhow::{
    Error,
    Result, //
};
use serde::{
    Deserialize,
    Serialize, //
};
use vm_superio::{
    serial::{
        NoEvents,
        SerialState, //
    },
    Serial,
    Trigger, //
};

use super::{
    terminal::Terminal,
    Device, //
};
use crate::console::{
    input::Input,
    sink::Sink, //
};

const BASE: u16 = 0x3f8;
const DATA: u8 = 0;
const LINE_STATUS: u8 = 5;

/// COM1.
pub struct SerialPort {
    uart: Serial<Line, NoEvents, Sink>,
    line: Line,
    input: Box<dyn Input>,
}

/// The interrupt line: whether it has risen.
#[derive(Clone, Default)]
struct Line(Arc<AtomicBool>);

impl Trigger for Line {
    type E = Infallible;

    fn trigger(&self) -> Result<(), Infallible> {
        self.0.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// The registers of the 16550A, and what was typed that the guest has not read.
#[derive(Deserialize, Serialize)]
pub struct State(#[serde(with = "Registers")] SerialState);

/// As `vm-superio` has them.
#[derive(Deserialize, Serialize)]
#[serde(remote = "SerialState")]
struct Registers {
    baud_divisor_low: u8,
    baud_divisor_high: u8,
    interrupt_enable: u8,
    interrupt_identification: u8,
    line_control: u8,
    line_status: u8,
    modem_control: u8,
    modem_status: u8,
    scratch: u8,
    in_buffer: Vec<u8>,
}

impl SerialPort {
    pub fn new(input: Box<dyn Input>, output: Sink) -> Self {
        let line = Line::default();
        Self {
            uart: Serial::new(line.clone(), output),
            line,
            input,
        }
    }

    pub fn state(&self) -> State {
        State(self.uart.state())
    }

    /// Its output goes where it went.
    pub fn restore(&mut self, State(state): &State) -> Result<()> {
        let output = mem::replace(self.output_mut(), Sink::captured(None));
        let uart = Serial::from_state(state, self.line.clone(), NoEvents, output);
        self.uart = uart.map_err(Error::new)?;
        Ok(())
    }

    /// Whether the interrupt line has risen since the last call.
    pub fn take_interrupt(&mut self) -> bool {
        self.line.0.swap(false, Ordering::Relaxed)
    }

    /// Where the guest's text goes.
    pub fn output_mut(&mut self) -> &mut Sink {
        self.uart.writer_mut()
    }

    /// What the guest wrote.
    pub fn output(&self) -> &Sink {
        self.uart.writer()
    }
}

impl Terminal for SerialPort {
    fn room(&self) -> usize {
        self.uart.fifo_capacity()
    }

    fn take(&mut self, typed: &[u8]) {
        // A full FIFO loses bytes, as it does in hardware; `room` prevents it.
        let _ = self.uart.enqueue_raw_bytes(typed);
    }

    fn input(&mut self) -> &mut dyn Input {
        self.input.as_mut()
    }
}

impl Device for SerialPort {
    fn read(&mut self, port: u16, _width: u8) -> u32 {
        let register = (port - BASE) as u8;
        // A guest that polls asks for it.
        if matches!(register, DATA | LINE_STATUS) {
            self.receive();
        }
        self.uart.read(register).into()
    }

    fn write(&mut self, port: u16, _width: u8, value: u32) {
        // What nobody takes is lost, as on a line that is not plugged in; the interrupt's cannot
        // fail.
        let _ = self.uart.write((port - BASE) as u8, value as u8);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        ffi::c_int,
        thread,
        time::{
            Duration,
            Instant, //
        },
    };

    use vmm_sys_util::signal::Killable;

    use super::*;
    use crate::signal;

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

    extern "C" fn ignore(_: c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {}

    #[test]
    fn a_signal_ends_the_wait_without_room() -> Result<()> {
        const LIMIT: Duration = Duration::from_secs(30);
        signal::handle(libc::SIGUSR2, ignore)?;
        let start = Instant::now();
        let waiting = thread::spawn(|| {
            let mut serial = SerialPort::new(typed(&[b'k'; 100]), Sink::captured(None));
            (0..8).for_each(|_| serial.receive());
            assert!(!serial.awaits_input());
            serial.wait(LIMIT);
        });
        // It may not wait yet.
        while !waiting.is_finished() && start.elapsed() < LIMIT {
            waiting.kill(libc::SIGUSR2)?;
            thread::sleep(Duration::from_millis(10));
        }
        assert!(start.elapsed() < LIMIT);
        Ok(())
    }

    /// What Linux tells its console apart from a polled port by.
    #[test]
    fn what_is_enabled_raises_the_line() {
        let mut serial = SerialPort::new(typed(b"k"), Sink::captured(None));
        serial.write(0x3f8, 1, u32::from(b'!'));
        assert!(!serial.take_interrupt(), "nothing is enabled");
        serial.write(0x3f9, 1, 0x01);
        assert!(!serial.take_interrupt());
        serial.receive();
        assert!(serial.take_interrupt(), "data came");
        assert!(!serial.take_interrupt());
        assert_eq!(serial.read(0x3fa, 1) & 0x0f, 0x04);
        serial.write(0x3f9, 1, 0x03);
        assert!(serial.take_interrupt(), "the transmitter is empty");
    }
}
