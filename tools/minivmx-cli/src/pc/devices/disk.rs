// SPDX-License-Identifier: GPL-2.0

//! A disk of virtio (Virtual I/O Device (VIRTIO) Version 1.2, "Block Device"), whose contents are a
//! file's. What a CPU asks for is done when it goes on, by its own thread: its guest finds all of it
//! done, and the interrupt waiting.

pub mod image;
mod request;

use anyhow::{
    ensure,
    Result, //
};
use serde::{
    Deserialize,
    Serialize, //
};
use virtio_bindings::{
    virtio_blk::{
        VIRTIO_BLK_F_FLUSH,
        VIRTIO_BLK_F_RO,
        VIRTIO_BLK_F_SEG_MAX,
        VIRTIO_BLK_F_SIZE_MAX, //
    },
    virtio_ids::VIRTIO_ID_BLOCK, //
};
use vm_memory::GuestMemoryMmap;

use super::{
    pci::function::Function,
    value_of,
    virtio::{
        self,
        Transport,
        PORTS, //
    },
    Device,
};
use image::Image;
use request::Known;

/// Mass storage, of no bus that PCI knows.
const CLASS: [u8; 3] = [0x01, 0x80, 0x00];

const QUEUE_SIZE: u16 = 128;
/// Parts of a request: of its descriptors two are for its header, and for its status.
const MOST_PARTS: u32 = QUEUE_SIZE as u32 - 2;
/// Bytes of a part.
const LARGEST_PART: u32 = 32 << 10;
/// So that a request takes no more time than that.
const LARGEST: usize = MOST_PARTS as usize * LARGEST_PART as usize;

pub struct Disk {
    transport: Transport,
    image: Image,
}

/// What it is, but for its contents.
#[derive(Deserialize, Serialize)]
pub struct State {
    transport: virtio::State,
    sectors: u64,
    read_only: bool,
}

/// As PCI shows it.
pub fn function(line: u8) -> Function {
    virtio::function::function(VIRTIO_ID_BLOCK as u16, CLASS, line)
}

impl Disk {
    pub fn new(image: Image) -> Result<Self> {
        let always = [
            VIRTIO_BLK_F_SIZE_MAX,
            VIRTIO_BLK_F_SEG_MAX,
            VIRTIO_BLK_F_FLUSH,
        ];
        let features = always
            .iter()
            .chain(image.read_only().then_some(&VIRTIO_BLK_F_RO));
        let features = features.fold(0, |features, bit| features | (1 << bit));
        Ok(Self {
            transport: Transport::new(features, QUEUE_SIZE)?,
            image,
        })
    }

    pub fn state(&self) -> State {
        State {
            transport: self.transport.state(),
            sectors: self.image.sectors(),
            read_only: self.image.read_only(),
        }
    }

    /// Its contents are those of the image that it has now.
    pub fn restore(&mut self, state: &State) -> Result<()> {
        let (here, there) = (self.image.sectors(), state.sectors);
        ensure!(
            here == there,
            "the guest's disk has {there} sectors, and not {here}, as that of --disk"
        );
        ensure!(
            self.image.read_only() == state.read_only,
            "the guest's disk {}, other than that of --disk",
            if state.read_only {
                "can only be read"
            } else {
                "can be written"
            }
        );
        self.transport.restore(&state.transport)
    }

    /// Does what the guest has asked for since the last call.
    pub fn serve(&mut self, memory: &GuestMemoryMmap) {
        let disk = Known {
            image: &self.image,
            flushes: self.transport.accepted() & (1 << VIRTIO_BLK_F_FLUSH) != 0,
        };
        self.transport.serve(memory, |reader, writer| {
            request::answer(&disk, reader, writer)
        });
    }

    /// Whether its interrupt line is to rise, once.
    pub fn take_interrupt(&mut self) -> bool {
        self.transport.take_interrupt()
    }

    /// Its registers for a driver of disks: sectors, bytes of a part at most, parts of a request at most.
    fn register(&self, offset: u16, width: u8) -> u32 {
        let sectors = self.image.sectors().to_le_bytes();
        let limits = [LARGEST_PART, MOST_PARTS].map(u32::to_le_bytes);
        let bytes = [&sectors[..], limits.as_flattened()].concat();
        value_of(bytes.into_iter().skip(offset.into()).take(width.into()))
    }
}

impl Device for Disk {
    fn read(&mut self, port: u16, width: u8) -> u32 {
        match port % PORTS {
            offset @ virtio::DEVICE.. => self.register(offset - virtio::DEVICE, width),
            offset => self.transport.read(offset, width),
        }
    }

    fn write(&mut self, port: u16, width: u8, value: u32) {
        self.transport.write(port % PORTS, width, value);
    }

    fn has_wide_registers(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
