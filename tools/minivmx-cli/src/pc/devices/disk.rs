// SPDX-License-Identifier: GPL-2.0

//! A disk of virtio (Virtual I/O Device (VIRTIO) Version 1.2, "Block Device"), whose contents are a
//! file's. What a CPU asks for is done when it goes on, by its own thread: its guest finds all of
//! it done, and the interrupt waiting.

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
    pci::{
        function::Function,
        slot, //
    },
    virtio::{
        self,
        Transport, //
    },
};
use image::Image;
use request::Known;

/// Mass storage, of no bus that PCI knows.
const CLASS: [u8; 3] = [0x01, 0x80, 0x00];

/// The number of its queue.
const REQUESTS: u16 = 0;
const QUEUE_SIZE: u16 = 128;
/// Parts of a request: of its descriptors two are for its header, and for its status.
const MOST_PARTS: u32 = QUEUE_SIZE as u32 - 2;
/// Bytes of a part.
const LARGEST_PART: u32 = 32 << 10;
/// So that a request takes no more time than that.
const LARGEST: usize = MOST_PARTS as usize * LARGEST_PART as usize;

pub struct Disk {
    pub(super) transport: Transport,
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
pub fn function() -> Function {
    virtio::function::function(VIRTIO_ID_BLOCK as u16, CLASS, slot::DISK)
}

/// Registers for a driver of disks: sectors, bytes of a part at most, parts of a request at most.
fn registers(image: &Image) -> Vec<u8> {
    let sectors = image.sectors().to_le_bytes();
    let limits = [LARGEST_PART, MOST_PARTS].map(u32::to_le_bytes);
    [&sectors[..], limits.as_flattened()].concat()
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
            transport: Transport::new(features, &[QUEUE_SIZE], &registers(&image))?,
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
        self.transport.serve(REQUESTS, memory, |reader, writer| {
            request::answer(&disk, reader, writer)
        });
    }
}

#[cfg(test)]
mod tests;
