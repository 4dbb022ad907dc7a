// SPDX-License-Identifier: GPL-2.0

//! What every device of virtio is to its driver: registers by which it is found, set up and called,
//! queues of requests in the guest's memory, and an interrupt (Virtual I/O Device (VIRTIO) Version
//! 1.2, "Virtio Over PCI Bus").
//!
//! It is a PCI function of the form of virtio 1, whose registers are I/O ports, which that form
//! allows: so a CPU itself tells what an access is, under each way to translate memory, where one
//! to memory would have to be decoded. Linux, SeaBIOS and OVMF find such devices by themselves;
//! those of virtio-mmio only Linux does, by words on its command line. Its interrupt is its line,
//! INTA#, and rises for a moment with each thing that there is to tell; there is no MSI-X.
//!
//! Queues are from rust-vmm's `virtio-queue`, which checks what the guest has put there; registers
//! are by hand, as no crate has them.

#[cfg(test)]
pub mod driver;
pub mod function;

use std::mem;

use anyhow::{
    ensure,
    Result, //
};
use serde::{
    Deserialize,
    Serialize, //
};
use virtio_bindings::virtio_config::{
    VIRTIO_CONFIG_S_DRIVER_OK,
    VIRTIO_CONFIG_S_FEATURES_OK,
    VIRTIO_CONFIG_S_NEEDS_RESET,
    VIRTIO_F_VERSION_1, //
};
use virtio_queue::{
    Error,
    Queue,
    QueueOwnedT,
    QueueState,
    QueueT,
    Reader,
    Writer, //
};
use vm_memory::GuestMemoryMmap;

use super::{
    value_of,
    Device, //
};

/// So many ports it has, from a multiple of that on.
pub const PORTS: u16 = 0x80;
/// The common configuration begins there, and has so many bytes.
pub const COMMON: u16 = 0x00;
pub const COMMON_SIZE: u16 = 0x38;
/// The number of a queue that is written there says that there are requests in it.
pub const NOTIFY: u16 = 0x40;
pub const INTERRUPT_STATUS: u16 = 0x44;
/// The registers of a kind of devices begin there.
pub const DEVICE: u16 = 0x50;

// Registers of the common configuration.
const OFFERED_HALF: u16 = 0x00;
const OFFERED: u16 = 0x04;
const ACCEPTED_HALF: u16 = 0x08;
const ACCEPTED: u16 = 0x0c;
const CONFIGURATION_VECTOR: u16 = 0x10;
const QUEUES: u16 = 0x12;
const STATUS: u16 = 0x14;
const GENERATION: u16 = 0x15;
const QUEUE: u16 = 0x16;
const QUEUE_SIZE: u16 = 0x18;
const QUEUE_VECTOR: u16 = 0x1a;
const QUEUE_ENABLED: u16 = 0x1c;
const QUEUE_NOTIFY: u16 = 0x1e;
const DESCRIPTORS: u16 = 0x20;
const AVAILABLE: u16 = 0x28;
const USED: u16 = 0x30;

const DRIVER_OK: u8 = VIRTIO_CONFIG_S_DRIVER_OK as u8;
const FEATURES_OK: u8 = VIRTIO_CONFIG_S_FEATURES_OK as u8;
const NEEDS_RESET: u8 = VIRTIO_CONFIG_S_NEEDS_RESET as u8;
const VERSION_1: u64 = 1 << VIRTIO_F_VERSION_1;
/// Without MSI-X.
const NO_VECTOR: u32 = 0xffff;

// Bits of the interrupt status: why there was one.
const BY_QUEUE: u8 = 1 << 0;
const BY_CONFIGURATION: u8 = 1 << 1;

/// The registers, and the queues, of one device.
pub struct Transport {
    offered: u64,
    /// Its own registers, which can only be read.
    own: Vec<u8>,
    registers: Registers,
    queues: Vec<Queue>,
}

/// What they hold but for the queues.
#[derive(Clone, Default, Deserialize, Serialize)]
struct Registers {
    /// Features that the driver takes.
    accepted: u64,
    /// Which 32 of them are looked at, and of those that are offered.
    accepted_half: u32,
    offered_half: u32,
    status: u8,
    /// The number of a queue.
    queue: u16,
    interrupt: u8,
    /// The interrupt line is to rise.
    rises: bool,
    /// The driver has said that there are requests in these queues.
    notified: u32,
}

/// What it is.
#[derive(Deserialize, Serialize)]
pub struct State {
    offered: u64,
    registers: Registers,
    queues: Vec<SavedQueue>,
}

#[derive(Deserialize, Serialize)]
struct SavedQueue(#[serde(with = "QueueForm")] QueueState);

/// The form of a queue's state in a file.
#[derive(Deserialize, Serialize)]
#[serde(remote = "QueueState")]
struct QueueForm {
    max_size: u16,
    next_avail: u16,
    next_used: u16,
    event_idx_enabled: bool,
    size: u16,
    ready: bool,
    desc_table: u64,
    avail_ring: u64,
    used_ring: u64,
}

impl Transport {
    /// Of a device with these features, queues of so many descriptors, powers of 2, and registers
    /// of its own.
    pub fn new(features: u64, queue_sizes: &[u16], own: &[u8]) -> Result<Self> {
        let queues = queue_sizes.iter().map(|size| Queue::new(*size));
        Ok(Self {
            offered: features | VERSION_1,
            own: own.into(),
            registers: Registers::default(),
            queues: queues.collect::<Result<_, _>>()?,
        })
    }

    pub fn state(&self) -> State {
        let queues = self.queues.iter().map(|queue| SavedQueue(queue.state()));
        State {
            offered: self.offered,
            registers: self.registers.clone(),
            queues: queues.collect(),
        }
    }

    pub fn restore(&mut self, state: &State) -> Result<()> {
        let (here, there) = (self.offered, state.offered);
        ensure!(
            here == there,
            "features of a device, {there:#x}, are not {here:#x}"
        );
        let (here, there) = (self.queues.len(), state.queues.len());
        ensure!(here == there, "{there} queues of a device are not {here}");
        for (queue, SavedQueue(state)) in self.queues.iter_mut().zip(&state.queues) {
            *queue = Queue::try_from(*state)?;
        }
        self.registers = state.registers.clone();
        Ok(())
    }

    /// The one that the driver has selected, if it is there.
    fn selected(&mut self) -> Option<&mut Queue> {
        self.queues.get_mut(usize::from(self.registers.queue))
    }

    fn read_register(&mut self, offset: u16, width: u8) -> u32 {
        let registers = &self.registers;
        match (offset, width) {
            (OFFERED_HALF, 4) => registers.offered_half,
            (OFFERED, 4) => half(self.offered, registers.offered_half),
            (ACCEPTED_HALF, 4) => registers.accepted_half,
            (ACCEPTED, 4) => half(registers.accepted, registers.accepted_half),
            (CONFIGURATION_VECTOR | QUEUE_VECTOR, 2) => NO_VECTOR,
            // CAST: There are a few.
            (QUEUES, 2) => self.queues.len() as u32,
            (STATUS, 1) => registers.status.into(),
            (GENERATION, 1) => 0,
            (QUEUE, 2) => registers.queue.into(),
            (INTERRUPT_STATUS, 1) => mem::take(&mut self.registers.interrupt).into(),
            // A queue that is not there has no size.
            (QUEUE_SIZE..COMMON_SIZE, _) => self
                .selected()
                .map_or(0, |queue| read_queue(queue, offset, width)),
            (DEVICE.., _) => {
                let own = self.own.iter().skip((offset - DEVICE).into());
                value_of(own.take(width.into()).copied())
            }
            _ => u32::MAX,
        }
    }

    fn write_register(&mut self, offset: u16, width: u8, value: u32) {
        let registers = &mut self.registers;
        match (offset, width) {
            (OFFERED_HALF, 4) => registers.offered_half = value,
            (ACCEPTED_HALF, 4) => registers.accepted_half = value,
            (ACCEPTED, 4) => registers.accept(value),
            // CAST: These are of the width.
            (STATUS, 1) => self.set_status(value as u8),
            (QUEUE, 2) => registers.queue = value as u16,
            (NOTIFY, _) => registers.notified |= bit(value),
            (QUEUE_SIZE..COMMON_SIZE, _) => {
                if let Some(queue) = self.selected().filter(|queue| !queue.ready()) {
                    write_queue(queue, offset, width, value);
                }
            }
            _ => {}
        }
    }

    /// Zero is a reset. The driver learns whether its choice of features can be, as it reads the
    /// status.
    fn set_status(&mut self, status: u8) {
        if status == 0 {
            self.registers = Registers::default();
            return self.queues.iter_mut().for_each(Queue::reset);
        }
        let accepted = self.registers.accepted;
        let can_be = accepted & VERSION_1 != 0 && accepted & !self.offered == 0;
        let refused = if can_be { 0 } else { FEATURES_OK };
        let broken = self.registers.status & NEEDS_RESET;
        self.registers.status = status & !refused | broken;
    }

    /// The features that the driver has chosen.
    pub fn accepted(&self) -> u64 {
        self.registers.accepted
    }

    fn is_live(&self) -> bool {
        self.registers.status & (DRIVER_OK | NEEDS_RESET) == DRIVER_OK
    }

    /// Lets a device answer the requests of a queue that the driver has spoken of: no more than
    /// there is room for, as it speaks of those that come meanwhile.
    pub fn serve(
        &mut self,
        queue: u16,
        memory: &GuestMemoryMmap,
        mut answer: impl FnMut(Reader<'_>, Writer<'_>) -> Result<u32, Error>,
    ) {
        let spoken_of = bit(queue.into());
        let notified = self.registers.notified & spoken_of != 0;
        self.registers.notified &= !spoken_of;
        let queue_size = self.queues.get(usize::from(queue)).map_or(0, Queue::size);
        let most = if notified { queue_size } else { 0 };
        let _last = (0..most).all(|_| self.serve_one(queue, memory, &mut answer));
    }

    /// Lets it answer the next request of a queue; `false` if there is none. It says how many bytes
    /// it has written, or that this is no request. After a queue that is none the driver has to
    /// start anew.
    pub fn serve_one(
        &mut self,
        queue: u16,
        memory: &GuestMemoryMmap,
        answer: impl FnOnce(Reader<'_>, Writer<'_>) -> Result<u32, Error>,
    ) -> bool {
        let is_live = self.is_live();
        let queue = self.queues.get_mut(usize::from(queue));
        let Some(queue) = queue.filter(|queue| is_live && queue.ready()) else {
            return false;
        };
        let answered = answer_one(queue, memory, answer);
        match answered {
            Ok(true) => self.registers.interrupt(BY_QUEUE),
            Ok(false) => {}
            Err(_) => {
                self.registers.status |= NEEDS_RESET;
                self.registers.interrupt(BY_CONFIGURATION);
            }
        }
        answered.unwrap_or(false)
    }

    /// Whether the interrupt line is to rise, once.
    pub fn take_interrupt(&mut self) -> bool {
        mem::take(&mut self.registers.rises)
    }
}

impl Device for Transport {
    fn read(&mut self, port: u16, width: u8) -> u32 {
        self.read_register(port % PORTS, width)
    }

    fn write(&mut self, port: u16, width: u8, value: u32) {
        self.write_register(port % PORTS, width, value);
    }

    fn has_wide_registers(&self) -> bool {
        true
    }
}

fn read_queue(queue: &Queue, offset: u16, width: u8) -> u32 {
    let address = match (offset, width) {
        (QUEUE_SIZE, 2) => return queue.size().into(),
        (QUEUE_ENABLED, 2) => return queue.ready().into(),
        (QUEUE_NOTIFY, 2) => return 0,
        (DESCRIPTORS..AVAILABLE, 4) => queue.desc_table(),
        (AVAILABLE..USED, 4) => queue.avail_ring(),
        (USED.., 4) => queue.used_ring(),
        _ => return u32::MAX,
    };
    half(address, u32::from(offset & 4 != 0))
}

/// What the queue cannot have, it does not take.
fn write_queue(queue: &mut Queue, offset: u16, width: u8, value: u32) {
    let (low, high) = match offset & 4 {
        0 => (Some(value), None),
        _ => (None, Some(value)),
    };
    match (offset, width) {
        // CAST: It is of the width.
        (QUEUE_SIZE, 2) => queue.set_size(value as u16),
        (QUEUE_ENABLED, 2) => queue.set_ready(value == 1),
        (DESCRIPTORS..AVAILABLE, 4) => queue.set_desc_table_address(low, high),
        (AVAILABLE..USED, 4) => queue.set_avail_ring_address(low, high),
        (USED.., 4) => queue.set_used_ring_address(low, high),
        _ => {}
    }
}

/// Whether there was one.
fn answer_one(
    queue: &mut Queue,
    memory: &GuestMemoryMmap,
    answer: impl FnOnce(Reader<'_>, Writer<'_>) -> Result<u32, Error>,
) -> Result<bool, Error> {
    let Some(chain) = queue.iter(memory)?.next() else {
        return Ok(false);
    };
    let head = chain.head_index();
    let reader = chain.clone().reader(memory)?;
    let written = answer(reader, chain.writer(memory)?)?;
    queue.add_used(memory, head, written)?;
    Ok(true)
}

/// That of a queue, if there could be one with that number.
fn bit(queue: u32) -> u32 {
    1_u32.checked_shl(queue).unwrap_or(0)
}

impl Registers {
    fn accept(&mut self, features: u32) {
        let features = u64::from(features);
        match self.accepted_half {
            0 => self.accepted = (self.accepted >> 32 << 32) | features,
            1 => self.accepted = u64::from(half(self.accepted, 0)) | (features << 32),
            _ => {}
        }
    }

    fn interrupt(&mut self, why: u8) {
        self.interrupt |= why;
        self.rises = true;
    }
}

/// Of the 32-bit halves one, or what is beyond them.
fn half(value: u64, number: u32) -> u32 {
    match number {
        // CAST: That half is wanted.
        0 => value as u32,
        1 => (value >> 32) as u32,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
