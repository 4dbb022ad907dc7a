// SPDX-License-Identifier: GPL-2.0

//! A driver, for tests: its queues, and what it puts there, which need not be good.

use vm_memory::{
    Bytes,
    GuestAddress,
    GuestMemoryMmap, //
};

use super::{
    Device,
    Transport,
    NOTIFY, //
};

pub const STATUS: u16 = 0x14;
const NEEDS_RESET: u32 = 0x40;
const QUEUES: u16 = 0x12;
const QUEUE: u16 = 0x16;
const QUEUE_SIZE: u16 = 0x18;
pub const ENABLED: u16 = 0x1c;

// Where the first queue is, of bytes of memory; the second is behind it.
pub const DESCRIPTORS: u64 = 0x1000;
pub const AVAILABLE: u64 = 0x2000;
pub const USED: u64 = 0x3000;
pub const MEMORY: usize = 0x10000;
const NEXT_QUEUE: u64 = 0x8000;

pub const NEXT: u16 = 1;
pub const WRITE: u16 = 2;
pub const INDIRECT: u16 = 4;

/// A descriptor: address, length, flags, the next one.
pub type Part = (u64, u32, u16, u16);

pub struct Driver {
    pub memory: GuestMemoryMmap,
    pub queues: Vec<Ring>,
}

/// One of its queues.
pub struct Ring {
    size: u16,
    /// So many chains were spoken of.
    pub available: u16,
    base: u64,
}

impl Driver {
    /// One that has set its device up.
    pub fn of(device: &mut Transport) -> Self {
        accept(device);
        // CAST: There are a few.
        let queues = 0..device.read(QUEUES, 2) as u16;
        let queues = queues.map(|number| Ring::enabled(device, number)).collect();
        device.write(STATUS, 1, 0xf);
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), MEMORY)]);
        Self {
            memory: memory.expect("it is free"),
            queues,
        }
    }

    pub fn put(&self, gpa: u64, bytes: &[u8]) {
        let written = self.memory.write_slice(bytes, GuestAddress(gpa));
        written.expect("there is memory");
    }

    pub fn get<const N: usize>(&self, gpa: u64) -> [u8; N] {
        let mut bytes = [0; N];
        let read = self.memory.read_slice(&mut bytes, GuestAddress(gpa));
        read.expect("there is memory");
        bytes
    }

    pub fn describe(&self, queue: usize, number: u16, (address, length, flags, next): Part) {
        let parts = [
            &address.to_le_bytes()[..],
            &length.to_le_bytes(),
            &flags.to_le_bytes(),
            &next.to_le_bytes(),
        ];
        let descriptors = self.queues[queue].base + DESCRIPTORS;
        self.put(descriptors + 16 * u64::from(number), &parts.concat());
    }

    /// Speaks of a chain that begins at this descriptor.
    pub fn offer(&mut self, device: &mut Transport, queue: usize, head: u16) {
        let Ring {
            size,
            available,
            base,
        } = self.queues[queue];
        let ring = base + AVAILABLE;
        self.put(
            ring + 4 + 2 * u64::from(available % size),
            &head.to_le_bytes(),
        );
        let available = available.wrapping_add(1);
        self.put(ring + 2, &available.to_le_bytes());
        self.queues[queue].available = available;
        device.write(NOTIFY, 2, queue as u32);
    }

    /// How many chains came back, and how much was written for the last one.
    pub fn used(&self, queue: usize) -> (u16, u32) {
        let Ring { size, base, .. } = self.queues[queue];
        let ring = base + USED;
        let count = u16::from_le_bytes(self.get(ring + 2));
        let last = u64::from(count.wrapping_sub(1) % size);
        (count, u32::from_le_bytes(self.get(ring + 8 + 8 * last)))
    }
}

impl Ring {
    fn enabled(device: &mut Transport, number: u16) -> Self {
        let base = NEXT_QUEUE * u64::from(number);
        device.write(QUEUE, 2, number.into());
        place(device, base as u32);
        device.write(ENABLED, 2, 1);
        Self {
            size: device.read(QUEUE_SIZE, 2) as u16,
            available: 0,
            base,
        }
    }
}

/// Takes VIRTIO_F_VERSION_1, and no other feature.
pub fn accept(device: &mut Transport) {
    for (register, width, value) in [(0x08, 4, 1), (0x0c, 4, 1), (STATUS, 1, 0xb)] {
        device.write(register, width, value);
    }
}

/// Says that the parts of the queue that is selected are behind this address.
pub fn place(device: &mut Transport, base: u32) {
    for (register, width, value) in [
        (0x20, 4, base + DESCRIPTORS as u32),
        (0x28, 4, base + AVAILABLE as u32),
        (0x30, 4, base + USED as u32),
    ] {
        device.write(register, width, value);
    }
}

/// Whether the device says that its driver has to start anew.
pub fn is_broken(device: &mut Transport) -> bool {
    device.read(STATUS, 1) & NEEDS_RESET != 0
}
