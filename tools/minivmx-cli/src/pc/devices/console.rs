// SPDX-License-Identifier: GPL-2.0

//! A console of virtio (Virtual I/O Device (VIRTIO) Version 1.2, "Console Device"): one port, to
//! Linux /dev/hvc0, with a queue of room for what is typed, and one of what the guest prints. It
//! takes and gives many bytes at a time, where a serial port has an exit for each.

use std::io::{
    self,
    Write, //
};

use anyhow::Result;
use serde::{
    Deserialize,
    Serialize, //
};
use virtio_bindings::virtio_ids::VIRTIO_ID_CONSOLE;
use virtio_queue::{
    Error,
    Writer, //
};
use vm_memory::GuestMemoryMmap;

use super::{
    pci::{
        function::Function,
        slot, //
    },
    terminal::Terminal,
    virtio::{
        self,
        Transport, //
    },
};
use crate::console::{
    input::Input,
    sink::Sink, //
};

/// For communication, of no kind that PCI knows.
const CLASS: [u8; 3] = [0x07, 0x80, 0x00];

// The numbers of its queues.
const TYPED: u16 = 0;
const PRINTED: u16 = 1;
const QUEUE_SIZE: u16 = 64;
/// Bytes of a text at most, so that it takes no more time than that.
const LONGEST: usize = 64 << 10;
/// Most that was typed and is kept here until the driver has room for it.
const KEPT: usize = 256;

pub struct Console {
    pub(super) transport: Transport,
    input: Box<dyn Input>,
    typed: Vec<u8>,
    output: Sink,
}

/// What it is, and what was typed that the guest has not got.
#[derive(Deserialize, Serialize)]
pub struct State {
    transport: virtio::State,
    typed: Vec<u8>,
}

/// As PCI shows it.
pub fn function() -> Function {
    virtio::function::function(VIRTIO_ID_CONSOLE as u16, CLASS, slot::CONSOLE)
}

impl Console {
    pub fn new(input: Box<dyn Input>, output: Sink) -> Result<Self> {
        Ok(Self {
            transport: Transport::new(0, &[QUEUE_SIZE; 2], &[])?,
            input,
            typed: Vec::new(),
            output,
        })
    }

    pub fn state(&self) -> State {
        State {
            transport: self.transport.state(),
            typed: self.typed.clone(),
        }
    }

    /// Its output goes where it went.
    pub fn restore(&mut self, state: &State) -> Result<()> {
        self.typed.clone_from(&state.typed);
        self.transport.restore(&state.transport)
    }

    /// Prints what the guest has spoken of since the last call, and gives it what was typed.
    pub fn serve(&mut self, memory: &GuestMemoryMmap) {
        self.print(memory);
        self.give_typed(memory);
    }

    /// What nobody takes is lost, and what comes with it at once: each may have to wait for a
    /// while.
    fn print(&mut self, memory: &GuestMemoryMmap) {
        let mut is_taken = true;
        self.transport.serve(PRINTED, memory, |mut text, _| {
            if text.available_bytes() > LONGEST {
                return Err(Error::InvalidChain);
            }
            is_taken = is_taken && io::copy(&mut text, &mut self.output).is_ok();
            Ok(0)
        });
    }

    /// As far as there is room. Each time something of it is given, or it is the last.
    fn give_typed(&mut self, memory: &GuestMemoryMmap) {
        let mut has_room = true;
        while has_room && !self.typed.is_empty() {
            let transport = &mut self.transport;
            has_room = transport.serve_one(TYPED, memory, |_, room| give(&mut self.typed, room));
        }
    }

    /// What the guest printed.
    pub fn output(&self) -> &Sink {
        &self.output
    }

    /// Where the guest's text goes.
    pub fn output_mut(&mut self) -> &mut Sink {
        &mut self.output
    }
}

impl Terminal for Console {
    fn room(&self) -> usize {
        KEPT.saturating_sub(self.typed.len())
    }

    fn take(&mut self, typed: &[u8]) {
        self.typed.extend(typed);
    }

    fn input(&mut self) -> &mut dyn Input {
        self.input.as_mut()
    }
}

/// Gives as much as there is room for: so many bytes. Without room for one it is no request.
fn give(typed: &mut Vec<u8>, mut room: Writer<'_>) -> Result<u32, Error> {
    let count = room.write(typed).map_err(|_| Error::InvalidChain)?;
    typed.drain(..count);
    match count {
        0 => Err(Error::InvalidChain),
        // CAST: It is a part of what is kept.
        _ => Ok(count as u32),
    }
}

#[cfg(test)]
mod tests;
